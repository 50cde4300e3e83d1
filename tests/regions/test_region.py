"""Predictions made of regions, and values of several controls for one region."""

import re
from typing import Any

import numpy as np
import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.region_checks import RegionChecks
from label_studio_ml.regions.pictures.box import box
from label_studio_ml.regions.region import attach, prediction

CONFIG = """<View><Image name="page" value="$image"/><Text name="t" value="$t"/>
<Rectangle name="box" toName="page"/>
<Labels name="kind" toName="page"><Label value="Title"/><Label value="Body"/></Labels>
<TextArea name="words" toName="page" perRegion="true"/>
<Choices name="quality" toName="page" perRegion="true"><Choice value="sharp"/><Choice value="blurred"/></Choices>
<Taxonomy name="topic" toName="page" perRegion="true"><Choice value="A"><Choice value="B"/></Choice></Taxonomy>
<Rating name="stars" toName="page" perRegion="true"/><Number name="count" toName="page" perRegion="true"/>
<DateTime name="day" toName="page" perRegion="true"/><Relations name="rel" toName="page"/>
<Rating name="other" toName="t"/></View>"""
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
    ("name", "value", "message"),
    [
        ("words", None, "value must be a text or a list of texts, not None"),
        ("stars", 4.7, "value must be a whole number, not 4.7"),
        ("stars", "good", "value must be a number, not 'good'"),
        ("count", "many", "value must be a number, not 'many'"),
    ],
)
def test_values_that_a_control_cannot_hold_are_errors(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        attach(a_box(), CONTROLS[name], value)


def test_a_text_may_be_a_number_or_an_array_of_texts() -> None:
    for value, texts in ((5, ["5"]), (np.array(["a", "b"]), ["a", "b"]), (("a", 1), ["a", "1"])):
        part = attach(a_box(), CONTROLS["words"], value)
        assert part is not None
        assert part["value"]["text"] == texts


def test_regions_that_a_model_writes_itself() -> None:
    region: dict[str, Any] = {"from_name": "kind", "to_name": "page", "type": "labels", "value": {}}
    assert prediction([region | {"score": 0.5}, region | {"score": 0.9}])["score"] == pytest.approx(0.7)
    assert prediction(region | {"score": None})["score"] == 0.0
    assert prediction(region)["result"] == [region]
    with pytest.raises(ValueError, match='by must be "mean" or "min", not \'max\''):
        prediction(region, by="max")  # type: ignore[arg-type]


def test_a_missing_label_lists_the_first_ones() -> None:
    labels = "".join(f'<Label value="label {number}"/>' for number in range(1000))
    control = Controls(
        f'<View><Image name="i" value="$i"/><RectangleLabels name="r" toName="i">{labels}</RectangleLabels></View>'
    )["r"]
    with pytest.raises(LabelConfigError) as raised:
        box(control, xyxy=(1, 2, 3, 4), size=(10, 10))
    assert raised.value.fix.endswith("label 19 and 980 more")


def test_the_score_of_a_prediction() -> None:
    sure, unsure, without = a_box(score=0.9), a_box(score=0.5), a_box()
    part = attach(sure, CONTROLS["words"], "x", score=0.1)
    assert prediction(sure, unsure, without)["score"] == pytest.approx(0.7)
    assert prediction([sure, [part, None]], unsure)["score"] == pytest.approx(0.7)
    assert prediction(sure, unsure, by="min")["score"] == 0.5
    assert prediction(sure, score=0.3)["score"] == 0.3
    assert prediction(without)["score"] == 0.0
    assert prediction() == {"result": [], "score": 0.0}
    assert prediction(None, model_version="v2") == {"result": [], "score": 0.0, "model_version": "v2"}
    with pytest.raises(ValueError, match="score must be a finite number"):
        prediction(sure, score=float("nan"))
    with pytest.raises(TypeError, match="made of regions, not of 'text'"):
        prediction("text")
