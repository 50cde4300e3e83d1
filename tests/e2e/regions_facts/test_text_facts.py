"""What `start`, `end` and their relatives count in Text, HyperText and Paragraphs."""

import pytest

from built_regions import SHOWN_NUMBERS

from ..studio import Json
from .labelling import SPANS, Labelling, region

TEXT = """<View><Labels name="label" toName="data"><Label value="A"/></Labels>
    <Text name="data" value="$text"{}/></View>"""
HYPERTEXT = """<View><HyperTextLabels name="label" toName="data"><Label value="A"/></HyperTextLabels>
    <HyperText name="data" value="$html"/></View>"""
PARAGRAPHS = """<View><ParagraphLabels name="label" toName="data"><Label value="A"/></ParagraphLabels>
    <Paragraphs name="data" value="$talk" layout="{}"/></View>"""

HTML = (
    "<p>a &amp; b</p><p>c<br/>d😀ef</p><script>var x=1;</script><style>p{color:red}</style>"
    "<p>e <b>bo</b>ld</p>"
)


def span(name: str, start: object, end: object, **more: object) -> Json:
    return region(name, "labels", {"start": start, "end": end, "labels": ["A"], **more})


def html(name: str, start: str, start_offset: int, end: str, end_offset: int, **more: object) -> Json:
    place = {"start": start, "startOffset": start_offset, "end": end, "endOffset": end_offset}
    return region(name, "hypertextlabels", {**place, "hypertextlabels": ["A"], **more})


def paragraph(
    name: str, start: object, start_offset: int, end: object, end_offset: int, **more: object
) -> Json:
    place = {"start": start, "startOffset": start_offset, "end": end, "endOffset": end_offset}
    return region(name, "paragraphlabels", {**place, "paragraphlabels": ["A"], **more})


def test_text_offsets_count_code_points(labelling: Labelling) -> None:
    text = "a😀b e\u0301 👩‍👩‍👧 שָׁלוֹם"
    pieces = {"face": (1, 2), "next": (2, 3), "mark": (5, 6), "family": (7, 12), "hebrew": (13, 15)}
    labelling.open(TEXT.format(""), {"text": text}, [span(name, *ends) for name, ends in pieces.items()])
    labelling.shows(SPANS, {name: [text[start:end]] for name, (start, end) in pieces.items()})
    stored = labelling.submit().values
    for name, (start, end) in pieces.items():
        assert stored[name] == {"start": start, "end": end, "text": text[start:end], "labels": ["A"]}


@pytest.mark.soak
@pytest.mark.parametrize(("number", "shown"), SHOWN_NUMBERS.items())
def test_a_number_is_shown_as_text(labelling: Labelling, number: float, shown: str) -> None:
    """`regions.labelled_text` reads the same of it (tests/regions/text_spans/test_labelled_text.py)."""
    labelling.open(TEXT.format(""), {"text": number}, [span("all", 0, len(shown))])
    labelling.shows(SPANS, {"all": [shown]})


@pytest.mark.soak
def test_line_breaks_of_text_count_one_each_and_come_back_as_backslash_n(labelling: Labelling) -> None:
    text = "ab\r\ncd\nef"
    spans = [span("cd", 4, 6), span("ef", 7, 9), span("all", 0, 5)]
    labelling.open(TEXT.format(""), {"text": text}, spans)
    labelling.shows(SPANS, {"cd": ["cd"], "ef": ["ef"], "all": ["ab", "c"]})
    stored = labelling.submit().values
    assert [stored[name]["text"] for name in ("cd", "ef", "all")] == ["cd", "ef", r"ab\n\nc"]


@pytest.mark.soak
def test_text_of_a_span_is_kept_even_if_it_is_wrong(labelling: Labelling) -> None:
    labelling.open(TEXT.format(""), {"text": "abcdef"}, [span("wrong", 1, 3, text="zzz"), span("none", 1, 3)])
    stored = labelling.submit().values
    assert (stored["wrong"]["text"], stored["none"]["text"]) == ("zzz", "bc")


@pytest.mark.soak
def test_text_offsets_out_of_bounds(labelling: Labelling) -> None:
    spans = [span("full", 0, 3), span("over", 4, 9), span("minus", -1, 2), span("words", "1", "2")]
    labelling.open(TEXT.format(""), {"text": "abcdef"}, spans)
    labelling.shows(
        "() => SELECTED.regionStore.regions.map((region) => [region.cleanId, region.text])",
        [["full", "abc"], ["over", ""], ["minus", "ab"], ["words", "b"]],
    )
    stored = labelling.submit().values
    assert (stored["over"]["start"], stored["over"]["end"]) == (4, 9)
    assert (stored["words"]["start"], stored["words"]["end"]) == (1, 2)


