"""Laws of learning curves, and their fit to errors that were measured at numbers of tasks.

Each law is error = floor + scale * shape(tasks), never below 0. A logarithmic law falls on, the others fall towards a
floor of at least 0.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The variance of an error is taken as proportional to it, as of a share of wrong tasks; this is the least value.
_LEAST_ERROR = 1e-4

#: A number of tasks and the error measured at it.
Point = tuple[float, float]


class Family(StrEnum):
    """Family of laws; the value is its name."""

    POWER = "power law"
    EXPONENTIAL = "exponential law"
    STRETCHED = "stretched exponential law"
    LOGARITHMIC = "logarithmic law"


#: Family -> function of the rate and of a number of tasks (at least 1), which falls with the number.
_SHAPES: dict[Family, Callable[[float, float], float]] = {
    Family.POWER: lambda rate, tasks: math.pow(tasks, -rate),
    Family.EXPONENTIAL: lambda rate, tasks: math.exp(-rate * tasks),
    Family.STRETCHED: lambda rate, tasks: math.exp(-math.sqrt(rate * tasks)),
    Family.LOGARITHMIC: lambda _, tasks: -math.log(tasks),
}


@dataclass(frozen=True, slots=True)
class Law:
    """An error that falls with the number of tasks, or stays the same if `scale` is 0.

    `distance` is the weighted squared distance from the points that it was fitted to.
    """

    family: Family
    floor: float
    scale: float
    rate: float
    distance: float = 0.0

    def error(self, tasks: float) -> float:
        """Return the error after training on `tasks` tasks, at least 0."""
        return max(self.floor + self.scale * _SHAPES[self.family](self.rate, tasks), 0.0)


@lru_cache(maxsize=64)
def _candidates(family: Family, sizes: tuple[float, ...]) -> "tuple[list[float], NDArray[np.float64]]":
    """Return the rates to try for points at these sizes, and for each rate a row of shapes at the sizes."""
    import numpy as np

    shape, rates = _SHAPES[family], _rates(family, sizes)
    return rates, np.array([[shape(rate, size) for size in sizes] for rate in rates])


def _rates(family: Family, sizes: Sequence[float]) -> list[float]:
    if family is Family.POWER:  # learning curves of real models have exponents within these bounds
        return [step / 80 for step in range(4, 161)]
    if family is Family.LOGARITHMIC:
        return [0.0]
    # Faster, the smallest size is at the floor already; slower, the curve is a straight line up to the largest one.
    slowest, fastest, count = 1 / (2 * sizes[-1]), 2 / sizes[0], 160
    return [slowest * math.pow(fastest / slowest, step / (count - 1)) for step in range(count)]


def fit_law(family: Family, points: Sequence[Point]) -> Law:
    """Return the law of a family with the least weighted squared distance from `points`.

    `points` are at least two, by ascending number of tasks, with errors >= 0. For each rate, floor and scale follow
    from linear least squares with the scale not below 0, nor the floor if the law falls towards it.
    """
    import numpy as np

    rates, x = _candidates(family, tuple(size for size, _ in points))
    y = np.array([error for _, error in points])
    weights = 1 / np.maximum(y, _LEAST_ERROR)
    mean_x, mean_y = (x @ weights)[:, None] / weights.sum(), float(y @ weights / weights.sum())
    spread = (x - mean_x) ** 2 @ weights
    scale = np.maximum(((x - mean_x) * (y - mean_y)) @ weights / np.where(spread > 0, spread, 1.0), 0.0)
    floor = mean_y - scale * mean_x[:, 0]
    if family is not Family.LOGARITHMIC:
        squares = x**2 @ weights
        scale = np.where(floor < 0, (x * y) @ weights / np.where(squares > 0, squares, 1.0), scale)
        floor = np.maximum(floor, 0.0)
    distances = (floor[:, None] + scale[:, None] * x - y) ** 2 @ weights
    best = int(distances.argmin())
    return Law(family, float(floor[best]), float(scale[best]), rates[best], float(distances[best]))
