"""Spans that the builders make: highlighted on the right characters, accepted, and given back as targets."""

from collections.abc import Iterator
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
CONTROLS = Controls(CONFIG)

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
CONTENTS = {name: regions.labelled_text(CONTROLS[name], TASK) for name in ("words", "marks", "says")}

#: What a model finds: a control, a text, which one of its occurrences, and a label.
FOUND = [
    ("words", "😀", 1, "ORG"),
    ("words", "cafe\u0301", 0, "PER"),
    ("words", "👩‍👩‍👧", 0, "PER"),
    ("words", "שלום", 1, "PER"),
    ("words", "Ann", 1, "PER"),
    ("words", "Acme", 0, "ORG"),
    ("words", "مرحبا Ann", 0, "PER"),
    ("marks", "& Bo", 0, "PER"),
    ("marks", "<at> 😀", 0, "ORG"),
    ("marks", "Acme", 0, "ORG"),
    ("marks", "été", 0, "ORG"),
    ("marks", "Ann", 3, "PER"),
    ("says", "😀 Bob", 0, "PER"),
    ("says", "Bob", 2, "PER"),
    ("says", "Bob", 4, "PER"),
]

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


def test_spans(labelling: Labelling, browser: Browser) -> None:
    built: list[Any] = []
    for name, words, occurrence, label in FOUND:
        start = list(occurrences(CONTENTS[name], words))[occurrence]
        built.append(CONTENTS[name].span(start, start + len(words), label))
    relation = regions.relation(built[4], built[5], "works for", label_map=CONTROLS.relation_labels)
    open_prediction(labelling, CONFIG, TASK["data"], [*built, relation])
    labelling.shows(f"() => Object.values(({HIGHLIGHTED})()).filter(Boolean).length", len(FOUND))
    browser.keep(labelling.page, "builders-texts")
    shown = labelling.evaluate(HIGHLIGHTED)
    for region, (name, words, occurrence, _) in zip(built, FOUND, strict=True):
        before, text, visible = shown[region["id"]]
        assert (text, before.count(words), visible) == (words, occurrence, True), name
    # A frame has a padding of a few pixels.
    ends = [labelling.evaluate(PIECE, region["id"]) for region in built[4:6]]
    drawn = ["works for", *(pytest.approx(end, abs=8) for end in ends)]
    assert_drawn(lambda: labelling.evaluate(RELATIONS), [drawn])

    accepted = Accepted(labelling)
    targets = {name: accepted.regions(CONTROLS[name]) for name in CONTENTS}
    for region, (name, words, occurrence, label) in zip(built, FOUND, strict=True):
        target = targets[name][region["id"]]
        assert isinstance(target, SpanTarget)
        start = list(occurrences(CONTENTS[name], words))[occurrence]
        assert (target.start, target.end, target.text) == (start, start + len(words), words)
        assert target.labels == (label,)
    example = accepted.example(CONTROLS["words"])
    assert example.text == CONTENTS["words"].text
    assert example.relations == (RelationTarget(built[4]["id"], built[5]["id"], "right", ("works for",)),)
