"""Forecasts: verdicts, their reasons, and how often the interval covers the true gain."""

import random

import pytest

from evaluation.curve.coverage import LAWS, LEARNERS, Coverage, coverage_of_law, coverage_of_learner
from label_studio_ml.evaluation.curve.forecast import Forecast, Verdict, forecast, size_points, student
from label_studio_ml.evaluation.curve.laws import Family, Law

SIZES = (20, 40, 80, 160, 320)
LAW = Law(Family.POWER, 0.02, 2.0, 0.5)


def _values(
    law: Law, *, sizes: tuple[int, ...] = SIZES, noise: float = 0.0, seed: int = 0, folds: int = 5
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


def _require_coverage(coverage: Coverage) -> None:
    """Of 30 runs with a coverage of 0.9, fewer than 23 contain the truth in 1 of 100 cases."""
    assert coverage.told >= 0.7
    assert coverage.gain >= 0.76
    assert coverage.after >= 0.76


@pytest.mark.parametrize("law", LAWS)
def test_the_interval_contains_the_true_gain_as_often_as_it_says(law: str) -> None:
    _require_coverage(coverage_of_law(law, folds=5, test=80, runs=30))


@pytest.mark.parametrize(("folds", "test"), [(5, 20), (5, 1000), (3, 80)])
@pytest.mark.parametrize("law", ["power law", "exponential", "plateau", "sigmoid"])
def test_the_interval_of_few_and_of_many_test_tasks(law: str, folds: int, test: int) -> None:
    _require_coverage(coverage_of_law(law, folds=folds, test=test, runs=30))


@pytest.mark.parametrize("learner", LEARNERS[:2])
def test_the_interval_contains_the_true_gain_of_learners(learner: str) -> None:
    _require_coverage(coverage_of_learner(learner, tasks=100, labels=20, runs=30))


def test_the_laws_that_are_not_ruled_out_are_named() -> None:
    assert _forecast(_values(LAW, noise=0.0005)).laws == ["power law"]
    logarithmic = _forecast(_values(Law(Family.LOGARITHMIC, 0.6, 0.08, 0.0), noise=0.0005))
    assert logarithmic.laws == ["logarithmic law"]
    assert len(_forecast(_values(LAW, noise=0.02)).laws) > 1


def test_a_verdict_does_not_depend_on_the_unit_of_an_error() -> None:
    def verdict(unit: float, law: Law, noise: float) -> Verdict:
        values = {
            size: {fold: unit * (1 - value) for fold, value in by_fold.items()}
            for size, by_fold in _values(law, noise=noise).items()
        }
        return forecast("price", "mae", lower_is_better=True, values=values, labelled=400, labels=100).verdict

    strange = dict(zip(SIZES, (0.5, 0.5, 0.5, 0.5, 0.1), strict=True))
    for unit in (1e-4, 1.0, 1e6):
        assert verdict(unit, LAW, 0.0005) is Verdict.GAIN
        assert verdict(unit, Law(Family.POWER, 0.2, 4.0, 2.0), 0.0001) is Verdict.LITTLE
        values = {size: dict.fromkeys(range(5), unit * value) for size, value in strange.items()}
        found = forecast("price", "mae", lower_is_better=True, values=values, labelled=400, labels=100)
        assert found.reason == "the measurements follow none of the laws"


def test_a_curve_that_has_flattened_brings_little() -> None:
    found = _forecast(_values(Law(Family.POWER, 0.05, 4.0, 1.5), noise=0.0005))
    assert found.verdict is Verdict.LITTLE
    assert found.gain_high is not None
    assert found.gain_high < 0.005


def test_noise_cannot_tell() -> None:
    found = _forecast(_values(Law(Family.POWER, 0.2, 0.5, 0.3), noise=0.05, seed=1))
    assert found.verdict is Verdict.UNKNOWN
    assert found.reason


def test_too_few_sizes_or_folds_cannot_tell() -> None:
    few_sizes = _forecast(_values(LAW, sizes=SIZES[:3]))
    assert (few_sizes.verdict, few_sizes.laws, few_sizes.gain) == (Verdict.UNKNOWN, [], None)
    assert "this is 3 sizes in 5 folds" in few_sizes.reason
    assert "this is 5 sizes in 2 folds" in _forecast(_values(LAW, folds=2)).reason
    one = _forecast(_values(LAW, folds=1))
    assert [(point.low, point.high) for point in one.points] == [(None, None)] * 5


def test_the_interval_of_a_mean_ends_at_the_best_value() -> None:
    values = {20: {0: 0.5, 1: 0.9}}
    (accuracy,) = size_points(values, lower_is_better=False)
    (rate,) = size_points(values, lower_is_better=True)
    assert accuracy.high == 1.0
    assert accuracy.low is not None
    assert accuracy.low < 0.5
    assert rate.low == 0.0
    assert rate.high is not None
    assert rate.high > 1.0


def test_only_folds_with_every_size_count() -> None:
    values = _values(LAW)
    del values[320][4], values[160][3]
    assert _forecast(values).laws
    del values[320][0]
    assert "5 sizes in 2 folds" in _forecast(values).reason


def test_too_many_labels_cannot_tell() -> None:
    found = _forecast(_values(LAW), labels=300)
    assert found.verdict is Verdict.UNKNOWN
    assert "300 more labels are too many" in found.reason


def test_a_curve_that_follows_no_law_cannot_tell() -> None:
    values = {
        size: dict.fromkeys(range(5), value)
        for size, value in zip(SIZES, (0.5, 0.5, 0.5, 0.5, 0.9), strict=True)
    }
    found = _forecast(values)
    assert (found.verdict, found.reason) == (
        Verdict.UNKNOWN,
        "the measurements follow none of the laws",
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
