"""The value of predictions: counts by version and label, and times with and without a prediction."""

from typing import Any

from label_studio_ml.evaluation import value_report
from label_studio_ml.evaluation.value_report import LabelUse, measure_value

Task = dict[str, Any]


def region(label: str, region_id: str = "r") -> dict[str, Any]:
    value = {"start": 0, "end": 3, "labels": [label]}
    return {"id": region_id, "from_name": "l", "to_name": "t", "type": "labels", "value": value}


def prediction(
    number: int, version: str, label: str = "A", at: str = "2026-01-01T00:00:00Z"
) -> dict[str, Any]:
    return {"id": number, "model_version": version, "result": [region(label)], "created_at": at}


def annotation(
    parent: int | None, label: str | None = "A", at: str = "2026-01-02T00:00:00Z", **more: Any
) -> Task:
    result = [] if label is None else [region(label)]
    return {"parent_prediction": parent, "result": result, "created_at": at, "lead_time": 10.0, **more}


def test_counts_by_version_and_label() -> None:
    tasks = [
        {
            "predictions": [prediction(1, "v1")],
            "annotations": [annotation(1), annotation(1, "B", lead_time=30)],
        },
        {"predictions": [prediction(2, "v1")], "annotations": [annotation(2, None, lead_time=None)]},
        {
            "predictions": [prediction(3, "v2", "B")],
            "annotations": [annotation(3, "B", "2026-01-03T00:00:00Z")],
        },
        {"predictions": [], "annotations": [annotation(None, lead_time=40), annotation(None, lead_time=60)]},
        {"predictions": [prediction(4, "v1")], "annotations": [annotation(4, was_cancelled=True)]},
    ]
    report = measure_value(tasks, "1.2", "Cars")
    assert [use.version for use in report.versions] == ["v2", "v1"]  # the last one that was seen first
    v1 = report.versions[1]
    assert (v1.annotations, v1.accepted, v1.changed, v1.discarded, v1.skipped) == (3, 1, 1, 1, 1)
    assert (v1.seconds, v1.timed) == (20.0, 2)
    assert v1.labels == [LabelUse(label="A", kept=1, changed=1, removed=1)]
    assert (report.unaided, report.unaided_seconds, report.unaided_timed) == (2, 50.0, 2)
    assert (report.tasks, report.lost) == (5, 0)


def test_a_prediction_that_was_there_but_not_used_counts_for_the_newest_version_of_the_time() -> None:
    predictions = [
        prediction(1, "v1", at="2026-01-01T00:00:00Z"),
        prediction(2, "v2", at="2026-01-02T00:00:00Z"),
        prediction(3, "v3", at="2026-01-09T00:00:00Z"),  # made after the annotation
    ]
    tasks = [{"predictions": predictions, "annotations": [annotation(None, at="2026-01-03T00:00:00+01:00")]}]
    report = measure_value(tasks, "1.2", "")
    assert [(use.version, use.unused, use.annotations) for use in report.versions] == [("v2", 1, 0)]


def test_a_prediction_that_is_gone_and_one_without_a_version() -> None:
    tasks = [
        {"predictions": [], "annotations": [annotation(7)]},
        {"predictions": [prediction(1, "")], "annotations": [annotation(1)]},
    ]
    report = measure_value(tasks, "1.2", "")
    assert report.lost == 1
    assert [use.version for use in report.versions] == ["(no version)"]


def test_many_labels_are_summed_up() -> None:
    count = value_report.MAX_LABELS + 5
    tasks = [
        {
            "predictions": [prediction(n, "v1", f"label {n:04}")],
            "annotations": [annotation(n, f"label {n:04}")],
        }
        for n in range(count)
    ]
    (use,) = measure_value(tasks, "1.2", "").versions
    assert len(use.labels) == value_report.MAX_LABELS + 1
    assert use.labels[-1] == LabelUse(label=value_report.OTHER_LABELS, kept=5)


def test_nothing_to_count() -> None:
    counts: list[int] = []
    report = measure_value([{"annotations": None}, {}], "1.2", "", counted=counts.append)
    assert (report.versions, report.unaided, report.unaided_seconds, counts) == ([], 0, None, [1, 2])


def test_odd_times_do_not_count() -> None:
    odd: list[Any] = [None, 0, -1, float("inf"), "10", float("nan")]
    tasks = [{"predictions": [], "annotations": [annotation(None, lead_time=seconds) for seconds in odd]}]
    report = measure_value(tasks, "1.2", "")
    assert (report.unaided, report.unaided_timed) == (6, 0)
