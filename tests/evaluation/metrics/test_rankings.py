"""Metrics of rankings, against values worked out by hand."""

import pytest

from label_studio_ml.evaluation.measurement import Observations
from label_studio_ml.evaluation.metrics.rankings import measure, ranking
from label_studio_ml.evaluation.metrics.regions import ranking_pair


def test_orders_of_one_list() -> None:
    truth = ranking(["a", "b", "c"])
    assert measure([(truth, truth)]).metrics == {
        "accuracy": 1.0,
        "kendall": 1.0,
        "bucket_accuracy": None,
        "predicted": 1.0,
    }
    assert measure([(truth, ranking(["c", "b", "a"]))]).metrics["kendall"] == -1.0
    # One of three pairs is swapped.
    assert measure([(truth, ranking(["b", "a", "c"]))]).metrics["kendall"] == pytest.approx(1 / 3)


def test_missing_items_and_predictions_count_as_neither() -> None:
    truth = ranking(["a", "b", "c"])
    assert measure([(truth, ranking(["a", "b"]))]).metrics["kendall"] == pytest.approx(1 / 3)
    metrics = measure([(truth, None), (truth, truth)]).metrics
    assert (metrics["accuracy"], metrics["kendall"], metrics["predicted"]) == (0.5, 0.5, 0.5)


def test_buckets() -> None:
    truth = ranking({"good": ["a", "b"], "bad": ["c"], "_": []})
    metrics = measure([(truth, ranking({"good": ["b", "a", "c"]}))]).metrics
    assert metrics["bucket_accuracy"] == pytest.approx(2 / 3)
    assert metrics["kendall"] == -1.0
    assert metrics["accuracy"] == 0.0
    assert measure([(truth, ranking({"bad": ["c"], "good": ["a", "b"]}))]).metrics["accuracy"] == 1.0


def test_nothing_annotated() -> None:
    metrics = measure([(None, ranking(["a"]))]).metrics
    assert (metrics["accuracy"], metrics["kendall"]) == (None, None)


def test_the_regions_of_a_task() -> None:
    region = {"from_name": "r", "to_name": "l", "type": "ranker", "value": {"ranker": ["a", "b"]}}
    observations = Observations()
    observations.add([region], [{**region, "value": {"ranker": {"_": 5, "x": ["a"]}}}])
    assert observations.measure()["r"].metrics["accuracy"] == 0.0
    assert observations.accuracies() == {"r": 0.0}


def test_a_ranking_without_buckets_has_no_accuracy_of_buckets() -> None:
    region = {
        "from_name": "rank",
        "to_name": "l",
        "type": "ranker",
        "value": {"ranker": {"rank": ["a", "b"]}},
    }
    truth, predicted = ranking_pair([region], [region])
    assert truth == predicted == {"": ["a", "b"]}
    metrics = measure([(truth, predicted)]).metrics
    assert (metrics["accuracy"], metrics["kendall"], metrics["bucket_accuracy"]) == (1.0, 1.0, None)
