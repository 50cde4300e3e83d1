"""Values that the builders make of a task or a region: shown by their controls, accepted, and given back as targets."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Control, Controls
from label_studio_ml.targets import BoxTarget

from ..browser import Browser
from ..studio import Json
from .labelling import Labelling, white
from .round_trip import Accepted, open_prediction
from .test_control_facts import COLUMNS

CHOICES = '<Choice value="x"/><Choice value="y"/><Choice value="z"/>'
TREE = '<Choice value="P"><Choice value="Q"/><Choice value="R"/></Choice><Choice value="S"/>'
CONFIG = f"""<View>
    <Text name="text" value="$text"/><Text name="other" value="$other"/>
    <Pairwise name="pair" toName="text,other"/>
    <View className="one"><Choices name="one" toName="text">{CHOICES}</Choices></View>
    <View className="many"><Choices name="many" toName="text" choice="multiple">{CHOICES}</Choices></View>
    <View className="tree"><Taxonomy name="tree" toName="text">{TREE}</Taxonomy></View>
    <View className="stars"><Rating name="stars" toName="text" maxRating="5"/></View>
    <View className="count"><Number name="count" toName="text"/></View>
    <View className="day"><DateTime name="day" toName="text" only="date"/></View>
    <View className="words"><TextArea name="words" toName="text"/></View>
    <List name="items" value="$items" title="Items"/><Ranker name="rank" toName="items"/></View>"""
TASK: Json = {
    "id": 1,
    "data": {
        "text": "hello",
        "other": "world",
        "items": [{"id": name, "title": name} for name in ("a", "b", "c")],
    },
}

#: The labels of what is checked in a control.
CHECKED = """() => [...document.querySelectorAll('.{} label:has(input:checked)')].map(
    (label) => label.textContent.trim().slice(0, 1))"""

#: The texts of a TextArea, with their line ends.
TEXTS = """() => [...document.querySelectorAll('{} [data-testid=htx-textbox-content]')].map(
    (text) => text.innerText)"""

#: Whether there is a colour behind each of the two texts of a Pairwise, as there is behind the chosen one.
PAIR = """() => [...document.querySelectorAll('.lsf-htx-richtext')].slice(0, 2).map(
    (text) => getComputedStyle(text.parentElement).backgroundColor !== 'rgba(0, 0, 0, 0)')"""


@dataclass(frozen=True)
class Value:
    """A value of the control `name`: how it is built, what the page shows of it, and what its target gives back."""

    name: str
    build: Callable[[Control], Any]
    script: str
    shown: Any
    read: Callable[[Any], Any]
    output: Any


VALUES = [
    Value(
        "one",
        lambda control: regions.best_choices(control, [0.1, 0.7, 0.2], ["x", "y", "z"]),
        CHECKED.format("one"),
        ["y"],
        lambda example: example.choice,
        "y",
    ),
    Value(
        "many",
        lambda control: regions.choices(control, "x", "z"),
        CHECKED.format("many"),
        ["x", "z"],
        lambda example: example.choices,
        ("x", "z"),
    ),
    Value(
        "tree",
        lambda control: regions.choices(control, ("P", "R"), "S"),
        """() => [...document.querySelectorAll('.tree .ant-select-selection-item')].map((item) => item.textContent)""",
        ["R", "S"],
        lambda example: example.taxonomy,
        (("P", "R"), ("S",)),
    ),
    Value(
        "stars",
        lambda control: regions.rating(control, 4),
        "() => document.querySelectorAll('.stars .ant-rate-star-full').length",
        4,
        lambda example: example.rating,
        4,
    ),
    Value(
        "count",
        lambda control: regions.quantity(control, 2.5),
        "() => document.querySelector('.count input').value",
        "2.5",
        lambda example: example.number,
        2.5,
    ),
    Value(
        "day",
        lambda control: regions.date_time(control, datetime.date(2024, 2, 29)),
        "() => document.querySelector('.day input').value",
        "2024-02-29",
        lambda example: example.moment,
        "2024-02-29",
    ),
    Value(
        "words",
        lambda control: regions.texts(control, "one 😀", "שלום\nzwei"),
        TEXTS.format(".words"),
        ["one 😀", "שלום\nzwei"],
        lambda example: example.texts,
        ("one 😀", "שלום\nzwei"),
    ),
    Value(
        "pair",
        lambda control: regions.pair(control, "right"),
        PAIR,
        [False, True],
        lambda example: example.side,
        "right",
    ),
    Value(
        "rank",
        lambda control: regions.ranking(control, TASK, scores=[0.1, 0.9, 0.5]),
        COLUMNS,
        [["b", "c", "a"]],
        lambda example: example.ranking,
        ("b", "c", "a"),
    ),
]


def assert_values(
    labelling: Labelling, browser: Browser, config: str, values: list[Value], name: str
) -> None:
    """Assert what the page shows of a prediction with the values, and what the targets give back."""
    controls = Controls(config)
    open_prediction(labelling, config, TASK["data"], [value.build(controls[value.name]) for value in values])
    for value in values:
        labelling.shows(value.script, value.shown)
    browser.keep(labelling.page, name)
    accepted = Accepted(labelling)
    for value in values:
        assert value.read(accepted.example(controls[value.name])) == value.output, value.name


def test_values(labelling: Labelling, browser: Browser) -> None:
    assert_values(labelling, browser, CONFIG, VALUES, "builders-values")


OTHER_CONFIG = f"""<View><Text name="text" value="$text"/>
    <View className="nested"><Choices name="nested" toName="text" allowNested="true">{TREE}</Choices></View>
    <View className="moment"><DateTime name="moment" toName="text"/></View>
    <View className="format"><DateTime name="format" toName="text" only="date" format="%d.%m.%Y"/></View>
    <List name="items" value="$items" title="Items"/><Ranker name="sorted" toName="items">
        <Bucket name="good" title="Good"/><Bucket name="bad" title="Bad"/></Ranker></View>"""
OTHER_VALUES = [
    Value(
        "nested",
        lambda control: regions.choices(control, "R"),
        "() => SELECTED.names.get('nested').selectedLabels.map((choice) => choice.resultValue)",
        [["P", "R"]],
        lambda example: example.choices,
        ("R",),
    ),
    Value(
        "moment",
        lambda control: regions.date_time(control, datetime.datetime(2024, 2, 29, 23, 5)),
        "() => [...document.querySelectorAll('.moment input')].map((input) => input.value)",
        ["2024-02-29", "23:05"],
        lambda example: example.moment,
        "2024-02-29T23:05",
    ),
    Value(
        "format",
        lambda control: regions.date_time(control, datetime.date(2024, 2, 29)),
        "() => document.querySelector('.format input').value",
        "2024-02-29",
        lambda example: example.moment,
        "29.02.2024",
    ),
    Value(
        "sorted",
        lambda control: regions.buckets(control, TASK, {"good": ["c", "a"]}),
        COLUMNS,
        [["b"], ["c", "a"], []],
        lambda example: {name: list(items) for name, items in example.buckets.items()},
        {"_": ["b"], "good": ["c", "a"], "bad": []},
    ),
]


@pytest.mark.soak
def test_other_values(labelling: Labelling, browser: Browser) -> None:
    assert_values(labelling, browser, OTHER_CONFIG, OTHER_VALUES, "builders-other-values")


OCR = """<View><Image name="page" value="$image"/><Rectangle name="box" toName="page"/>
    <Labels name="kind" toName="page"><Label value="Title"/><Label value="Line"/></Labels>
    <TextArea name="words" toName="page" perRegion="true"/>
    <View className="quality"><Choices name="quality" toName="page" perRegion="true">
        <Choice value="x"/><Choice value="y"/></Choices></View></View>"""
SIZE = (400, 200)
#: What a model for text recognition finds: a box, what it is, the words in it, and whether they are sharp.
LINES = [
    ((20, 20, 220, 60), "Title", "Résumé 😀", "x"),
    ((40.5, 100, 360, 140.25), "Line", "שלום, world", "y"),
]


def test_text_recognition(labelling: Labelling, browser: Browser) -> None:
    controls = Controls(OCR)
    built: list[Any] = []
    for xyxy, kind, words, quality in LINES:
        box = regions.box(controls["box"], xyxy=xyxy, size=SIZE)
        parts = {"kind": kind, "words": words, "quality": quality}
        built += [box, *(regions.attach(box, controls[name], value) for name, value in parts.items())]
    open_prediction(labelling, OCR, {"image": white(*SIZE)}, built)
    for xyxy, kind, words, quality in LINES:
        left, top, width, height, _, _ = labelling.image_place()
        across, down = left + (xyxy[0] + 9) / SIZE[0] * width, top + (xyxy[3] - 9) / SIZE[1] * height
        # A click near a corner of the box selects it, if it is there; the page then shows what belongs to it.
        labelling.page.mouse.click(across, down)
        labelling.shows("() => SELECTED.regionStore.selection.highlighted?.labels", [kind])
        labelling.shows(TEXTS.format(""), [words])
        labelling.shows(CHECKED.format("quality"), [quality])
    browser.keep(labelling.page, "builders-text-recognition")

    example = Accepted(labelling).example(controls["box"])
    assert [(box.label, dict(box.values)) for box in example.boxes] == [
        (kind, {"words": (words,), "quality": (quality,)}) for _, kind, words, quality in LINES
    ]
    for box, (xyxy, *_) in zip(example.boxes, LINES, strict=True):
        assert isinstance(box, BoxTarget)
        assert box.xyxy == pytest.approx(xyxy, abs=0.01)
