"""Metrics of key points, against values worked out by hand."""

from typing import Any

import pytest

from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.evaluation.metrics.pictures.key_points import Point, measure

Json = dict[str, Any]


def test_a_point_within_five_percent_matches() -> None:
    truth = [Point("nose", 0.5, 0.5), Point("ear", 0.2, 0.2)]
    found = [Point("nose", 0.524, 0.532), Point("ear", 0.2, 0.26)]
    measured = measure([(truth, found)], ["nose", "ear"])
    assert list(measured.labels) == ["nose", "ear"]
    assert measured.labels["nose"] == pytest.approx(
        {"precision": 1, "recall": 1, "f1": 1, "support": 1, "distance": 0.04}
    )
    assert measured.labels["ear"]["f1"] == 0.0
    assert measured.labels["ear"]["distance"] is None
    assert measured.metrics == pytest.approx({"precision": 0.5, "recall": 0.5, "f1": 0.5, "distance": 0.04})


def test_the_nearest_points_match_first_and_once() -> None:
    truth = [Point("a", 0.10, 0), Point("a", 0.14, 0)]
    found = [Point("a", 0.13, 0), Point("a", 0.15, 0)]
    measured = measure([(truth, found)], [])
    # 0.13 is nearest to 0.14 together with 0.15; 0.10 and the other one are left, 0.03 or 0.05 apart.
    assert measured.metrics["f1"] == 1.0
    assert measure([(truth, found[:1])], []).metrics["recall"] == 0.5


def test_other_labels_and_other_tasks_do_not_match() -> None:
    point = Point("a", 0, 0)
    assert measure([([point], [Point("b", 0, 0)])], []).metrics["f1"] == 0.0
    assert measure([([point], []), ([], [point])], []).metrics["f1"] == 0.0


def test_distances_are_shares_of_the_longer_side() -> None:
    def point(x: float, y: float) -> Json:
        size = {"original_width": 400, "original_height": 100}
        value = {"x": x, "y": y, "width": 1, "keypointlabels": ["a"]}
        return {"from_name": "k", "to_name": "i", "type": "keypointlabels", "value": value, **size}

    observations = Observations()
    observations.add([point(50, 50)], [point(50, 66)])  # 16 of 400 pixels
    assert observations.measure()["k"].metrics["distance"] == pytest.approx(0.04)
    assert observations.measure()["k"].metrics["f1"] == 1.0
