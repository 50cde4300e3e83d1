"""Metrics of ratings and numbers."""

import math
import statistics

from label_studio_ml.evaluation.metrics.results import Measured, ratio

#: A task's annotated number and its predicted one; None if it has none.
Pair = tuple[float | None, float | None]


def measure(pairs: list[Pair]) -> Measured:
    """Return mean absolute error, root mean square error and Pearson's correlation of tasks with both numbers.

    `predicted` is the number of these tasks divided by the number of annotated ones.
    """
    both = [(truth, predicted) for truth, predicted in pairs if truth is not None and predicted is not None]
    annotated = sum(truth is not None for truth, _ in pairs)
    errors = [predicted - truth for truth, predicted in both]
    mean_square = ratio(sum(error * error for error in errors), len(errors))
    return Measured(
        kind="numbers",
        tasks=len(pairs),
        metrics={
            "mae": ratio(sum(map(abs, errors)), len(errors)) if both else None,
            "rmse": math.sqrt(mean_square) if both else None,
            "pearson": _pearson(both),
            "predicted": ratio(len(both), annotated),
        },
    )


def _pearson(pairs: list[tuple[float, float]]) -> float | None:
    """Return the correlation; None if one side does not vary or there are fewer than two pairs."""
    try:
        return statistics.correlation([truth for truth, _ in pairs], [predicted for _, predicted in pairs])
    except statistics.StatisticsError:
        return None
