"""What callbacks have in common: the numbers among a library's metrics."""

from collections.abc import Mapping
from typing import Any


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
