"""Spans that the builders make: highlighted on the right characters, accepted, and given back as targets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.regions import LabelledText
from label_studio_ml.targets import RelationTarget, SpanTarget

from ..browser import Browser
from ..studio import Json
from .labelling import Labelling
from .round_trip import Accepted, assert_drawn, open_prediction

LABELS = '<Label value="PER"/><Label value="ORG"/>'
CONFIG = f"""<View>
    <Labels name="words" toName="text">{LABELS}</Labels><Text name="text" value="$text"/>
    <HyperTextLabels name="marks" toName="page">{LABELS}</HyperTextLabels><HyperText name="page" value="$html"/>
    <ParagraphLabels name="says" toName="talk">{LABELS}</ParagraphLabels>
    <Paragraphs name="talk" value="$talk" layout="dialogue"/>
    <Relations><Relation value="works for"/></Relations></View>"""

Contents = Mapping[str, LabelledText]

#: Words and emoji occur several times, so that a span at the wrong one is seen.
TASK: Json = {
    "id": 1,
    "data": {
        "text": "a 😀 b 😀 cafe\u0301 👩‍👩‍👧 שלום Ann שלום\nAnn at Acme, مرحبا Ann",
        "html": "<h1>Ann &amp; Bo</h1><p>Ann <b>&lt;at&gt; 😀 Ac</b>me<br/>Ann &eacute;t&eacute; שלום Ann</p>",
        "talk": [
            {"author": "A", "text": "Hi 😀 Bob, hi"},
            {"author": "B", "text": "Bob 😀 is\nBob, I am Bob"},
            {"author": "A", "text": "Bye Bob"},
        ],
    },
}
#: Region id: the text before the region in its object, its own text, and whether all of it can be seen.
HIGHLIGHTED = """() => Object.fromEntries(SELECTED.regionStore.regions.map((region) => {
    const pieces = (region._spans ?? []).filter((piece) => piece.isConnected);
    if (!pieces.length) return [region.cleanId, null];
    const page = pieces[0].ownerDocument;
    const root = page === document
        ? pieces[0].closest('.lsf-htx-richtext, [data-testid=phrases-wrapper]') : page.body;
    const before = page.createRange();
    before.setStart(root, 0);
    before.setEnd(pieces[0], 0);
    return [region.cleanId, [
        before.toString(),
        pieces.map((piece) => piece.textContent).join(''),
        pieces.every((piece) => piece.getBoundingClientRect().width > 0)]] }))"""


#: For each relation that is drawn: its text, and middle and width of the frames around its two regions.
RELATIONS = """() => [...document.querySelectorAll('[class*=relationItem]')].map((item) => [
    item.querySelector('text').textContent,
    ...[...item.querySelectorAll(':scope > rect')].map((frame) => {
        const place = frame.getBoundingClientRect();
        return [place.x + place.width / 2, place.width] })])"""
#: Middle and width of a region's only piece.
PIECE = """(id) => {
    const region = SELECTED.regionStore.regions.find((region) => region.cleanId === id);
    const place = region._spans[0].getBoundingClientRect();
    return [place.x + place.width / 2, place.width] }"""


def occurrences(content: LabelledText, words: str) -> Iterator[int]:
    """Yield the offsets at which words begin in a text."""
    start = content.text.find(words)
    while start >= 0:
        yield start
        start = content.text.find(words, start + 1)


@dataclass(frozen=True)
class Find:
    """What a model finds: a text in what a control labels, which one of its occurrences it is, and its label."""

    name: str
    words: str
    occurrence: int
    label: Any

    def ends(self, contents: Contents) -> tuple[int, int]:
        """Return the offsets of the text, the end exclusive."""
        start = list(occurrences(contents[self.name], self.words))[self.occurrence]
        return start, start + len(self.words)


def contents_of(controls: Controls, task: Json) -> Contents:
    """Return the text of each control that labels one, by the control's name."""
    return {control.name: regions.labelled_text(control, task) for control in controls}


def assert_highlighted(labelling: Labelling, spans: Mapping[str, Find]) -> None:
    """Assert that the page highlights the spans, given by the ids of their regions, and where each is."""
    labelling.shows(f"() => Object.values(({HIGHLIGHTED})()).filter(Boolean).length", len(spans))

    def highlighted() -> dict[str, Any]:
        shown = labelling.evaluate(HIGHLIGHTED)
        return {
            region_id: _without_line_ends(shown.get(region_id), find) for region_id, find in spans.items()
        }

    expected = {
        region_id: (find.words.replace("\n", ""), find.occurrence, True) for region_id, find in spans.items()
    }
    assert_drawn(highlighted, expected)


def _without_line_ends(shown: Any, find: Find) -> Any:
    """Return text, occurrence and visibility of a span: a line end is a character or an element of the page."""
    if shown is None:
        return None
    before, text, visible = shown
    words, before, text = (string.replace("\n", "") for string in (find.words, before, text))
    return text, before.count(words), visible


