"""`to_conll`: tokens and tags."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.targets.exports.class_list import Omitted
from label_studio_ml.targets.exports.word_tokens import _disjoint, default_tokens
from targets.exports.labelled_texts import CONTROLS, collection, task

HEADER = "-DOCSTART- -X- -X- O"


def conll(tmp_path: Path, *tasks: Any, **options: Any) -> list[str]:
    """The lines of the file, without the one before each text, and without the columns that say nothing."""
    file = collection(*tasks).to_conll(CONTROLS["ner"], tmp_path / "out.conll", **options)
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"{HEADER}\n\n")
    return [line.replace(" -X- -X- ", " ") for line in text.split("\n")[2:]]


def test_a_text_with_spans(tmp_path: Path) -> None:
    lines = conll(tmp_path, task("Ann Lee of Acme, Inc.", (0, 7, "PER"), (11, 20, "ORG")))
    expected = ["Ann B-PER", "Lee I-PER", "of O", "Acme B-ORG", ", I-ORG", "Inc I-ORG", ". O", "", ""]
    assert lines == expected


def test_the_file_has_four_columns(tmp_path: Path) -> None:
    file = collection(task("Ann", (0, 3, "PER")), task("x y", number=2)).to_conll(
        CONTROLS["ner"], tmp_path / "out.conll"
    )
    assert file == tmp_path / "out.conll"
    assert file.read_text() == (f"{HEADER}\n\nAnn -X- -X- B-PER\n\n{HEADER}\n\nx -X- -X- O\ny -X- -X- O\n\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out.conll"]


def test_a_blank_line_ends_a_sentence_and_a_span_begins_anew(tmp_path: Path) -> None:
    lines = conll(tmp_path, task("a b\n \nc d\ne", (2, 8, "ORG")))
    assert lines == ["a O", "b B-ORG", "", "c B-ORG", "d O", "e O", "", ""]


def test_offsets_count_characters_before_which_there_are_emoji(tmp_path: Path) -> None:
    text = "👩\u200d👩\u200d👧 👍🏽 🇩🇪🇫🇷 e\u0301te\u0301 Ann"
    start = text.index("Ann")
    lines = conll(tmp_path, task(text, (start, start + 3, "PER"), (0, 5, "ORG")))
    assert lines == [
        "👩\u200d👩\u200d👧 B-ORG",
        "👍🏽 O",
        "🇩🇪 O",
        "🇫🇷 O",
        "e\u0301te\u0301 O",
        "Ann B-PER",
        "",
        "",
    ]


def test_a_token_is_cut_where_a_span_begins_and_ends(tmp_path: Path) -> None:
    assert conll(tmp_path, task("Rheinlandpfalz", (5, 9, "ORG"))) == [
        "Rhein O",
        "land B-ORG",
        "pfalz O",
        "",
        "",
    ]


def test_the_longest_of_spans_that_overlap_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    overlapping = task("one two three", (0, 7, "ORG"), (4, 13, "PER"), (8, 13, "ORG"), (0, 3, "ORG"))
    assert conll(tmp_path, overlapping)[:3] == ["one B-ORG", "two B-PER", "three I-PER"]
    assert "leaves out: 2 spans that overlap a longer one" in caplog.text


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10), st.sampled_from(["PER", "ORG"])), max_size=12)
)
def test_spans_that_are_kept_are_disjoint_and_no_longer_one_is_left_out(
    spans: list[tuple[int, int, str]],
) -> None:
    entry = task("x" * 40, *((start, start + length, label) for start, length, label in spans))
    (example,) = collection(entry).targets(CONTROLS["ner"])
    kept = _disjoint(example.spans, Omitted())
    assert all(before.end <= after.start for before, after in pairwise(kept))
    for span in example.spans:
        overlapping = [each for each in kept if each.start < span.end and span.start < each.end]
        assert any(each.end - each.start >= span.end - span.start for each in overlapping)


def test_the_converter_of_the_sdk_gives_whole_words_to_spans_and_mixes_overlapping_ones() -> None:
    """That is why it is not used. If this fails, see whether it can be."""
    from label_studio_sdk.converter.utils import create_tokens_and_tags

    def span(start: int, end: int, label: str) -> dict[str, Any]:
        return {"start": start, "end": end, "labels": [label]}

    assert create_tokens_and_tags("Rheinland", [span(5, 9, "ORG")]) == (["Rheinland"], ["B-ORG"])
    overlapping = [span(0, 3, "PER"), span(0, 7, "ORG"), span(4, 13, "PER")]
    assert create_tokens_and_tags("one two three", overlapping)[1] == ["B-PER", "B-ORG", "B-PER"]


def test_spans_side_by_side_begin_each(tmp_path: Path) -> None:
    assert conll(tmp_path, task("a b", (0, 1, "PER"), (2, 3, "PER")))[:2] == ["a B-PER", "b B-PER"]


def test_white_space_in_labels_is_no_column(tmp_path: Path) -> None:
    assert conll(tmp_path, task("CEO", (0, 3, "Job Title")))[0] == "CEO B-Job_Title"


def test_spans_of_white_space_have_no_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert conll(tmp_path, task("a  b", (1, 3, "PER")))[:2] == ["a O", "b O"]
    assert "1 spans without a token of their own" in caplog.text


@pytest.mark.parametrize("form", ["texts", "offsets"])
def test_the_callers_tokens_are_not_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str) -> None:
    def split(text: str) -> Any:
        return text.split() if form == "texts" else [(0, 5), (6, 12)]

    lines = conll(tmp_path, task("to-do Rhein!", (3, 11, "ORG")), tokenize=split)
    assert lines[:2] == ["to-do B-ORG", "Rhein! I-ORG"]
    assert "ends of spans within a token" in caplog.text


def test_tokens_that_are_not_in_the_text_are_an_error_and_leave_no_file(tmp_path: Path) -> None:
    for wrong in (["x"], [(0, 9)], [(0, 2), (1, 3)], [""]):
        with pytest.raises(ValueError, match="tokenize must be a function that returns tokens of the text"):
            conll(tmp_path, task("abc"), tokenize=lambda text, wrong=wrong: wrong)
    assert not list(tmp_path.iterdir())


@given(st.text(), st.sets(st.integers(0, 20)))
def test_default_tokens_are_all_of_the_text_but_white_space(text: str, cuts: set[int]) -> None:
    tokens = list(default_tokens(text, cuts))
    covered = [position for start, end in tokens for position in range(start, end)]
    assert covered == [position for position, character in enumerate(text) if not character.isspace()]
    assert not any(start < cut < end for start, end in tokens for cut in cuts)


def test_default_tokens_of_several_scripts() -> None:
    text = "naïve_1 don't 北京市 हिन्दी می\u200cخواهم 1️⃣"
    assert [text[start:end] for start, end in default_tokens(text)] == [
        "naïve_1",
        *("don", "'", "t"),
        *("北", "京", "市"),
        "हिन्दी",
        "می\u200cخواهم",
        "1️⃣",
    ]


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    conll(tmp_path, task("a"))
    with pytest.raises(FileExistsError, match=r"out\.conll exists: pass another file"):
        conll(tmp_path, task("b"))
    tasks = collection(task("a"))
    with pytest.raises(ValueError, match="file must be given"):
        tasks.to_conll(CONTROLS["ner"])
    tasks.use_workdir(tmp_path)
    assert tasks.to_conll(CONTROLS["ner"]) == tmp_path / "annotations.conll"


def test_other_controls_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabelConfigError, match=r"CoNLL has no form for what <Choices name=\"mood\">"):
        collection().to_conll(CONTROLS["mood"], tmp_path / "out.conll")


def test_a_file_that_another_export_has_made_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.conll"

    def tokenize(text: str) -> list[str]:
        if not path.exists():
            collection(task("Other")).to_conll(CONTROLS["ner"], path)
        return text.split()

    with pytest.raises(FileExistsError, match=r"out\.conll exists"):
        collection(task("Ann")).to_conll(CONTROLS["ner"], path, tokenize=tokenize)
    assert "Other" in path.read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.conll"]
