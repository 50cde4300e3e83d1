"""Forecasts: verdicts, their reasons, and how often the interval covers the true gain."""

import random

import pytest

from label_studio_ml.evaluation.curve.forecast import Forecast, Verdict, forecast, student
from label_studio_ml.evaluation.curve.power_law import PowerLaw

SIZES = (20, 40, 80, 160, 320)
LAW = PowerLaw(0.02, 2.0, 0.5)


def _values(
    law: PowerLaw, *, sizes: tuple[int, ...] = SIZES, noise: float = 0.0, seed: int = 0, folds: int = 5
) -> dict[int, dict[int, float]]:
    """Return accuracies; the folds differ by noise of their own, and each measurement by some more."""
    order = random.Random(seed)
    of_fold = [order.gauss(0, noise) for _ in range(folds)]
    return {
        size: {fold: 1 - law.error(size) + of_fold[fold] + order.gauss(0, noise) for fold in range(folds)}
        for size in sizes
    }


def _forecast(values: dict[int, dict[int, float]], *, labelled: int = 400, labels: int = 100) -> Forecast:
    return forecast(
        "label", "accuracy", lower_is_better=False, values=values, labelled=labelled, labels=labels
    )


def test_a_gain_is_forecast_with_its_interval() -> None:
    found = _forecast(_values(LAW, noise=0.002))
    assert found.verdict is Verdict.GAIN
    assert found.gain is not None
    assert found.gain_low is not None
    assert found.gain_high is not None
    assert found.gain_low < found.gain < found.gain_high
    assert found.gain == pytest.approx(LAW.error(400) - LAW.error(500), abs=0.004)
    assert found.now is not None
    assert found.after is not None
    assert found.after.value - found.now.value == pytest.approx(found.gain)
    assert (found.now.tasks, found.after.tasks, found.curve[0].tasks, found.curve[-1].tasks) == (
        400,
        500,
        20,
        500,
    )


def test_the_interval_covers_the_true_gain_about_as_often_as_it_says() -> None:
    true_gain = LAW.error(400) - LAW.error(500)
    covered = 0
    for seed in range(100):
        found = _forecast(_values(LAW, noise=0.01, seed=seed))
        assert found.gain_low is not None
        assert found.gain_high is not None
        covered += found.gain_low <= true_gain <= found.gain_high
    assert covered >= 80


def test_a_curve_that_has_flattened_brings_little() -> None:
    found = _forecast(_values(PowerLaw(0.05, 4.0, 1.5), noise=0.0005))
    assert found.verdict is Verdict.LITTLE
    assert found.gain_high is not None
    assert found.gain_high < 0.005


def test_noise_cannot_tell() -> None:
    found = _forecast(_values(PowerLaw(0.2, 0.5, 0.3), noise=0.05, seed=1))
    assert found.verdict is Verdict.UNKNOWN
    assert found.reason


def test_too_few_sizes_or_folds_cannot_tell() -> None:
    few_sizes = _forecast(_values(LAW, sizes=SIZES[:3]))
    assert (few_sizes.verdict, few_sizes.law, few_sizes.gain) == (Verdict.UNKNOWN, None, None)
    assert "this is 3 sizes in 5 folds" in few_sizes.reason
    assert "this is 5 sizes in 2 folds" in _forecast(_values(LAW, folds=2)).reason
    one = _forecast(_values(LAW, folds=1))
    assert [(point.low, point.high) for point in one.points] == [(None, None)] * 5


def test_only_folds_with_every_size_count() -> None:
    values = _values(LAW)
    del values[320][4], values[160][3]
    assert _forecast(values).law is not None
    del values[320][0]
    assert "5 sizes in 2 folds" in _forecast(values).reason


def test_too_many_labels_cannot_tell() -> None:
    found = _forecast(_values(LAW), labels=300)
    assert found.verdict is Verdict.UNKNOWN
    assert "300 more labels are too many" in found.reason


def test_a_curve_that_follows_no_power_law_cannot_tell() -> None:
    values = {
        size: dict.fromkeys(range(5), value)
        for size, value in zip(SIZES, (0.5, 0.5, 0.5, 0.5, 0.9), strict=True)
    }
    found = _forecast(values)
    assert (found.verdict, found.reason) == (
        Verdict.UNKNOWN,
        "the measurements do not follow an inverse power law",
    )


def test_less_is_better_for_an_error_rate() -> None:
    values = {size: dict.fromkeys(range(5), LAW.error(size)) for size in SIZES}
    found = forecast("text", "cer", lower_is_better=True, values=values, labelled=400, labels=100)
    assert found.better == "lower"
    assert found.now is not None
    assert found.after is not None
    assert found.after.value < found.now.value
    assert found.gain is not None
    assert found.gain > 0


def test_students_distribution() -> None:
    assert student(4) == pytest.approx(2.132, abs=0.001)
