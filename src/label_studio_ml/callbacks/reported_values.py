"""What callbacks have in common: report the numbers among a library's metrics."""

from collections.abc import Mapping
from typing import Any

from label_studio_ml.training.job import TrainingJob


def log_numbers(job: TrainingJob, step: float, metrics: Mapping[str, Any]) -> None:
    """Report the numbers among `metrics` to the job, if there are any.

    A metric called `step` is left out: `job.log` takes the step by this name, and modules for Lightning log one to
    choose the x axis of their loggers.
    """
    numbers = numbers_of(metrics)
    numbers.pop("step", None)
    if numbers:
        job.log(step, **numbers)


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are numbers, or arrays and tensors with a single one, as floats."""
    numbers: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, bool | str | bytes) or value is None:
            continue
        item = getattr(value, "item", None)  # of arrays and tensors
        try:
            numbers[str(name)] = float(item() if callable(item) else value)
        except (TypeError, ValueError, RuntimeError):  # no number, or a tensor with several
            continue
    return numbers
