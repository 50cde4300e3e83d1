"""Fit an inverse power law, error = floor + scale * tasks ** -exponent, to errors measured at numbers of tasks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Exponents that are tried, 0.05 to 2; learning curves of real models have exponents within these bounds.
_EXPONENTS = tuple(step / 40 for step in range(2, 81))
#: The variance of an error is taken as proportional to it, as of a share of wrong tasks; this is the least value.
_LEAST_ERROR = 1e-4

#: A number of tasks and the error measured at it.
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """An error that falls with the number of tasks towards `floor`; `floor` and `scale` are at least 0."""

    floor: float
    scale: float
    exponent: float

    def error(self, tasks: float) -> float:
        """Return the error after training on `tasks` tasks."""
        return self.floor + self.scale * math.pow(tasks, -self.exponent)


def fit_power_law(points: Sequence[Point]) -> PowerLaw:
    """Return the power law with the least weighted squared distance from `points`, at least two, with errors >= 0.

    For each exponent, floor and scale follow from linear least squares with neither below 0.
    """
    weights = [1 / max(error, _LEAST_ERROR) for _, error in points]
    candidates = [_linear_fit(points, weights, exponent) for exponent in _EXPONENTS]
    return min(candidates, key=lambda law: _distance(points, weights, law))


def _linear_fit(points: Sequence[Point], weights: Sequence[float], exponent: float) -> PowerLaw:
    powers = [math.pow(tasks, -exponent) for tasks, _ in points]
    errors = [error for _, error in points]
    total = sum(weights)
    mean_power = sum(w * x for w, x in zip(weights, powers, strict=True)) / total
    mean_error = sum(w * y for w, y in zip(weights, errors, strict=True)) / total
    triples = list(zip(weights, powers, errors, strict=True))
    spread = sum(w * (x - mean_power) ** 2 for w, x, _ in triples)
    common = sum(w * (x - mean_power) * (y - mean_error) for w, x, y in triples)
    scale = common / spread if spread > 0 else 0.0
    if scale <= 0:
        return PowerLaw(mean_error, 0.0, exponent)
    floor = mean_error - scale * mean_power
    if floor >= 0:
        return PowerLaw(floor, scale, exponent)
    scale = sum(w * x * y for w, x, y in triples) / sum(w * x * x for w, x, _ in triples)
    return PowerLaw(0.0, scale, exponent)


def _distance(points: Sequence[Point], weights: Sequence[float], law: PowerLaw) -> float:
    return sum(w * (law.error(n) - error) ** 2 for w, (n, error) in zip(weights, points, strict=True))
