"""Metrics of spans, against values worked out by hand."""

import pytest

from label_studio_ml.evaluation.metrics.spans import Span, measure


def _span(label: str, start: float, end: float) -> Span:
    return Span(label, (0, start, 0.0), (0, end, 0.0))


TRUTH = [_span("PER", 0, 5), _span("LOC", 10, 15), _span("ORG", 20, 30)]
FOUND = [_span("PER", 0, 5), _span("LOC", 10, 14), _span("PER", 20, 30), _span("LOC", 40, 45)]


def test_four_strictnesses() -> None:
    found = measure([(TRUTH, FOUND)], []).metrics
    # One is right; one has another end, one another label, one is spurious.
    assert (found["strict_precision"], found["strict_recall"], found["strict_f1"]) == pytest.approx(
        (1 / 4, 1 / 3, 2 / 7)
    )
    assert (found["boundary_precision"], found["boundary_recall"], found["boundary_f1"]) == pytest.approx(
        (2 / 4, 2 / 3, 4 / 7)
    )
    assert (found["overlap_precision"], found["overlap_recall"], found["overlap_f1"]) == pytest.approx(
        (2.5 / 4, 2.5 / 3, 5 / 7)
    )
    assert (found["type_precision"], found["type_recall"], found["type_f1"]) == pytest.approx(
        (2 / 4, 2 / 3, 4 / 7)
    )


def test_by_label() -> None:
    measured = measure([(TRUTH, FOUND)], ["LOC"])
    assert list(measured.labels) == ["LOC", "ORG", "PER"]
    assert measured.labels["PER"] == pytest.approx(
        {"precision": 1 / 2, "recall": 1.0, "f1": 2 / 3, "overlap_f1": 2 / 3, "support": 1.0}
    )
    assert measured.labels["LOC"] == pytest.approx(
        {"precision": 0.0, "recall": 0.0, "f1": 0.0, "overlap_f1": 1 / 3, "support": 1.0}
    )
    assert measured.labels["ORG"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "overlap_f1": 0.0,
        "support": 1.0,
    }


def test_tasks_are_added_up() -> None:
    one, other = [_span("PER", 0, 5)], [_span("PER", 7, 9)]
    found = measure([(one, one), (other, []), ([], other)], []).metrics
    assert (found["strict_precision"], found["strict_recall"]) == (1 / 2, 1 / 2)


def test_a_span_that_only_overlaps_does_not_take_the_place_of_the_right_one() -> None:
    found = measure([([_span("PER", 0, 10)], [_span("PER", 0, 4), _span("PER", 0, 10)])], []).metrics
    assert (found["strict_precision"], found["strict_recall"]) == (1 / 2, 1.0)


def test_spans_that_only_touch_do_not_overlap() -> None:
    found = measure([([_span("PER", 0, 5)], [_span("PER", 5, 9)])], []).metrics
    assert found["overlap_f1"] == found["type_f1"] == 0.0


def test_seconds_and_paragraphs_are_places_too() -> None:
    truth = [Span("a", (0, 0.25, 0.0), (0, 1.75, 0.0)), Span("b", (0, 3.0, 12.0), (0, 4.0, 2.0))]
    found = [Span("a", (0, 0.5, 0.0), (0, 1.75, 0.0)), Span("b", (0, 3.0, 12.0), (0, 4.0, 2.0))]
    measured = measure([(truth, found)], [])
    assert measured.metrics["strict_f1"] == 1 / 2
    assert measured.metrics["overlap_f1"] == 3 / 4
