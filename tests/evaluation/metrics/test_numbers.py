"""Metrics of numbers, against values worked out by hand."""

import pytest

from label_studio_ml.evaluation.metrics.numbers import measure


def test_errors_and_correlation() -> None:
    measured = measure([(1, 2), (2, 2), (3, 4), (4, None)])
    assert measured.metrics == pytest.approx(
        {"mae": 2 / 3, "rmse": (2 / 3) ** 0.5, "pearson": 3**0.5 / 2, "predicted": 3 / 4}
    )


def test_a_side_that_does_not_vary() -> None:
    assert measure([(3, 1), (3, 2)]).metrics["pearson"] is None
    assert measure([(3, None)]).metrics == {"mae": None, "rmse": None, "pearson": None, "predicted": 0.0}
