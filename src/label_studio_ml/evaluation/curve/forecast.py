"""Forecast of a metric after more labels, from measurements after trainings on growing numbers of tasks.

The measurements come in repeats, each with test tasks of its own. Laws of several families are fitted to the means over
the repeats, and again with each repeat left out. The differences between these fits give the standard error
(jackknife), corrected for training tasks that the repeats share, and an interval by Student's distribution. The
interval of a forecast spans those of all families that the measurements do not rule out: they do not tell which law
holds beyond them. tests/evaluation/curve/coverage.py measures how often the true value is within the interval.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, stdev

import msgspec

from label_studio_ml.evaluation.curve.laws import Family, Law, fit_law
from label_studio_ml.support.texts import plural

#: Probability that an interval is meant to have.
CONFIDENCE = 0.9
#: The smallest numbers of sizes and of repeats for a forecast.
MIN_SIZES, MIN_REPEATS = 4, 3
#: Furthest forecast, as a multiple of the most tasks that were trained on.
MAX_REACH = 2.0
#: A gain below this counts as little: of metrics with 1 as their best value, and as a share of the error of others.
LITTLE, LITTLE_SHARE = 0.005, 0.02
#: A law that misses a mean by less than this share of it predicts it.
_NEAR = 0.02


class Verdict(StrEnum):
    """Statement of a forecast about the next labels."""

    GAIN = "gain"
    LITTLE = "little"
    UNKNOWN = "cannot tell"


class SizePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements after trainings on `tasks` tasks, one per repeat; `low` and `high` bound their `mean`."""

    tasks: int
    values: list[float]
    mean: float
    low: float | None = None
    high: float | None = None


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate of the metric after training on `tasks` tasks, with its interval."""

    tasks: int
    value: float
    low: float
    high: float


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Learning curve of one metric of a control.

    `better` is "higher" or "lower". `gain` is by how much the metric is expected to improve from `now`, with all labels
    that there are, to `after`, with the next ones: it is positive for an improvement, and within `gain_low` to
    `gain_high`. These are None if `verdict` is "cannot tell" for want of measurements. `laws` are the names of the laws
    that the measurements do not rule out, the one that fits best first; it gives the estimates, and all of them the
    intervals. `reason` says why the verdict is "cannot tell".
    """

    control: str
    metric: str
    better: str
    points: list[SizePoint]
    verdict: Verdict
    reason: str = ""
    laws: list[str] = []
    now: Estimate | None = None
    after: Estimate | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    curve: list[Estimate] = []


