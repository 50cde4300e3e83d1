"""What became of predicted regions: kept, changed, removed, and what annotators added."""

from typing import Any

import pytest

from label_studio_ml.evaluation.prediction_use import AnnotationUse, annotation_use, region_uses

Region = dict[str, Any]


def box(region_id: str, x: float, label: str = "Car", **more: Any) -> Region:
    value = {"x": x, "y": 2, "width": 3, "height": 4, "rotation": 0, "rectanglelabels": [label]}
    common = {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels"}
    return {"id": region_id, **common, "value": value, **more}


def choice(word: str, region_id: str | None = None, **more: Any) -> Region:
    common = {"from_name": "kind", "to_name": "text", "type": "choices"}
    return {**({"id": region_id} if region_id else {}), **common, "value": {"choices": [word]}, **more}


def outcome(predicted: list[Region], annotated: list[Region]) -> tuple[list[tuple[str, str]], AnnotationUse]:
    uses = region_uses(predicted, annotated)
    return [(label, use.value) for label, use in uses], annotation_use(uses)


@pytest.mark.parametrize(
    ("predicted", "annotated", "uses", "whole"),
    [
        # As Label Studio copies a prediction: ids are kept, fields are added, numbers are rounded.
        ([box("a", 1)], [box("a", 1.004, origin="prediction")], [("Car", "kept")], "accepted"),
        ([box("a", 1)], [box("a", 7, origin="prediction-changed")], [("Car", "changed")], "changed"),
        # Of its own accord Label Studio says "prediction" where it encodes a mask in another way.
        ([box("a", 1)], [box("a", 7, origin="prediction")], [("Car", "kept")], "accepted"),
        ([box("a", 1)], [box("a", 1, "Bus", origin="prediction-changed")], [("Car", "changed")], "changed"),
        ([box("a", 1)], [], [("Car", "removed")], "discarded"),
        ([box("a", 1)], [box("b", 50, "Bus")], [("Car", "removed"), ("Bus", "added")], "discarded"),
        (
            [box("a", 1), box("b", 5)],
            [box("a", 1)],
            [("Car", "kept"), ("Car", "removed")],
            "changed",
        ),
        ([box("a", 1)], [box("a", 1), box("n", 9, "Bus")], [("Car", "kept"), ("Bus", "added")], "changed"),
        ([], [], [], "accepted"),
        ([], [box("n", 9)], [("Car", "added")], "changed"),
        # Values without ids, as scripts write them.
        ([choice("yes")], [choice("yes", "x")], [("yes", "kept")], "accepted"),
        ([choice("yes")], [choice("no", "x")], [("yes", "changed")], "changed"),
        ([choice("yes", "p")], [choice("no", "x")], [("yes", "changed")], "changed"),
        ([choice("yes")], [], [("yes", "removed")], "discarded"),
        # A box that was deleted and drawn again at the same place was right.
        ([box("a", 1)], [box("b", 1, origin="manual")], [("Car", "kept")], "accepted"),
    ],
)
def test_uses(
    predicted: list[Region], annotated: list[Region], uses: list[tuple[str, str]], whole: str
) -> None:
    found, use = outcome(predicted, annotated)
    assert found == uses
    assert use == whole


def test_fields_that_label_studio_adds_do_not_count() -> None:
    span = {
        "id": "s",
        "from_name": "l",
        "to_name": "t",
        "type": "labels",
        "value": {"start": 0, "end": 3, "labels": ["A"]},
    }
    added = {**span, "value": {**span["value"], "text": "one", "globalOffsets": {"start": 0, "end": 3}}}  # type: ignore[dict-item]
    assert outcome([span], [added])[0] == [("A", "kept")]
    dropped = box("a", 1)
    del dropped["value"]["rotation"]
    assert outcome([box("a", 1)], [dropped])[0] == [("Car", "kept")]


def test_values_of_one_region_are_compared_by_control() -> None:
    """A region with a text has two items of one id."""
    text = {"id": "a", "from_name": "ocr", "to_name": "image", "type": "textarea", "value": {"text": ["one"]}}
    other = {**text, "value": {"text": ["two"]}}
    assert outcome([box("a", 1), text], [box("a", 1), other])[0] == [("Car", "kept"), ("(ocr)", "changed")]


@pytest.mark.parametrize(
    "odd", [None, 1, "x", [], {"type": "relation", "from_id": "a", "to_id": "b"}, {"value": 1}]
)
def test_items_without_a_value_are_left_out(odd: Any) -> None:
    assert outcome([odd, box("a", 1)], [odd, box("a", 1)]) == ([("Car", "kept")], AnnotationUse.ACCEPTED)