@pytest.mark.soak
def test_a_fraction_is_not_a_text_offset(labelling: Labelling) -> None:
    labelling.open(TEXT.format(""), {"text": "abcdef"}, [span("half", 1.5, 3), span("whole", 1.0, 3.0)])
    labelling.shows(SPANS, {"whole": ["bc"]})
    assert labelling.submit().values["half"] == {"labels": ["A"]}


@pytest.mark.soak
def test_word_granularity_does_not_move_a_predicted_span(labelling: Labelling) -> None:
    labelling.open(TEXT.format(' granularity="word"'), {"text": "alpha beta"}, [span("part", 2, 4)])
    labelling.shows(SPANS, {"part": ["ph"]})
    assert labelling.submit().values["part"]["text"] == "ph"


@pytest.mark.soak
def test_text_without_saved_text(labelling: Labelling) -> None:
    spans = [span("given", 0, 2, text="al"), span("none", 2, 4)]
    labelling.open(TEXT.format(' saveTextResult="no"'), {"text": "alpha"}, spans)
    assert labelling.submit().values["given"] == {"start": 0, "end": 2, "labels": ["A"]}


@pytest.mark.soak
def test_an_unknown_label_is_drawn_and_stored(labelling: Labelling) -> None:
    odd = region("odd", "labels", {"start": 0, "end": 2, "labels": ["Nope"]})
    labelling.open(TEXT.format(""), {"text": "abcdef"}, [odd])
    labelling.shows(SPANS, {"odd": ["ab"]})
    assert labelling.submit().values["odd"]["labels"] == ["Nope"]


@pytest.mark.soak
def test_hypertext_paths_and_offsets(labelling: Labelling) -> None:
    line, bold, last = "/p[2]/text()[2]", "/p[3]/b[1]/text()[1]", "/p[3]/text()[2]"
    regions = [
        html("amp", "/p[1]/text()[1]", 2, "/p[1]/text()[1]", 3),
        html("face", line, 1, line, 3),
        html("after", line, 3, line, 4),
        html("bold", bold, 0, bold, 2),
        html("cross", "/p[1]/text()[1]", 4, last, 1),
    ]
    labelling.open(HYPERTEXT, {"html": HTML}, regions)
    labelling.shows("() => Object.keys((" + SPANS + ")()).length", 5)
    four = (
        "() => { const spans = (" + SPANS + ")(); return [spans.amp, spans.face, spans.after, spans.bold] }"
    )
    labelling.shows(four, [["&"], ["😀"], ["e"], ["bo"]])
    stored = labelling.submit().values
    # An entity is one character; <br> counts one; <script> is cut out; the text of <style> counts (12).
    assert {name: tuple(value["globalOffsets"].values()) for name, value in stored.items()} == {
        "amp": (2, 3),
        "face": (8, 9),
        "after": (9, 10),
        "bold": (25, 27),
        "cross": (4, 28),
    }
    # Offsets beside a path are UTF-16 units, global ones code points.
    assert (stored["face"]["startOffset"], stored["face"]["endOffset"]) == (1, 3)
    assert stored["cross"]["text"] == r"b\n\nc\nd😀ef\n\ne bol"


@pytest.mark.soak
def test_hypertext_prefers_the_path_to_global_offsets(labelling: Labelling) -> None:
    offsets = {"globalOffsets": {"start": 4, "end": 5}}
    first, ninth = "/p[1]/text()[1]", "/p[9]/text()[1]"
    regions = [
        html("both", first, 0, first, 1, **offsets),
        html("lost", ninth, 0, ninth, 1, **offsets),
        html("empty", "", 0, "", 0, **offsets),
        html("neither", ninth, 0, ninth, 1),
    ]
    labelling.open(HYPERTEXT, {"html": HTML}, regions)
    labelling.shows(SPANS, {"both": ["a"], "lost": ["b"], "empty": ["b"]})
    stored = labelling.submit().values
    assert stored["both"]["globalOffsets"] == {"start": 0, "end": 1}
    for name in ("lost", "empty"):
        assert (stored[name]["start"], stored[name]["startOffset"], stored[name]["endOffset"]) == (
            first,
            4,
            5,
        )
    assert stored["neither"] == {
        "start": ninth,
        "startOffset": 0,
        "end": ninth,
        "endOffset": 1,
        "hypertextlabels": ["A"],
    }


