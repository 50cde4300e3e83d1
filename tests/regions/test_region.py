"""Predictions made of regions, and values of several controls for one region."""

from typing import Any

import pytest

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.region_checks import RegionChecks
from label_studio_ml.regions.box import box
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
    region = a_box(score=0.5, item=1)
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
