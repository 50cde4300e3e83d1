"""Label Studio's regions on their way to the metrics."""

from typing import Any

import pytest

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.evaluation.metrics.regions import areas

Json = dict[str, Any]


def _region(name: str, kind: str, **fields: Any) -> Json:
    value = fields.pop("value", None)
    if value is None:
        value = dict(fields)
        fields = {}
    return {"from_name": name, "to_name": "x", "type": kind, "value": value, **fields}


def _choice(*labels: str) -> Json:
    return _region("c", "choices", choices=list(labels))


def _config(inner: str) -> str:
    return f'<View><Text name="x" value="$text"/>{inner}</View>'


CHOICES = '<Choices name="c" toName="x"{}><Choice value="A"/><Choice value="B"/></Choices>'


def test_the_label_config_says_which_choices_are_exclusive() -> None:
    for attributes, kind in (("", "choices"), (' choice="multiple"', "multiple choices")):
        observations = Observations(_config(CHOICES.format(attributes)))
        observations.add([_choice("B")], [_choice("A", "B")])
        measured = observations.measure()["c"]
        assert measured.kind == kind
        assert measured.metrics["accuracy"] == 0.0


def test_annotators_who_chose_several_overrule_it() -> None:
    observations = Observations(_config(CHOICES.format("")))
    observations.add([_choice("A", "B")], [_choice("A")])
    assert observations.measure()["c"].kind == "multiple choices"


def test_labels_are_in_the_order_of_the_config() -> None:
    observations = Observations(_config(CHOICES.format("")))
    observations.add([_choice("B")], [_choice("B")])
    observations.add([_choice("A")], [_choice("unknown")])
    assert list(observations.measure()["c"].labels) == ["A", "B", "unknown"]


def test_without_a_config_the_data_tell() -> None:
    observations = Observations()
    observations.add([_choice("A")], [_choice("A")])
    observations.add([_choice("B")], [])
    assert observations.measure()["c"].kind == "choices"
    assert observations.measure()["c"].metrics["accuracy"] == 0.5


def test_taxonomies_are_paths() -> None:
    def taxonomy(*paths: list[str]) -> Json:
        return _region("t", "taxonomy", taxonomy=list(paths))

    observations = Observations()
    observations.add([taxonomy(["Animal", "Cat"], ["Plant"])], [taxonomy(["Animal", "Cat"])])
    measured = observations.measure()["t"]
    assert list(measured.labels) == ["Animal / Cat", "Plant"]
    assert measured.metrics["micro_recall"] == 0.5


def test_pairwise() -> None:
    observations = Observations()
    observations.add(
        [_region("p", "pairwise", selected="left")], [_region("p", "pairwise", selected="right")]
    )
    assert observations.measure()["p"].metrics["accuracy"] == 0.0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("labels", {"start": 0, "end": 5, "text": "hello"}),
        ("labels", {"start": 0.5, "end": 1.25, "channel": 0}),
        ("timeserieslabels", {"start": "2020-01-01", "end": "2020-01-02", "instant": False}),
        ("paragraphlabels", {"start": "0", "end": "1", "startOffset": 4, "endOffset": 2}),
        (
            "hypertextlabels",
            {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 1, "endOffset": 5},
        ),
    ],
)
def test_every_kind_of_span(kind: str, value: Json) -> None:
    observations = Observations()
    region = _region("s", kind, value={**value, kind: ["L"]})
    observations.add([region], [region])
    measured = observations.measure()["s"]
    assert (measured.kind, measured.metrics["strict_f1"]) == ("spans", 1.0)
    assert measured.labels["L"]["support"] == 1.0


def test_hypertext_that_knows_its_offsets_in_the_text() -> None:
    def region(start: str, offset: int) -> Json:
        value = {
            "start": start,
            "end": start,
            "startOffset": 0,
            "endOffset": 1,
            "globalOffsets": {"start": offset, "end": offset + 10},
            "hypertextlabels": ["L"],
        }
        return _region("s", "hypertextlabels", value=value)

    observations = Observations()
    observations.add([region("/p[1]", 3)], [region("/p[2]", 8)])
    assert observations.measure()["s"].metrics["overlap_f1"] == 0.5


def _box(x: float, y: float, width: float, height: float, **fields: Any) -> Json:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": ["L"]}
    return _region("b", "rectanglelabels", value=value, original_width=200, original_height=50, **fields)


def test_rectangles_in_percent_become_pixels() -> None:
    observations = Observations()
    turned = {**_box(50, 0, 10, 40), "value": {**_box(50, 0, 10, 40)["value"], "rotation": 90}}
    # 20 by 20 pixels, turned about the corner (100, 0): from 80 to 100, and down to 20.
    observations.add([turned], [_box(40, 0, 10, 40)])
    assert observations.measure()["b"].metrics["map_50_95"] == pytest.approx(1.0)


