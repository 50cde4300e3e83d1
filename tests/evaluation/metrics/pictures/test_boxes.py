"""Metrics of rectangles, against values worked out by hand."""

import pytest

from label_studio_ml.evaluation.metrics.pictures.boxes import Box, bounding_box, matches, measure, overlap


def test_overlap() -> None:
    assert overlap(Box("a", 0, 0, 10, 10), Box("a", 5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert overlap(Box("a", 0, 0, 10, 10), Box("a", 10, 0, 10, 10)) == 0.0
    assert overlap(Box("a", 1, 2, 3, 4), Box("a", 1, 2, 3, 4)) == 1.0


def test_average_precision_of_a_box_that_is_too_small() -> None:
    # It covers 60 % of the annotated one: right at the thresholds 0.50, 0.55 and 0.60 of ten.
    truth = [Box("a", 0, 0, 10, 10), Box("b", 50, 50, 10, 10)]
    found = [Box("a", 0, 0, 10, 10, 0.9), Box("b", 50, 50, 10, 6, 0.9)]
    measured = measure([(truth, found)], [])
    assert measured.labels["a"] == pytest.approx(
        {"precision": 1, "recall": 1, "f1": 1, "ap_50": 1, "ap_50_95": 1, "support": 1}
    )
    assert measured.labels["b"] == pytest.approx(
        {"precision": 1, "recall": 1, "f1": 1, "ap_50": 1, "ap_50_95": 0.3, "support": 1}
    )
    assert measured.metrics == pytest.approx(
        {"map_50": 1, "map_50_95": 0.65, "precision": 1, "recall": 1, "f1": 1}
    )


def test_a_surer_box_in_the_wrong_place_halves_the_average_precision() -> None:
    truth = [Box("a", 0, 0, 10, 10)]
    found = [Box("a", 70, 70, 10, 10, 0.9), Box("a", 0, 0, 10, 10, 0.8)]
    measured = measure([(truth, found)], [])
    assert measured.metrics == pytest.approx(
        {"map_50": 0.5, "map_50_95": 0.5, "precision": 1 / 2, "recall": 1.0, "f1": 2 / 3}
    )
    surer = [Box("a", 70, 70, 10, 10, 0.7), found[1]]
    assert measure([(truth, surer)], []).metrics["map_50"] == pytest.approx(1.0)


def test_boxes_of_other_pictures_and_other_labels_do_not_count() -> None:
    box, other = Box("a", 0, 0, 10, 10), Box("b", 0, 0, 10, 10)
    measured = measure([([box], []), ([], [box]), ([box], [other])], [])
    assert (measured.metrics["precision"], measured.metrics["recall"]) == (0.0, 0.0)
    assert measured.metrics["map_50"] == 0.0
    assert measured.labels["b"]["ap_50"] is None, "it was never annotated"


def test_many_boxes_in_a_picture() -> None:
    truth = [Box("a", number * 10, 0, 9, 9) for number in range(150)]
    found = [box._replace(score=0.5) for box in truth]
    assert measure([(truth, found)], []).metrics["map_50"] == pytest.approx(1.0)


def test_nothing_predicted() -> None:
    measured = measure([([Box("a", 0, 0, 1, 1)], [])], [])
    assert measured.metrics == {"map_50": 0.0, "map_50_95": 0.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_a_box_pairs_off_once() -> None:
    box = Box("a", 0, 0, 10, 10)
    assert matches([box], [box, box]) == 1
    assert matches([box, box], [box]) == 1


def test_a_turned_rectangle() -> None:
    assert bounding_box(1, 2, 10, 20, 0) == (1, 2, 10, 20)
    assert bounding_box(0, 0, 10, 20, 90) == pytest.approx((-20, 0, 20, 10))
    assert bounding_box(5, 5, 2, 2, 45) == pytest.approx((5 - 2**0.5, 5, 2 * 2**0.5, 2 * 2**0.5))
