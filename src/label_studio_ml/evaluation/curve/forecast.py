"""Forecast of a metric after more labels, from measurements after trainings on growing numbers of tasks.

The measurements come in repeats, each with test tasks of its own. A power law is fitted to the means over the repeats,
and again with each repeat left out. The differences between these fits give the standard error (jackknife) and, by
Student's distribution, an interval. It covers what changes from repeat to repeat, not a power law that does not hold
beyond the measured numbers of tasks.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from statistics import fmean, stdev

import msgspec

from label_studio_ml.evaluation.curve.power_law import PowerLaw, fit_power_law
from label_studio_ml.support.texts import plural

#: Probability that an interval is meant to have.
CONFIDENCE = 0.9
#: The smallest numbers of sizes and of repeats for a forecast.
MIN_SIZES, MIN_REPEATS = 4, 3
#: Furthest forecast, as a multiple of the most tasks that were trained on.
MAX_REACH = 2.0
#: A gain below this counts as little: of metrics between 0 and 1, and as a share of the error of other metrics.
LITTLE, LITTLE_SHARE = 0.005, 0.02


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
    `gain_high`. These and `law` (floor, scale, exponent of the error) are None if `verdict` is "cannot tell" for want
    of measurements. `reason` says why the verdict is "cannot tell".
    """

    control: str
    metric: str
    better: str
    points: list[SizePoint]
    verdict: Verdict
    reason: str = ""
    law: list[float] | None = None
    now: Estimate | None = None
    after: Estimate | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    curve: list[Estimate] = []


#: By number of training tasks: the errors (0 is best) of the repeats, by number of the repeat.
Errors = Mapping[int, Mapping[int, float]]


class ErrorCurve:
    """Power law of the errors of a metric, with the fits that leave out one repeat each.

    Only sizes and repeats that are complete count: each size is measured in each of `repeats`.
    """

    def __init__(self, errors: Errors) -> None:
        every = [set(by_repeat) for by_repeat in errors.values()]
        self.repeats = sorted(set.intersection(*every)) if every else []
        self.sizes = sorted(errors)
        self._errors = errors

    @property
    def can_be_fitted(self) -> bool:
        """Whether there are enough sizes and repeats."""
        return len(self.sizes) >= MIN_SIZES and len(self.repeats) >= MIN_REPEATS

    def fit(self, sizes: Sequence[int]) -> tuple[PowerLaw, list[PowerLaw]]:
        """Return the law fitted to all repeats at `sizes`, and those with one repeat left out."""
        without = [[other for other in self.repeats if other != left_out] for left_out in self.repeats]
        return self._law(sizes, self.repeats), [self._law(sizes, repeats) for repeats in without]

    def _law(self, sizes: Sequence[int], repeats: Sequence[int]) -> PowerLaw:
        return fit_power_law([(size, self.mean(size, repeats)) for size in sizes])

    def mean(self, size: int, repeats: Sequence[int]) -> float:
        """Return the mean error of some repeats at a size."""
        return fmean(self._errors[size][repeat] for repeat in repeats)

    def misses_last(self) -> bool:
        """Tell whether a law fitted to the smaller sizes fails to predict the largest one within its interval."""
        *smaller, largest = self.sizes
        law, without = self.fit(smaller)
        difference = law.error(largest) - self.mean(largest, self.repeats)
        differences = [
            left_out.error(largest)
            - self.mean(largest, [repeat for repeat in self.repeats if repeat != number])
            for left_out, number in zip(without, self.repeats, strict=True)
        ]
        allowed = max(LITTLE, half_width(differences), LITTLE_SHARE * self.mean(largest, self.repeats))
        return abs(difference) > allowed


def half_width(left_out: Sequence[float]) -> float:
    """Return half the width of the jackknife's interval, given the estimates with one repeat left out each."""
    count = len(left_out)
    mean = fmean(left_out)
    variance = (count - 1) / count * sum((value - mean) ** 2 for value in left_out)
    return student(count - 1) * math.sqrt(variance)


def student(degrees: int) -> float:
    """Return the quantile of Student's distribution for an interval of `CONFIDENCE`."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def size_points(values: Errors) -> list[SizePoint]:
    """Return the measurements of a metric (not its errors) by size, with the interval of each mean."""
    points = []
    for size in sorted(values):
        several = [values[size][repeat] for repeat in sorted(values[size])]
        mean = fmean(several)
        low = high = None
        if len(several) > 1:
            half = student(len(several) - 1) * stdev(several) / math.sqrt(len(several))
            low, high = mean - half, mean + half
        points.append(SizePoint(tasks=size, values=several, mean=mean, low=low, high=high))
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
    curve = ErrorCurve(errors)
    unknown = Forecast(
        control=control,
        metric=metric,
        better="lower" if lower_is_better else "higher",
        points=size_points(values),
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
    """Return the forecast with its fit. `as_value` converts an error to the metric: it is its own inverse."""
    law, without = curve.fit(curve.sizes)
    is_bounded = unknown.better == "higher"

    def estimate(tasks: int) -> Estimate:
        error, half = law.error(tasks), half_width([left_out.error(tasks) for left_out in without])
        bounds = sorted((as_value(max(error - half, 0.0)), as_value(error + half)))
        return Estimate(tasks=tasks, value=as_value(error), low=bounds[0], high=bounds[1])

    end = labelled + labels
    gain = law.error(labelled) - law.error(end)
    half = half_width([left_out.error(labelled) - left_out.error(end) for left_out in without])
    little = LITTLE if is_bounded else LITTLE_SHARE * law.error(labelled)
    verdict, reason = _verdict(curve, gain - half, gain + half, little, labelled, labels)
    return msgspec.structs.replace(
        unknown,
        verdict=verdict,
        reason=reason,
        law=[law.floor, law.scale, law.exponent],
        now=estimate(labelled),
        after=estimate(end),
        gain=gain,
        gain_low=max(gain - half, 0.0),
        gain_high=gain + half,
        curve=[estimate(tasks) for tasks in _steps(curve.sizes[0], end)],
    )


def _verdict(
    curve: ErrorCurve, low: float, high: float, little: float, labelled: int, labels: int
) -> tuple[Verdict, str]:
    """Return the verdict on a gain between `low` and `high`, and the reason if there is none."""
    if labelled + labels > MAX_REACH * curve.sizes[-1]:
        return Verdict.UNKNOWN, (
            f"{labels} more labels are too many for a forecast from trainings on at most {curve.sizes[-1]} tasks; "
            f"ask for fewer with --next"
        )
    if curve.misses_last():
        return Verdict.UNKNOWN, "the measurements do not follow an inverse power law"
    if high < little:
        return Verdict.LITTLE, ""
    if low > 0:
        return Verdict.GAIN, ""
    return Verdict.UNKNOWN, "the measurements differ more from fold to fold than the gain is large"


def _steps(first: int, last: int, count: int = 40) -> list[int]:
    """Return about `count` numbers of tasks from `first` to `last`, each a fixed factor above the one before."""
    return sorted({round(first * math.pow(last / first, step / count)) for step in range(count + 1)})
