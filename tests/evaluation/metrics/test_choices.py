"""Metrics of choices, against values worked out by hand."""

import pytest

from label_studio_ml.evaluation.metrics.choices import measure_exclusive, measure_multiple

A, B, C = ["A"], ["B"], ["C"]


def test_one_label_a_task() -> None:
    pairs = [(A, A), (A, A), (A, B), (B, B), (B, []), (C, A)]
    measured = measure_exclusive(pairs, ["C", "B", "A"])
    assert measured.tasks == 6
    assert measured.labels == {
        "C": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1.0},
        "B": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2.0},
        "A": pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3.0}),
    }
    assert measured.metrics == pytest.approx(
        {
            "accuracy": 3 / 6,
            "macro_precision": (2 / 3 + 1 / 2 + 0) / 3,
            "macro_recall": (2 / 3 + 1 / 2 + 0) / 3,
            "macro_f1": (2 / 3 + 1 / 2 + 0) / 3,
            "weighted_precision": (3 * 2 / 3 + 2 * 1 / 2 + 0) / 6,
            "weighted_recall": (3 * 2 / 3 + 2 * 1 / 2 + 0) / 6,
            "weighted_f1": (3 * 2 / 3 + 2 * 1 / 2 + 0) / 6,
        }
    )
    assert measured.confusion is not None
    assert measured.confusion.labels == ["C", "B", "A", "(none)"]
    assert measured.confusion.matrix == [[0, 0, 1, 0], [0, 1, 0, 1], [0, 1, 2, 0], [0, 0, 0, 0]]


def test_a_label_where_the_annotator_chose_none_costs_precision() -> None:
    measured = measure_exclusive([(A, A), ([], A)], [])
    assert measured.labels["A"] == pytest.approx(
        {"precision": 1 / 2, "recall": 1.0, "f1": 2 / 3, "support": 1.0}
    )
    assert measured.metrics["accuracy"] == 0.5


def test_all_right() -> None:
    measured = measure_exclusive([(A, A), (B, B)], ["A", "B", "never used"])
    assert set(measured.metrics.values()) == {1.0}
    assert list(measured.labels) == ["A", "B"]
    assert measured.confusion is not None
    assert measured.confusion.matrix == [[1, 0], [0, 1]]


def test_several_labels_a_task() -> None:
    measured = measure_multiple([(["x", "y"], ["x"]), (["y"], ["y", "z"]), (["z"], [])], [])
    assert measured.labels == {
        "x": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1.0},
        "y": pytest.approx({"precision": 1.0, "recall": 1 / 2, "f1": 2 / 3, "support": 2.0}),
        "z": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1.0},
    }
    found = measured.metrics
    assert (found["micro_precision"], found["micro_recall"], found["micro_f1"]) == pytest.approx(
        (2 / 3, 2 / 4, 4 / 7)
    )
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found["weighted_f1"] == pytest.approx((1 + 2 * 2 / 3 + 0) / 4)
    assert found["accuracy"] == 0.0
    assert measured.confusion is None
    assert measure_multiple([(["x", "y"], ["y", "x"])], []).metrics["accuracy"] == 1.0
