"""Values of several controls for one region."""

import datetime
import re
from typing import Any

import numpy as np
import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.attachment import attach
from label_studio_ml.regions.pictures.box import box
from label_studio_ml.regions.region import prediction
from label_studio_ml.regions.text_spans.labelled_text import labelled_text
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Image name="page" valueList="$image"/><Text name="t" value="$t"/>
<Rectangle name="box" toName="page"/>
<Labels name="kind" toName="page"><Label value="Title"/><Label value="Body"/></Labels>
<TextArea name="words" toName="page" perRegion="true"/>
<Choices name="quality" toName="page" perRegion="true"><Choice value="sharp"/><Choice value="blurred"/></Choices>
<Taxonomy name="topic" toName="page" perRegion="true"><Choice value="A"><Choice value="B"/></Choice></Taxonomy>
<Rating name="stars" toName="page" perRegion="true"/><Number name="count" toName="page" perRegion="true" max="9"/>
<DateTime name="day" toName="page" perRegion="true" only="date"/><Relations name="rel" toName="page"/>
<Rating name="other" toName="t"/>
<Choices name="genre" toName="page"><Choice value="novel"/></Choices></View>"""
CONTROLS = Controls(CONFIG)


def a_box(**arguments: Any) -> dict[str, Any]:
    region = box(CONTROLS["box"], xyxy=(10, 20, 30, 40), size=(100, 100), **arguments)
    assert region is not None
    return region


def test_values_of_several_controls_share_id_and_place() -> None:
    region = a_box(score=0.5, item_index=1)
    parts = [
        attach(region, CONTROLS["kind"], "title"),
        attach(region, CONTROLS["words"], "Hello"),
        attach(region, CONTROLS["quality"], "Sharp", score=0.9),
        attach(region, CONTROLS["topic"], "b"),
        attach(region, CONTROLS["stars"], 4),
        attach(region, CONTROLS["count"], 2),
        attach(region, CONTROLS["day"], "2026-11-29"),
    ]
    place = {"x": 10.0, "y": 20.0, "width": 20.0, "height": 20.0, "rotation": 0.0}
    values = [part["value"] for part in parts if part is not None]
    assert values == [
        {**place, "labels": ["Title"]},
        {**place, "text": ["Hello"]},
        {**place, "choices": ["sharp"]},
        {**place, "taxonomy": [["A", "B"]]},
        {**place, "rating": 4},
        {**place, "number": 2.0},
        {**place, "datetime": "2026-11-29"},
    ]
    for part in parts:
        assert part is not None
        assert (part["id"], part["original_width"], part["item_index"]) == (region["id"], 100, 1)
    assert RegionChecks(CONFIG).refusal([region, *parts]) is None


def test_what_cannot_belong_to_a_region_is_an_error() -> None:
    region = a_box()
    with pytest.raises(LabelConfigError, match="<Rating name=\"other\"> for <Text> does not label 'page'"):
        attach(region, CONTROLS["other"], 3)
    with pytest.raises(LabelConfigError, match="holds nothing that can belong to a region"):
        attach(region, CONTROLS["rel"], "x")
    assert attach(region, CONTROLS["kind"].map_labels(unknown="drop"), "Footer") is None


def test_a_part_of_a_region_that_was_left_out_is_left_out() -> None:
    outside = box(CONTROLS["box"], xyxy=(200, 20, 230, 40), size=(100, 100))
    assert outside is None
    assert attach(outside, CONTROLS["words"], "Hello") is None
    assert prediction(outside, attach(outside, CONTROLS["kind"], "Title")) == {"result": [], "score": 0.0}


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [
        ("words", "a", "text"),
        ("quality", "sharp", "choices"),
        ("topic", "A", "taxonomy"),
        ("stars", 2, "rating"),
    ],
)
def test_a_part_of_a_part_has_only_the_place(name: str, value: Any, own: str) -> None:
    part = attach(a_box(), CONTROLS[name], value)
    assert part is not None
    assert own in part["value"]
    label = attach(part, CONTROLS["kind"], "Title")
    assert label is not None
    assert set(label["value"]) == {"x", "y", "width", "height", "rotation", "labels"}


def test_the_text_of_a_span_stays_with_its_parts() -> None:
    config = '<View><Text name="t" value="$t"/><Labels name="l" toName="t"><Label value="A"/></Labels>'
    config += '<Rating name="r" toName="t" perRegion="true"/></View>'
    value = {"start": 0, "end": 2, "text": "ab", "labels": ["A"]}
    span = {"id": "1", "from_name": "l", "to_name": "t", "type": "labels", "value": value}
    part = attach(span, Controls(config)["r"], 3)
    assert part is not None
    assert part["value"] == {"start": 0, "end": 2, "text": "ab", "rating": 3}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("words", [None], 'value must be a text for <TextArea name="words"> for <Image>, not None'),
        ("words", [["a", "b"]], "pass several texts as separate arguments"),
        ("stars", [4.7], "value must be a whole number from 0 to 5 for"),
        ("stars", [6], "value must be a whole number from 0 to 5 for"),
        ("stars", ["good"], "value must be a number, not 'good'"),
        ("stars", [1, 2], "takes one value, not 2"),
        ("stars", [], "takes one value, not 0"),
        ("count", ["many"], "value must be a number, not 'many'"),
        ("count", [10], "value must be within max=9 of"),
        ("day", ["29.11.2026"], "value must be in the format %Y-%m-%d of"),
        ("quality", ["sharp", "blurred"], "takes one choice, not sharp, blurred"),
        (
            "quality",
            [["sharp"]],
            "pass several labels as separate arguments, as in choices(control, *labels)",
        ),
        ("kind", [["Title", "Body"]], "pass several labels as separate arguments"),
    ],
)
def test_values_that_a_control_cannot_hold_are_errors(name: str, values: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        attach(a_box(), CONTROLS[name], *values)


def test_each_argument_is_one_label_or_text() -> None:
    region = a_box()

    def value(name: str, *values: Any) -> Any:
        part = attach(region, CONTROLS[name], *values)
        return part and {key: held for key, held in part["value"].items() if key not in region["value"]}

    assert value("kind", "Title", "body") == {"labels": ["Title", "Body"]}
    assert value("words", "one", np.str_("two")) == {"text": ["one", "two"]}
    assert value("topic", ["A", "B"]) == {"taxonomy": [["A", "B"]]}
    assert value("topic", "A", ("A", "B")) == {"taxonomy": [["A"], ["A", "B"]]}
    assert value("day", datetime.date(2026, 11, 29)) == {"datetime": "2026-11-29"}
    assert value("kind") is None
    assert value("words") is None


def test_values_of_the_whole_task_belong_to_no_region() -> None:
    with pytest.raises(LabelConfigError, match='Add perRegion="true" to it'):
        attach(a_box(), CONTROLS["genre"], "novel")


def test_a_taxonomy_may_label_spans() -> None:
    config = """<View><Text name="t" value="$t"/><Taxonomy name="l" toName="t" labeling="true">
    <Choice value="A"><Choice value="B"/></Choice></Taxonomy></View>"""
    control = Controls(config)["l"]
    span = labelled_text(control, {"data": {"t": "some words"}}).span(0, 4, "B")
    assert span is not None
    assert span["value"] == {"start": 0, "end": 4, "text": "some", "taxonomy": [["A", "B"]]}
    assert attach(span, control, "A") is not None