@pytest.mark.soak
def test_hypertext_path_starts_below_body_and_white_space_counts(labelling: Labelling) -> None:
    page = "<html><head><title>T</title></head><body>\n  <p>one</p>\n  <p>  two   three\n four</p>\n</body></html>"
    second = "/p[2]/text()[1]"
    regions = [
        html("one", "/p[1]/text()[1]", 0, "/p[1]/text()[1]", 3),
        html("two", second, 2, second, 5),
        html("three", second, 8, second, 13),
        html("body", "/html[1]/body[1]/p[1]/text()[1]", 0, "/html[1]/body[1]/p[1]/text()[1]", 3),
        html("slashes", "//p[1]/text()[1]", 0, "//p[1]/text()[1]", 3),
        html("plain", "/p/text()", 0, "/p/text()", 3),
        html("element", "/p[1]", 0, "/p[1]", 1),
    ]
    labelling.open(HYPERTEXT, {"html": page}, regions)
    labelling.shows(SPANS, {"one": ["one"], "two": ["two"], "three": ["three"], "element": ["o"]})
    stored = labelling.submit().values
    found = {name: value["globalOffsets"] for name, value in stored.items() if "globalOffsets" in value}
    assert {name: (at["start"], at["end"]) for name, at in found.items()} == {
        "one": (3, 6),
        "two": (11, 14),
        "three": (17, 22),
        "element": (3, 4),
    }
    assert stored["element"]["start"] == "/p[1]/text()[1]"


@pytest.mark.soak
def test_hypertext_with_plain_numbers(labelling: Labelling) -> None:
    plain = region("plain", "hypertextlabels", {"start": 4, "end": 5, "hypertextlabels": ["A"]})
    only = {"globalOffsets": {"start": 4, "end": 5}, "hypertextlabels": ["A"]}
    labelling.open(HYPERTEXT, {"html": HTML}, [plain, region("only", "hypertextlabels", only)])
    labelling.shows(SPANS, {"plain": ["b"]})
    stored = labelling.submit().values
    assert stored["plain"] == {"start": 4, "end": 5, "text": "b", "hypertextlabels": ["A"]}
    assert stored["only"] == {"hypertextlabels": ["A"]}


TALK = [
    {"author": "Ann", "text": "hi 😀 you"},
    {"author": "Bob", "text": "line1\nline2"},
    {"author": "Ann", "text": "third"},
]


@pytest.mark.soak
@pytest.mark.parametrize("layout", ["dialogue", "none"])
def test_paragraph_offsets_count_utf16_units(labelling: Labelling, layout: str) -> None:
    regions = [
        paragraph("face", "0", 3, "0", 5),
        paragraph("lines", "1", 0, "1", 8),
        paragraph("cross", "0", 6, "2", 2, text="wrong"),
    ]
    labelling.open(PARAGRAPHS.format(layout), {"talk": TALK}, regions)
    texts = "() => Object.fromEntries(SELECTED.regionStore.regions.map((region) => [region.cleanId, region.text]))"
    labelling.shows(texts, {"face": "😀", "lines": "line1 li", "cross": "youline1 line2th"})
    stored = labelling.submit().values
    place = {"start": "0", "startOffset": 3, "end": "0", "endOffset": 5}
    assert stored["face"] == {**place, "text": "😀", "paragraphlabels": ["A"]}
    place = {"start": "0", "startOffset": 6, "end": "2", "endOffset": 2}
    assert stored["cross"] == {**place, "text": "youline1 line2th", "paragraphlabels": ["A"]}


@pytest.mark.soak
def test_paragraph_index_must_be_a_string(labelling: Labelling) -> None:
    labelling.open(
        PARAGRAPHS.format("dialogue"),
        {"talk": TALK},
        [paragraph("number", 0, 0, 0, 2), paragraph("far", "0", 0, "0", 99)],
    )
    assert labelling.evaluate("() => document.querySelectorAll('.htx-highlight').length") == 0
    stored = labelling.submit().values
    assert stored["number"] == {"paragraphlabels": ["A"]}
    assert (stored["far"]["text"], stored["far"]["endOffset"]) == ("", 99)