def test_the_score_of_a_box_is_its_own_or_that_of_the_prediction() -> None:
    observations = Observations()
    observations.add([_box(0, 0, 10, 10)], [_box(0, 0, 10, 10, score=0.9), _box(60, 60, 9, 9)], 0.3)
    assert observations.measure()["b"].metrics["map_50"] == pytest.approx(1.0)
    observations = Observations()
    observations.add([_box(0, 0, 10, 10)], [_box(0, 0, 10, 10, score=0.2), _box(60, 60, 9, 9)], 0.3)
    assert observations.measure()["b"].metrics["map_50"] == pytest.approx(0.5)


def test_text_and_numbers() -> None:
    observations = Observations()
    observations.add(
        [_region("t", "textarea", text=["one", "two"]), _region("r", "rating", rating=4)],
        [_region("t", "textarea", text="one\ntwo"), _region("r", "rating", rating=3)],
    )
    measured = observations.measure()
    assert measured["t"].metrics["cer"] == 0.0
    assert measured["r"].metrics["mae"] == 1.0


def test_what_is_not_measured_is_named() -> None:
    config = _config(
        CHOICES.format("")
        + '<VectorLabels name="poly" toName="x"/><TextArea name="per" toName="x" perRegion="true"/>'
        '<Rating name="silent" toName="x"/>'
    )
    observations = Observations(config)
    said = [
        _choice("A"),
        _region("poly", "vectorlabels", vertices=[[1, 2]], vectorlabels=["L"]),
        _region("per", "textarea", text=["x"], x=1, y=2, width=3, height=4),
        {"type": "relation", "from_id": "a", "to_id": "b"},
    ]
    observations.add(said, said)
    assert list(observations.measure()) == ["c"]
    reasons = observations.not_measured()
    assert list(reasons) == ["poly", "per", "silent"]
    assert "no metric" in reasons["poly"]
    assert "regions" in reasons["per"]
    assert "no annotation and no prediction" in reasons["silent"]


def test_a_label_config_that_is_broken() -> None:
    with pytest.raises(LabelConfigError):
        Observations("<View>")


def test_relations_are_measured_beside_the_controls() -> None:
    regions = [{**_choice("A"), "id": "a"}, {**_choice("B"), "id": "b"}]
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right", "labels": ["of"]}
    observations = Observations()
    observations.add([*regions, relation], [*regions, {**relation, "direction": "left"}])
    observations.add([*regions, relation], [*regions, relation])
    measured = observations.measure()["(relations)"]
    assert measured.labels["of"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2.0}


def test_a_wrong_label_below_the_right_one_is_partly_right() -> None:
    def taxonomy(*path: str) -> Json:
        return _region("t", "taxonomy", taxonomy=[list(path)])

    observations = Observations()
    observations.add([taxonomy("Animal", "Cat", "Lynx")], [taxonomy("Animal", "Cat", "Lion")])
    metrics = observations.measure()["t"].metrics
    assert (metrics["accuracy"], metrics["hierarchical_f1"]) == (0.0, 2 / 3)


def test_frames_of_a_video_are_spans_with_the_last_frame() -> None:
    def frames(start: int, end: int) -> Json:
        return _region("v", "timelinelabels", ranges=[{"start": start, "end": end}], timelinelabels=["Run"])

    observations = Observations()
    observations.add([frames(1, 1), frames(5, 9)], [frames(1, 1), frames(6, 9)])
    measured = observations.measure()["v"]
    assert measured.labels["Run"]["f1"] == 0.5
    assert measured.metrics["overlap_f1"] == 0.75


@pytest.mark.parametrize(
    "damaged",
    [
        _region("c", "taxonomy", taxonomy=5),
        _region("c", "taxonomy", taxonomy=[]),
        _region("c", "timelinelabels", ranges=True, timelinelabels=["A"]),
        {**_region("c", "choices"), "value": "x"},
        {**_region("c", "labels"), "value": ["x"]},
        _region("c", "labels", start=0, end=10**400, labels=["A"]),
        _region("c", "rating", rating=10**400),
        _region("c", "brushlabels", rle=10**400, brushlabels=["A"]),
        _region("c", "ellipselabels", x=1, y=1, radiusX=1, radiusY=1e308, rotation=30, ellipselabels=["A"]),
    ],
)
def test_a_damaged_or_empty_value_does_not_end_the_evaluation(damaged: Json) -> None:
    observations = Observations()
    observations.add([damaged], [damaged])
    observations.measure()


def test_a_mask_that_is_a_number_takes_no_memory() -> None:
    damaged = _region("c", "brushlabels", rle=10**9, brushlabels=["A"])
    assert areas([damaged], (10, 10)) == []
