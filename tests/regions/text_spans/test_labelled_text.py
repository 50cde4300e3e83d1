"""Spans in texts, pages and paragraphs, and back. The numbers are those of docs/region-formats.md."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from built_regions import SHOWN_NUMBERS
from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.text_spans.html_text import html_text
from label_studio_ml.regions.text_spans.labelled_text import LabelledText, labelled_text
from label_studio_ml.validation.region_checks import RegionChecks
from time_growth import time_growth

CONFIG = """<View><Text name="text" value="$text"/><HyperText name="page" value="$html"/>
<Paragraphs name="talk" value="$talk" textKey="says"/><Text name="file" value="$file" valueType="url"/>
<Image name="image" value="$image"/>
<Labels name="entity" toName="text">
<Label value="Person" predicted_values="PER"/><Label value="Place" alias="LOC"/></Labels>
<Labels name="in_file" toName="file"><Label value="Person"/></Labels>
<HyperTextLabels name="mark" toName="page"><Label value="Person"/></HyperTextLabels>
<ParagraphLabels name="turn" toName="talk"><Label value="Person"/></ParagraphLabels>
<Choices name="choice" toName="image"><Choice value="a"/></Choices></View>"""
CONTROLS = Controls(CONFIG)

HTML = (
    "<p>a &amp; b</p><p>c<br/>d😀ef</p><script>var x=1;</script><style>p{color:red}</style>"
    "<p>e <b>bo</b>ld</p>"
)
TALK = [{"says": "hi 😀 you"}, {"says": "line1\nline2"}, {"says": "third"}]


def on_text(text: str) -> LabelledText:
    return labelled_text(CONTROLS["entity"], {"data": {"text": text}})


def made(region: dict[str, Any] | None) -> dict[str, Any]:
    assert region is not None
    return region


def test_a_span_of_a_text() -> None:
    region = made(on_text("a😀b").span(1, 2, "PER", score=0.5, id="r"))
    assert region == {
        "id": "r",
        "from_name": "entity",
        "to_name": "text",
        "type": "labels",
        "value": {"start": 1, "end": 2, "text": "😀", "labels": ["Person"]},
        "score": 0.5,
    }


def test_a_span_of_a_page_has_offsets_in_its_whole_text() -> None:
    text = labelled_text(CONTROLS["mark"], {"data": {"html": HTML}})
    measured = {"&": (2, 3), "😀": (8, 9), "e": (9, 10), "bo": (25, 27)}
    assert {text.text[start:end] for start, end in measured.values()} == measured.keys()
    region = made(text.span(8, 9, "Person"))
    assert region["value"] == {
        "start": "",
        "startOffset": 0,
        "end": "",
        "endOffset": 0,
        "globalOffsets": {"start": 8, "end": 9},
        "text": "😀",
        "hypertextlabels": ["Person"],
    }
    assert text.offsets(region) == (8, 9)
    submitted = {**region["value"], "start": "/p[2]/text()[2]", "startOffset": 1, "end": "/p[2]/text()[2]"}
    assert text.offsets({"value": submitted}) == (8, 9)


@pytest.mark.parametrize(
    ("html", "piece", "offsets"),
    [
        (
            "<html><head><title>T</title></head><body>\n  <p>one</p>\n  <p>  two   three\n four</p>\n</body></html>",
            "one",
            (3, 6),
        ),
        (
            "<html><head><title>T</title></head><body>\n  <p>one</p>\n  <p>  two   three\n four</p>\n</body></html>",
            "three",
            (17, 22),
        ),
        ("  \n<p>one</p>", "one", (0, 3)),
        ("<p>a<!-- no -->b</p>", "ab", (0, 2)),
        ("<p>a\r\nb</p>", "b", (2, 3)),
        ("plain &lt;text&gt;", "<text>", (6, 12)),
        ("<style>p{}</style>x", "x", (3, 4)),
    ],
)
def test_texts_of_pages(html: str, piece: str, offsets: tuple[int, int]) -> None:
    assert html_text(html)[offsets[0] : offsets[1]] == piece


def test_a_span_of_paragraphs_counts_utf16_units_in_each() -> None:
    text = labelled_text(CONTROLS["turn"], {"data": {"talk": TALK}})
    assert text.text == "hi 😀 you\nline1\nline2\nthird"
    face = made(text.span(3, 4, "Person"))
    assert face["value"] == {
        "start": "0",
        "startOffset": 3,
        "end": "0",
        "endOffset": 5,
        "text": "😀",
        "paragraphlabels": ["Person"],
    }
    across = made(text.span(5, 22, "Person"))
    place = [across["value"][name] for name in ("start", "startOffset", "end", "endOffset")]
    assert place == ["0", 6, "2", 1]
    assert text.offsets(across) == (5, 22)


@given(st.text(max_size=60), st.data())
@settings(max_examples=300, deadline=None)
def test_spans_of_any_text_come_back(content: str, data: st.DataObject) -> None:
    text = on_text(content)
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    region = text.span(start, end, "PER")
    if start == end:
        assert region is None
        return
    assert text.offsets(made(region)) == (start, end)
    assert made(region)["value"]["text"] == content[start:end]
    assert RegionChecks(CONFIG).refusal([region]) is None


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5), st.data())
@settings(max_examples=300, deadline=None)
def test_spans_of_any_paragraphs_come_back(says: list[str], data: st.DataObject) -> None:
    text = labelled_text(CONTROLS["turn"], {"data": {"talk": [{"says": each} for each in says]}})
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text.text))] * 2)))
    region = text.span(start, end, "Person")
    if region is not None:
        back = text.offsets(region)
        # An offset between two paragraphs is the end of the one before.
        assert back == (start, end)


@given(st.text(alphabet="ab😀é\u0301שׁ &<>\n", max_size=40), st.data())
@settings(max_examples=200, deadline=None)
def test_spans_of_any_page_come_back(content: str, data: st.DataObject) -> None:
    escaped = content.replace("&", "&amp;").replace("<", "&lt;")
    text = labelled_text(CONTROLS["mark"], {"data": {"html": f"<body><p>{escaped}</p></body>"}})
    assert text.text == content
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    region = text.span(start, end, "Person")
    if region is not None:
        assert text.offsets(region) == (start, end)


@pytest.mark.parametrize(("index", "offset"), [("3", 0), ("-1", 0), ("0", -1), ("x", 0), (None, None)])
def test_paragraphs_that_do_not_exist_are_errors(index: Any, offset: Any) -> None:
    text = labelled_text(CONTROLS["turn"], {"data": {"talk": TALK}})
    place = {"start": index, "startOffset": offset, "end": "2", "endOffset": 1}
    with pytest.raises(ValueError, match="There is no paragraph"):
        text.offsets({"value": place})


def test_half_of_a_surrogate_pair() -> None:
    text = labelled_text(CONTROLS["turn"], {"data": {"talk": [{"says": "a\ud83d b"}]}})
    region = made(text.span(1, 3, "Person"))
    assert (region["value"]["startOffset"], region["value"]["endOffset"]) == (1, 3)
    assert text.offsets(region) == (1, 3)


def test_white_space_at_the_ends_can_be_left_out() -> None:
    text = on_text("  Ann  went")
    assert text.offsets(made(text.span(0, 7, "PER", strip=True))) == (2, 5)
    assert text.span(5, 7, "PER", strip=True) is None


def test_tagged_tokens() -> None:
    text = on_text("Ann Lee lives in New York")
    tokens = text.text.split()
    tags = ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC"]
    regions = text.tagged(tokens, tags, scores=[0.9, 0.7, 0.1, 0.1, 0.4, 0.2])
    assert [(text.offsets(region), region["value"]["labels"]) for region in regions] == [
        ((0, 7), ["Person"]),
        ((17, 25), ["LOC"]),
    ]
    assert [region["score"] for region in regions] == pytest.approx([0.8, 0.3])
    offsets = np.array([[0, 3], [4, 7], [8, 13], [14, 16], [17, 20], [21, 25]])
    sure = text.tagged(offsets, tags, scores=np.array([0.9, 0.7, 0.1, 0.1, 0.4, 0.2]), min_score=0.5)
    assert [text.offsets(region) for region in sure] == [(0, 7)]
    with pytest.raises(ValueError, match="'Bob' is not in the text after character 3"):
        text.tagged(["Ann", "Bob"], ["O", "O"])
    with pytest.raises(ValueError, match="tags must have an entry for each token"):
        text.tagged(tokens, ["O"])


def test_output_of_a_token_classification_pipeline() -> None:
    text = on_text("Ann lives in Rome")
    groups = [
        {"entity_group": "PER", "score": np.float32(0.99), "start": 0, "end": 3, "word": "Ann"},
        {"entity_group": "LOC", "score": np.float32(0.3), "start": 12, "end": 17, "word": " Rome"},
    ]
    regions = text.of_pipeline(groups)
    assert [text.offsets(region) for region in regions] == [(0, 3), (13, 17)]
    assert [text.offsets(region) for region in text.of_pipeline(groups, min_score=0.5)] == [(0, 3)]
    tokens = [
        {"entity": "B-PER", "score": 0.9, "index": 1, "start": 0, "end": 2, "word": "An"},
        {"entity": "I-PER", "score": 0.7, "index": 2, "start": 2, "end": 3, "word": "##n"},
        {"entity": "I-PER", "score": 0.7, "index": 5, "start": 13, "end": 17, "word": "Rome"},
    ]
    regions = text.of_pipeline(tokens)
    assert [text.offsets(region) for region in regions] == [(0, 3), (13, 17)]
    assert [region["score"] for region in regions] == pytest.approx([0.8, 0.7])
    with pytest.raises(ValueError, match="needs a fast tokenizer"):
        text.of_pipeline([{"entity": "B-PER", "score": 0.9, "start": None, "end": None}])
    assert text.of_pipeline([]) == []
    for output in ([groups], groups[0], "Ann"):
        with pytest.raises(ValueError, match="must be the list of entities of one text"):
            text.of_pipeline(output)  # type: ignore[arg-type]


def test_entities_of_spacy() -> None:
    """The document is a stand-in with spaCy's attributes: spaCy is not installed."""
    text = on_text("Ann lives in Rome")
    entities = [SimpleNamespace(start_char=0, end_char=3, label_="PER")]
    regions = text.of_spacy(SimpleNamespace(text=text.text, ents=entities), score=0.5)
    assert [(text.offsets(region), region["score"]) for region in regions] == [((0, 3), 0.5)]
    with pytest.raises(ValueError, match="is not one of this text"):
        text.of_spacy(SimpleNamespace(text="other", ents=[]))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (-1, 2, "start must be a whole number from 0 to 5, not -1"),
        (0, 6, "end must be a whole number from 0 to 5, not 6"),
        (1.5, 2, "start must be a whole number"),
        (None, 2, "start must be a number, not None"),
        (3, 2, "must end after its start, not from 3 to 2"),
    ],
)
def test_offsets_that_are_not_in_the_text_are_errors(start: Any, end: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        on_text("hello").span(start, end, "PER")


def test_the_text_of_a_task() -> None:
    with pytest.raises(ValueError, match="'file' has the URL of a text: pass the file's text as content="):
        labelled_text(CONTROLS["in_file"], {"data": {"file": "http://host/a.txt"}})
    assert labelled_text(CONTROLS["in_file"], {"data": {"file": "x"}}, content="Ann").text == "Ann"
    with pytest.raises(LabelConfigError, match="does not label a text"):
        labelled_text(CONTROLS["choice"], {"data": {"image": "x"}})
    with pytest.raises(ValueError, match="'text' must be a text, not NoneType"):
        labelled_text(CONTROLS["entity"], {"data": {"text": None}})
    with pytest.raises(ValueError, match="'text' must be a text, not list"):
        labelled_text(CONTROLS["entity"], {"data": {"text": ["a"]}})
    with pytest.raises(ValueError, match="'html' must be a text, not int"):
        labelled_text(CONTROLS["mark"], {"data": {"html": 5}})
    with pytest.raises(ValueError, match="'talk' must be a list of objects with 'says', not str"):
        labelled_text(CONTROLS["turn"], {"data": {"talk": "x"}})
    with pytest.raises(KeyError):
        labelled_text(CONTROLS["turn"], {"data": {}})


@pytest.mark.parametrize(("value", "shown"), SHOWN_NUMBERS.items())
def test_a_number_is_the_text_that_the_page_shows(value: float, shown: str) -> None:
    text = labelled_text(CONTROLS["entity"], {"data": {"text": value}})
    assert text.text == shown
    region = text.span(0, 1, "PER")
    assert region is not None
    assert region["value"]["text"] == shown[0]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_number_that_no_page_can_show(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        labelled_text(CONTROLS["entity"], {"data": {"text": value}})


PARAGRAPHS = """<View><Paragraphs name="p" value="$p"/>
<ParagraphLabels name="l" toName="p"><Label value="A"/></ParagraphLabels></View>"""


def test_a_paragraph_without_a_text_is_empty() -> None:
    task = {"p": [{"text": "ab"}, {"text": None}, {}, {"text": "cd"}]}
    assert labelled_text(Controls(PARAGRAPHS)["l"], task).text == "ab\n\n\ncd"


def test_spans_in_thousands_of_paragraphs_do_not_count_all_of_them_for_each() -> None:
    def prepare(count: int) -> Callable[[], object]:
        content = labelled_text(Controls(PARAGRAPHS)["l"], {"p": [{"text": "word"}] * count})
        places = [(at * 5, at * 5 + 4) for at in range(count)]
        made = content.spans(places, ["A"] * count)
        assert [content.offsets(region) for region in made[:2]] == [(0, 4), (5, 9)]
        return lambda: content.spans(places, ["A"] * count)

    assert time_growth(prepare, 500, 4000) < 8 * 4
