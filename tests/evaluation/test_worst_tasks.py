"""Which tasks of an evaluation are listed as the worst, and how far prediction and annotation agree."""

from typing import Any

import pytest

from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.evaluation.worst_tasks import MAX_TASKS, WorstTasks, task_agreement

Json = dict[str, Any]


def _region(kind: str, name: str = "c", **value: Any) -> Json:
    return {"from_name": name, "to_name": "x", "type": kind, "value": value}


def _choice(*labels: str) -> Json:
    return _region("choices", choices=list(labels))


def _box(x: float, label: str = "cat") -> Json:
    return _region("rectanglelabels", x=x, y=0, width=10, height=10, rectanglelabels=[label])


def _span(start: int, end: int, label: str = "PER") -> Json:
    return _region("labels", start=start, end=end, labels=[label])


def _agreement(annotated: list[Json], predicted: list[Json]) -> float:
    worst = WorstTasks()
    worst.add(1, Observations().add(annotated, predicted), annotated, {"result": predicted})
    listed = worst.worst_first()
    return listed[0].agreement if listed else 1.0


@pytest.mark.parametrize(
    ("annotated", "predicted", "expected"),
    [
        ([_choice("a")], [_choice("a")], 1.0),
        ([_choice("a")], [_choice("b")], 0.0),
        ([_choice("a", "b")], [_choice("b")], 0.5),
        ([_choice("a")], [], 0.0),
        ([_box(0), _box(50)], [_box(1)], 2 / 3),
        ([_box(0)], [_box(0, "dog")], 0.0),
        ([_span(0, 4)], [_span(0, 4)], 1.0),
        ([_span(0, 4)], [_span(2, 6)], 0.5),
        ([_region("textarea", text=["whale"])], [_region("textarea", text=["whalf"])], 0.8),
        ([_region("rating", rating=4)], [_region("rating", rating=2)], 0.5),
        ([_region("rating", rating=4)], [], 0.0),
        (
            [_region("keypointlabels", x=10, y=10, keypointlabels=["nose"])],
            [_region("keypointlabels", x=11, y=10, keypointlabels=["nose"])],
            1.0,
        ),
        (
            [_region("polygonlabels", points=[[0, 0], [50, 0], [50, 50]], polygonlabels=["a"])],
            [_region("polygonlabels", points=[[0, 0], [50, 0], [50, 49]], polygonlabels=["a"])],
            1.0,
        ),
        ([{**_choice("a"), "value": "damaged"}], [_choice("a")], 0.0),
    ],
)
def test_agreement(annotated: list[Json], predicted: list[Json], expected: float) -> None:
    assert _agreement(annotated, predicted) == pytest.approx(expected)
    assert 0 <= _agreement(predicted, annotated) <= 1


def test_the_worst_tasks_are_kept_in_order_and_bounded() -> None:
    worst = WorstTasks()
    for number in range(200):
        labels = [f"l{at}" for at in range(number + 1)]
        annotated, predicted = [_choice(*labels)], [_choice("l0")]
        worst.add(number, Observations().add(annotated, predicted), annotated, {"result": predicted})
    listed = worst.worst_first()
    assert len(listed) == MAX_TASKS
    assert [one.task for one in listed] == list(range(199, 199 - MAX_TASKS, -1))
    assert listed[0].predicted == {"l0": 1}
    assert len(listed[0].annotated) == 20


def test_a_task_without_a_prediction_has_the_cause() -> None:
    worst = WorstTasks()
    annotated = [_choice("a")]
    worst.add(3, Observations().add(annotated, []), annotated, {"error": "no idea"})
    worst.add(None, Observations().add(annotated, []), annotated, {"error": "no id"})
    assert [(one.task, one.agreement, one.error) for one in worst.worst_first()] == [(3, 0.0, "no idea")]


def test_long_texts_and_labels_are_cut() -> None:
    long = "w" * 1_000_000
    worst = WorstTasks()
    annotated, predicted = [_region("textarea", text=[long])], [_region("textarea", text=[long + "x"])]
    worst.add(1, Observations().add(annotated, predicted), annotated, {"result": predicted})
    (task,) = worst.worst_first()
    assert task.agreement < 1
    assert len(next(iter(task.annotated))) < 400


def test_thousands_of_regions_of_one_label_are_counted_only() -> None:
    many = [_box(number / 100) for number in range(5000)]
    assert _agreement(many, many[:2500]) == pytest.approx(2 / 3)
    assert task_agreement("boxes", []) == 1.0
