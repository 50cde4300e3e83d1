"""Metrics of relations: which regions are the same one, and which direction counts."""

from typing import Any

import pytest

from label_studio_ml.evaluation.metrics.relations import measure, relations_in

Json = dict[str, Any]


def span(name: str, start: int, label: str = "PER") -> Json:
    value = {"start": start, "end": start + 3, "text": "?", "labels": [label]}
    return {"id": name, "from_name": "l", "to_name": "t", "type": "labels", "value": value}


def box(name: str, x: float) -> Json:
    value = {"x": x, "y": 0, "width": 10, "height": 10, "rectanglelabels": ["Car"]}
    return {"id": name, "from_name": "b", "to_name": "i", "type": "rectanglelabels", "value": value}


def relation(direction: str = "right", *labels: str) -> Json:
    return {"type": "relation", "from_id": "a", "to_id": "b", "direction": direction, "labels": list(labels)}


def f1(annotated: list[Json], predicted: list[Json]) -> float | None:
    return measure([(relations_in(annotated), relations_in(predicted))], []).metrics["f1"]


def test_ids_do_not_matter_but_places_and_labels_do() -> None:
    annotated = [span("a", 0), span("b", 10), relation("right", "of")]
    renamed = [
        span("x", 0),
        span("y", 10),
        {**relation("right", "of"), "from_id": "x", "to_id": "y"},
    ]
    assert f1(annotated, renamed) == 1.0
    assert f1(annotated, [span("a", 0), span("b", 11), relation("right", "of")]) == 0.0
    assert f1(annotated, [span("a", 0, "LOC"), span("b", 10), relation("right", "of")]) == 0.0
    assert f1(annotated, [span("a", 0), span("b", 10), relation("right", "in")]) == 0.0


def test_directions() -> None:
    ends = [span("a", 0), span("b", 10)]
    turned = {**relation("left"), "from_id": "b", "to_id": "a"}
    assert f1([*ends, relation()], [*ends, turned]) == 1.0
    assert f1([*ends, relation()], [*ends, relation("left")]) == 0.0
    assert f1([*ends, relation()], [*ends, relation("bi")]) == 0.0
    assert f1([*ends, relation("bi")], [*ends, {**turned, "direction": "bi"}]) == 1.0


def test_boxes_that_overlap_by_half_are_the_same() -> None:
    annotated = [box("a", 0), box("b", 50), relation()]
    assert f1(annotated, [box("a", 3), box("b", 50), relation()]) == 1.0
    assert f1(annotated, [box("a", 4), box("b", 50), relation()]) == 0.0


def test_global_offsets_count_before_paths() -> None:
    def html(path: str, start: int) -> Json:
        region = span("a", 0)
        region["value"] = {"start": path, "end": path, "startOffset": 0, "endOffset": 1, "labels": ["PER"]}
        region["value"]["globalOffsets"] = {"start": start, "end": start + 1}
        return region

    annotated = [html("/p[1]/text()[1]", 4), span("b", 10), relation()]
    assert f1(annotated, [html("/p[1]", 4), span("b", 10), relation()]) == 1.0
    assert f1(annotated, [html("/p[1]/text()[1]", 5), span("b", 10), relation()]) == 0.0


def test_labels_are_counted_each() -> None:
    ends = [span("a", 0), span("b", 10)]
    both, one = [*ends, relation("right", "of", "in")], [*ends, relation("right", "of")]
    measured = measure([(relations_in(both), relations_in(one))], [])
    assert measured.metrics["f1"] == pytest.approx(2 / 3)
    assert measured.labels["in"]["recall"] == 0.0


def test_a_relation_is_matched_once_and_needs_its_ends() -> None:
    ends = [span("a", 0), span("b", 10)]
    assert f1([*ends, relation()], [*ends, relation(), relation()]) == pytest.approx(2 / 3)
    assert relations_in([span("a", 0), relation()]) == []
    assert relations_in([*ends, {"type": "relation", "from_id": "a", "to_id": None}]) == []


def test_a_damaged_end_of_a_relation_is_a_missing_one() -> None:
    damaged = [{**relation(), "from_id": ["a"]}, {**relation(), "to_id": {}}]
    assert relations_in([span("a", 0), span("b", 10), *damaged]) == []


def test_the_first_item_channel_and_page_may_be_numbered_or_not() -> None:
    value = {"start": 1.0, "end": 2.0, "labels": ["PER"]}
    annotated = [{**span("a", 0), "value": value}, span("b", 10), relation()]
    numbered = {**annotated[0], "item_index": 0, "value": {**value, "channel": 0, "score": 0.9}}
    assert f1(annotated, [numbered, *annotated[1:]]) == 1.0
    other = {**annotated[0], "value": {**value, "channel": 1}}
    assert f1(annotated, [other, *annotated[1:]]) == 0.0