#: By number of training tasks: the errors (0 is best) of the repeats, by number of the repeat.
Errors = Mapping[int, Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Fit:
    """A law fitted to the means over all repeats, and those with one repeat left out each."""

    law: Law
    without: Sequence[Law]

    def bounds(self, quantity: Callable[[Law], float]) -> tuple[float, float]:
        """Return the interval of a quantity that follows from a law."""
        middle, half = quantity(self.law), half_width([quantity(law) for law in self.without])
        return middle - half, middle + half


class ErrorCurve:
    """Errors of a metric by number of tasks, and the laws fitted to them.

    Only repeats that are complete count: each size is measured in each of `repeats`. Differences of up to `negligible`
    do not matter.
    """

    def __init__(self, errors: Errors, negligible: float = 0.0) -> None:
        self._negligible = negligible
        every = [set(by_repeat) for by_repeat in errors.values()]
        self.repeats = sorted(set.intersection(*every)) if every else []
        self.sizes = sorted(errors)
        self._errors = errors

    @property
    def can_be_fitted(self) -> bool:
        """Whether there are enough sizes and repeats."""
        return len(self.sizes) >= MIN_SIZES and len(self.repeats) >= MIN_REPEATS

    def fits(self) -> tuple[list[Fit], bool]:
        """Return the fits of the families that are not ruled out, the best one first, and whether one is confirmed.

        A family is confirmed if its law for the smaller sizes predicts the largest one. The family that fits best is
        not ruled out.
        """
        fits = sorted((self._fit(family, self.sizes) for family in Family), key=lambda fit: fit.law.distance)
        confirmed = [self._predicts_last(fit.law.family) for fit in fits]
        return [fit for place, fit in enumerate(fits) if not place or confirmed[place]], any(confirmed)

    def _fit(self, family: Family, sizes: Sequence[int]) -> Fit:
        laws = [
            fit_law(family, [(size, self._mean(size, left_out)) for size in sizes])
            for left_out in (None, *self.repeats)
        ]
        return Fit(laws[0], laws[1:])

    def _mean(self, size: int, left_out: int | None = None) -> float:
        """Return the mean error at a size, without one of the repeats."""
        return fmean(self._errors[size][repeat] for repeat in self.repeats if repeat != left_out)

    def _predicts_last(self, family: Family) -> bool:
        """Tell whether a law fitted to the smaller sizes predicts the largest one within its interval."""
        *smaller, largest = self.sizes
        fit = self._fit(family, smaller)
        differences = [
            law.error(largest) - self._mean(largest, repeat)
            for law, repeat in zip(fit.without, self.repeats, strict=True)
        ]
        mean = self._mean(largest)
        allowed = max(half_width(differences), _NEAR * mean, self._negligible)
        return abs(fit.law.error(largest) - mean) <= allowed


def half_width(left_out: Sequence[float]) -> float:
    """Return half the width of the jackknife's interval, given the estimates with one repeat left out each."""
    count = len(left_out)
    mean = fmean(left_out)
    variance = (count - 1) / count * sum((value - mean) ** 2 for value in left_out)
    return student(count - 1) * math.sqrt(variance * _shared_training(count))


def _shared_training(count: int) -> float:
    """Return the factor by which the variance of a mean over `count` folds exceeds that of independent repeats.

    The training halves of folds overlap. The correction is that of Nadeau and Bengio (Machine Learning, 2003): it adds
    the ratio of test tasks to training tasks to 1 / count.
    """
    return 1 + count / (count - 1)


def student(degrees: int) -> float:
    """Return the quantile of Student's distribution for an interval of `CONFIDENCE`."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def size_points(values: Errors, *, lower_is_better: bool) -> list[SizePoint]:
    """Return the measurements of a metric (not its errors) by size, with the interval of each mean.

    An interval ends at the metric's best value, which is 0 if lower is better, else 1.
    """
    points = []
    for size in sorted(values):
        measured = [values[size][repeat] for repeat in sorted(values[size])]
        mean = fmean(measured)
        low = high = None
        if len(measured) > 1:
            error = stdev(measured) * math.sqrt(_shared_training(len(measured)) / len(measured))
            half = student(len(measured) - 1) * error
            low, high = mean - half, mean + half
            low, high = (max(low, 0.0), high) if lower_is_better else (low, min(high, 1.0))
        points.append(SizePoint(tasks=size, values=measured, mean=mean, low=low, high=high))
    return points


def forecast(
    control: str, metric: str, *, lower_is_better: bool, values: Errors, labelled: int, labels: int
) -> Forecast:
    """Return what the next `labels` labels of a project with `labelled` ones would likely bring for one metric.

    `values` has the measurements of the metric by number of training tasks and repeat. Metrics of which more is better
    have 1 as their best value.
    """
    as_error: Callable[[float], float] = (
        (lambda value: value) if lower_is_better else (lambda value: max(1 - value, 0.0))
    )
    errors = {
        size: {number: as_error(value) for number, value in by_repeat.items()}
        for size, by_repeat in values.items()
    }
    curve = ErrorCurve(errors, negligible=0.0 if lower_is_better else LITTLE)
    unknown = Forecast(
        control=control,
        metric=metric,
        better="lower" if lower_is_better else "higher",
        points=size_points(values, lower_is_better=lower_is_better),
        verdict=Verdict.UNKNOWN,
    )
    if not curve.can_be_fitted:
        return msgspec.structs.replace(
            unknown,
            reason=f"a forecast needs {plural(MIN_SIZES, 'size')}, each measured in {plural(MIN_REPEATS, 'fold')}; "
            f"this is {plural(len(curve.sizes), 'size')} in {plural(len(curve.repeats), 'fold')}",
        )
    return _fitted(unknown, curve, as_error, labelled, labels)


def _fitted(
    unknown: Forecast, curve: ErrorCurve, as_value: Callable[[float], float], labelled: int, labels: int
) -> Forecast:
    """Return the forecast with its fits. `as_value` converts an error to the metric: it is its own inverse."""
    fits, is_confirmed = curve.fits()
    best = fits[0].law

    def bounds(quantity: Callable[[Law], float]) -> tuple[float, float]:
        intervals = [fit.bounds(quantity) for fit in fits]
        return max(min(low for low, _ in intervals), 0.0), max(high for _, high in intervals)

    def estimate(tasks: int) -> Estimate:
        low, high = sorted(as_value(error) for error in bounds(lambda law: law.error(tasks)))
        return Estimate(tasks=tasks, value=as_value(best.error(tasks)), low=low, high=high)

    end = labelled + labels
    gain_low, gain_high = bounds(lambda law: law.error(labelled) - law.error(end))
    little = LITTLE if unknown.better == "higher" else LITTLE_SHARE * best.error(labelled)
    if end > MAX_REACH * curve.sizes[-1]:
        verdict, reason = (
            Verdict.UNKNOWN,
            (
                f"{labels} more labels are too many for a forecast from trainings on at most {curve.sizes[-1]} tasks; "
                f"ask for fewer with --next"
            ),
        )
    elif not is_confirmed:
        verdict, reason = Verdict.UNKNOWN, "the measurements follow none of the laws"
    else:
        verdict, reason = _verdict(gain_low, gain_high, little)
    return msgspec.structs.replace(
        unknown,
        verdict=verdict,
        reason=reason,
        laws=[fit.law.family.value for fit in fits],
        now=estimate(labelled),
        after=estimate(end),
        gain=best.error(labelled) - best.error(end),
        gain_low=gain_low,
        gain_high=gain_high,
        curve=[estimate(tasks) for tasks in _steps(curve.sizes[0], end)],
    )


def _verdict(low: float, high: float, little: float) -> tuple[Verdict, str]:
    """Return the verdict on a gain between `low` and `high`, and the reason if there is none."""
    if high < little:
        return Verdict.LITTLE, ""
    if low > 0:
        return Verdict.GAIN, ""
    return Verdict.UNKNOWN, "the gain may be none, and may be more than a little"


def _steps(first: int, last: int, count: int = 40) -> list[int]:
    """Return about `count` numbers of tasks from `first` to `last`, each a fixed factor above the one before."""
    return sorted({round(first * math.pow(last / first, step / count)) for step in range(count + 1)})