def assert_targets(
    accepted: Accepted, controls: Controls, contents: Contents, spans: Mapping[str, Find]
) -> None:
    """Assert that the targets give back what the model found."""
    targets = {name: accepted.regions(controls[name]) for name in contents}
    for region_id, find in spans.items():
        target = targets[find.name][region_id]
        assert isinstance(target, SpanTarget)
        assert (target.start, target.end, target.text) == (*find.ends(contents), find.words)
        assert target.labels == (find.label,)


FOUND = [
    Find("words", "😀", 1, "ORG"),
    Find("words", "cafe\u0301", 0, "PER"),
    Find("words", "👩‍👩‍👧", 0, "PER"),
    Find("words", "שלום", 1, "PER"),
    Find("words", "Ann", 1, "PER"),
    Find("words", "Acme", 0, "ORG"),
    Find("words", "مرحبا Ann", 0, "PER"),
    Find("marks", "& Bo", 0, "PER"),
    Find("marks", "<at> 😀", 0, "ORG"),
    Find("marks", "Acme", 0, "ORG"),
    Find("marks", "été", 0, "ORG"),
    Find("marks", "Ann", 3, "PER"),
    Find("says", "😀 Bob", 0, "PER"),
    Find("says", "Bob", 2, "PER"),
    Find("says", "Bob", 4, "PER"),
]


def test_spans(labelling: Labelling, browser: Browser) -> None:
    controls = Controls(CONFIG)
    contents = contents_of(controls, TASK)
    built: list[Any] = [contents[find.name].span(*find.ends(contents), find.label) for find in FOUND]
    spans = {region["id"]: find for region, find in zip(built, FOUND, strict=True)}
    relation = regions.relation(built[4], built[5], "works for", label_map=controls.relation_labels)
    open_prediction(labelling, CONFIG, TASK["data"], [*built, relation])
    assert_highlighted(labelling, spans)
    # A frame has a padding of a few pixels.

    def relations() -> Any:
        ends = [labelling.evaluate(PIECE, region["id"]) for region in built[4:6]]
        drawn = labelling.evaluate(RELATIONS)
        return (
            True if drawn == [["works for", *(pytest.approx(end, abs=8) for end in ends)]] else (drawn, ends)
        )

    assert_drawn(relations, True)
    browser.keep(labelling.page, "builders-texts")

    accepted = Accepted(labelling)
    assert_targets(accepted, controls, contents, spans)
    example = accepted.example(controls["words"])
    assert example.text == contents["words"].text
    assert example.relations == (RelationTarget(built[4]["id"], built[5]["id"], "right", ("works for",)),)


OTHER = f"""<View>
    <Labels name="marks" toName="page">{LABELS}</Labels><HyperText name="page" value="$html"/>
    <Labels name="says" toName="talk">{LABELS}</Labels>
    <Paragraphs name="talk" value="$talk" layout="none"/></View>"""
ACROSS = [
    Find("marks", "BoAnn <at", 0, "PER"),
    Find("marks", "me\nAnn", 0, "PER"),
    Find("says", "hi\nBob 😀", 0, "ORG"),
    Find("says", "is\nBob, I am Bob\nBye", 0, "PER"),
]


@pytest.mark.soak
def test_spans_across_lines(labelling: Labelling) -> None:
    controls = Controls(OTHER)
    contents = contents_of(controls, TASK)
    built: list[Any] = [contents[find.name].span(*find.ends(contents), find.label) for find in ACROSS]
    spans = {region["id"]: find for region, find in zip(built, ACROSS, strict=True)}
    open_prediction(labelling, OTHER, TASK["data"], built)
    assert_highlighted(labelling, spans)
    assert_targets(Accepted(labelling), controls, contents, spans)


TAGS = {"cafe\u0301": "B-ORG", "👩‍👩‍👧": "I-ORG", "Acme,": "B-ORG", "مرحبا": "B-PER"}
TAGGED = [("cafe\u0301 👩‍👩‍👧", "ORG"), ("Acme,", "ORG"), ("مرحبا", "PER")]


@pytest.mark.soak
def test_token_tags(labelling: Labelling) -> None:
    control = Controls(CONFIG)["words"]
    content = regions.labelled_text(control, TASK)
    tokens = content.text.split()
    built = content.tagged(tokens, [TAGS.get(token, "O") for token in tokens])
    found = [Find("words", words, 0, label) for words, label in TAGGED]
    spans = {region["id"]: find for region, find in zip(built, found, strict=True)}
    open_prediction(labelling, CONFIG, TASK["data"], built)
    assert_highlighted(labelling, spans)
    assert_targets(Accepted(labelling), Controls(CONFIG), {"words": content}, spans)
