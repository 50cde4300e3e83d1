"""Predictions made of regions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Controls, LabelMap
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.attachment import attach
from label_studio_ml.regions.pictures.box import box
from label_studio_ml.regions.region import nest, prediction, relation
from label_studio_ml.validation.region_checks import RegionChecks

CONFIG = """<View><Image name="page" value="$image"/><Rectangle name="box" toName="page"/>
<Labels name="kind" toName="page"><Label value="Title"/></Labels>
<TextArea name="words" toName="page" perRegion="true"/></View>"""
CONTROLS = Controls(CONFIG)


def a_box(**arguments: Any) -> dict[str, Any]:
    region = box(CONTROLS["box"], xyxy=(10, 20, 30, 40), size=(100, 100), **arguments)
    assert region is not None
    return region


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


def test_relations() -> None:
    first, second = {"id": "a"}, {"id": "b"}
    assert relation(first, second, "cause", direction="bi") == {
        "type": "relation",
        "from_id": "a",
        "to_id": "b",
        "direction": "bi",
        "labels": ["cause"],
    }
    assert relation(None, second, "cause") is None
    assert relation(first, None) is None
    with pytest.raises(ValueError, match="direction must be"):
        relation(first, second, direction="up")  # type: ignore[arg-type]


def test_the_labels_of_relations_are_mapped() -> None:
    first, second = {"id": "a"}, {"id": "b"}
    controls = Controls(
        '<View><Relations><Relation value="Cause" predicted_values="because"/>'
        '<Relation value="Effect"/></Relations></View>'
    )
    made = relation(first, second, "because", "effect", label_map=controls.relation_labels)
    assert made is not None
    assert made["labels"] == ["Cause", "Effect"]
    with pytest.raises(
        LabelConfigError, match="The control 'Relations' has no label 'other'; it has: Cause, Effect"
    ):
        relation(first, second, "other", label_map=controls.relation_labels)
    dropping = LabelMap("Relations", controls.relation_labels.labels, {"because": "Effect"}, "drop")
    assert relation(first, second, "other", label_map=dropping) is None
    mapped = relation(first, second, "because", label_map=dropping)
    assert mapped is not None
    assert mapped["labels"] == ["Effect"]


def test_regions_are_listed_below_another_one() -> None:
    parent, first, second = a_box(), a_box(), a_box()
    line = relation(first, second)
    children = nest(parent, first, [second, None], line)
    assert [child.get("parentID") for child in children] == [parent["id"], parent["id"], None]
    assert children[2] == line
    assert "parentID" not in first
    assert nest(None, first) == [first]
    assert RegionChecks(CONFIG).refusal([parent, *children]) is None


@pytest.mark.parametrize("control", ["box", None])
@pytest.mark.parametrize(
    "build",
    [
        lambda control: regions.box(control, xyxy=(1, 2, 3, 4), size=(10, 10)),
        lambda control: regions.mask(control, [[1]]),
        lambda control: regions.choices(control, "x"),
        lambda control: regions.segment(control, 0, 1, "x"),
        lambda control: regions.attach(a_box(), control, "x"),
        lambda control: regions.labelled_text(control, {"data": {}}),
        lambda control: regions.react_code(control, {}),
        lambda control: regions.ranking(control, {"data": {}}, order=[]),
    ],
)
def test_a_name_or_none_instead_of_a_control(build: Callable[[Any], Any], control: Any) -> None:
    with pytest.raises(ValueError, match=r'^control must be a control such as self.controls\["name"\], not '):
        build(control)


@pytest.mark.parametrize("index", [-1, 0.5, "one", [0]])
def test_an_item_index_that_no_picture_has(index: Any) -> None:
    with pytest.raises(ValueError, match=r"^item_index must be a "):
        a_box(item_index=index)


def test_an_item_index_of_an_array() -> None:
    assert type(a_box(item_index=np.int64(2))["item_index"]) is int
    assert a_box(item_index=0)["item_index"] == 0
