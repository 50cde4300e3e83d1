"""Measure how often the intervals of a forecast contain the true value, for made-up curves and for real learners.

    python tests/evaluation/curve/coverage.py [--runs 200]

For each case, this prints the share of runs whose measurements follow one of the laws, and of these runs the shares
whose intervals contain the true gain and the true value after the next labels. The seeds are fixed.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean

import numpy as np
import numpy.typing as npt

from label_studio_ml.evaluation.curve.forecast import Errors, Forecast, forecast
from label_studio_ml.evaluation.curve.learning_curve import CurvePlan

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

#: True errors by number of tasks. The last two are of no family that is fitted.
LAWS: dict[str, Callable[[float], float]] = {
    "power law": lambda n: 0.02 + 2 * n**-0.5,
    "slow power law": lambda n: 0.9 * n**-0.25,
    "fast power law": lambda n: 0.05 + 5 / n,
    "exponential": lambda n: 0.05 + 0.4 * math.exp(-n / 150),
    "fast exponential": lambda n: 0.1 + 0.5 * math.exp(-n / 40),
    "plateau": lambda n: 0.2,
    "logarithm": lambda n: 0.5 - 0.06 * math.log(n),
    "stretched exponential": lambda n: 0.05 + 0.6 * math.exp(-((n / 100) ** 0.5)),
    "shifted power law": lambda n: 0.05 + 30 / (n + 60),
    "sigmoid": lambda n: 0.05 + 0.5 / (1 + (n / 120) ** 1.5),
}
#: Learned from four classes in 20 dimensions, 5 % of the labels of which are random.
LEARNERS = ("nearest centroid", "least squares", "5 nearest neighbours")


@dataclass(frozen=True)
class Coverage:
    """Shares of runs: `told` follow a law; of these, `gain` and `after` contain the true value in their interval."""

    told: float
    gain: float
    after: float


def coverage_of_law(name: str, *, folds: int, test: int, runs: int) -> Coverage:
    """Return the coverage for measurements of a made-up curve, on `test` test tasks in each of `folds` folds."""
    law, sizes = LAWS[name], (20, 40, 80, 160, 320)
    datasets = (_measured(law, sizes, folds, test, seed) for seed in range(runs))
    return _coverage([_forecast(values, 400, 100) for values in datasets], law(400), law(500))


def _measured(
    law: Callable[[float], float], sizes: tuple[int, ...], folds: int, test: int, seed: int
) -> Errors:
    """Return accuracies. A test task is as hard at each size; the error of each training varies by 2 % of it."""
    random = np.random.default_rng(seed)
    hardness = random.normal(size=(folds, test))
    values: dict[int, dict[int, float]] = {}
    for size in sizes:
        errors = np.clip(law(size) * (1 + 0.02 * random.normal(size=folds)), 1e-6, 0.999)
        levels = math.sqrt(0.7) * hardness + math.sqrt(0.3) * random.normal(size=hardness.shape)
        limits = np.array([[NormalDist().inv_cdf(float(error))] for error in errors])
        values[size] = dict(enumerate((levels >= limits).mean(axis=1).tolist()))
    return values


def coverage_of_learner(name: str, *, tasks: int, labels: int, runs: int, folds: int = 5) -> Coverage:
    """Return the coverage for a learner that is measured on `tasks` random tasks, anew in each run."""
    datasets = (_learned(name, tasks, folds, seed) for seed in range(runs))
    forecasts = [_forecast(values, tasks, labels) for values in datasets]
    return _coverage(forecasts, _true_error(name, tasks), _true_error(name, tasks + labels))


def _learned(name: str, tasks: int, folds: int, seed: int) -> Errors:
    """Return accuracies of a learner by size and fold, as `evaluate --curve` measures them."""
    random = np.random.default_rng(1000 + seed)
    x, y = _draw(random, tasks)
    values: dict[int, dict[int, float]] = {}
    for fold, test in enumerate(np.array_split(random.permutation(tasks), folds)):
        order = random.permutation(np.setdiff1d(np.arange(tasks), test))
        for size in CurvePlan().sizes(tasks - math.ceil(tasks / folds)):
            part = order[:size]
            values.setdefault(size, {})[fold] = 1 - _error(name, x[part], y[part], x[test], y[test])
    return values


@cache
def _true_error(name: str, tasks: int, repeats: int = 100) -> float:
    """Return the mean error after trainings on `tasks` new tasks each."""
    random = np.random.default_rng(1)
    test_x, test_y = _draw(random, 2000)
    return fmean(_error(name, *_draw(random, tasks), test_x, test_y) for _ in range(repeats))


def _draw(random: np.random.Generator, tasks: int) -> tuple[Array, Labels]:
    centres = 0.5 * np.random.default_rng(5).normal(size=(4, 20))
    y = random.integers(0, 4, tasks)
    x = centres[y] + random.normal(size=(tasks, 20))
    return x, np.where(random.random(tasks) < 0.05, random.integers(0, 4, tasks), y)


def _error(name: str, x: Array, y: Labels, test_x: Array, test_y: Labels) -> float:
    if name == "least squares":
        ones, weights = np.c_[x, np.ones(len(x))], np.eye(4)[y]
        solution = np.linalg.solve(ones.T @ ones + np.eye(21), ones.T @ weights)
        predicted = (np.c_[test_x, np.ones(len(test_x))] @ solution).argmax(axis=1)
    elif name == "nearest centroid":
        centres = np.array([x[y == label].mean(axis=0) if (y == label).any() else x[0] for label in range(4)])
        predicted = _distances(test_x, centres).argmin(axis=1)
    else:
        nearest = np.argpartition(_distances(test_x, x), 4, axis=1)[:, :5]
        predicted = np.eye(4)[y[nearest]].sum(axis=1).argmax(axis=1)
    return float((predicted != test_y).mean())


def _distances(a: Array, b: Array) -> Array:
    return np.asarray((a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1))


def _forecast(values: Errors, labelled: int, labels: int) -> Forecast:
    return forecast(
        "label", "accuracy", lower_is_better=False, values=values, labelled=labelled, labels=labels
    )


def _coverage(forecasts: list[Forecast], error_now: float, error_after: float) -> Coverage:
    told = [each for each in forecasts if "follow none" not in each.reason]
    margin = 1e-9
    gains = afters = 0
    for each in told:
        assert each.after is not None
        assert each.gain_low is not None
        assert each.gain_high is not None
        gains += each.gain_low - margin <= error_now - error_after <= each.gain_high + margin
        afters += each.after.low - margin <= 1 - error_after <= each.after.high + margin
    return Coverage(
        told=len(told) / len(forecasts), gain=gains / max(len(told), 1), after=afters / max(len(told), 1)
    )


def main() -> None:
    """Print the coverage of all cases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    for folds, test in ((5, 20), (5, 80), (5, 1000), (3, 80)):
        for name in LAWS:
            _show(
                f"{name}, {folds} folds of {test}",
                coverage_of_law(name, folds=folds, test=test, runs=runs),
            )
    for tasks, labels in ((100, 20), (500, 100)):
        for name in LEARNERS:
            _show(f"{name}, {tasks} tasks", coverage_of_learner(name, tasks=tasks, labels=labels, runs=runs))


def _show(case: str, coverage: Coverage) -> None:
    print(
        f"{case:42} told {coverage.told:.2f}  gain {coverage.gain:.2f}  after {coverage.after:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
