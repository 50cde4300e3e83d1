"""Metrics of rankings: orders of items, in one list or in several buckets."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from label_studio_ml.evaluation.metrics.results import Measured, ratio

#: The items of each bucket in their order; one bucket without a name for a `<Ranker>` without buckets.
Ranking = Mapping[str, Sequence[str]]

#: A task's annotated ranking and its predicted one; None if it has none.
Pair = tuple[Ranking | None, Ranking | None]


def ranking(value: Any, control: str = "") -> Ranking:
    """Return the ranking in `value["ranker"]` of a region: a list of item ids, or a dict of such lists.

    The dict of a `<Ranker>` without buckets has one list, by the name of the control.
    """
    if isinstance(value, Mapping):
        has_buckets = set(value) != {control}
        return {
            str(bucket) if has_buckets else "": [str(item) for item in items]
            for bucket, items in value.items()
            if isinstance(items, list | tuple)
        }
    return {"": [str(item) for item in value]} if isinstance(value, list | tuple) else {}


def measure(pairs: Sequence[Pair]) -> Measured:
    """Return how the predicted orders agree with the annotated ones.

    `accuracy` is the share of annotated rankings that are predicted exactly, `bucket_accuracy` that of items in the
    right bucket (None without buckets). `kendall` is Kendall's rank correlation, -1 to 1: of all pairs of items in the
    same annotated bucket, those in the same order less those in the opposite one; None without such a pair. Items that
    are not predicted in the annotated bucket count as neither.
    """
    annotated = [(truth, predicted or {}) for truth, predicted in pairs if truth is not None]
    exact = sum(_without_empty(truth) == _without_empty(predicted) for truth, predicted in annotated)
    agreeing = opposed = total = placed = items = 0
    has_buckets = any(bucket for truth, _ in annotated for bucket in truth)
    for truth, predicted in annotated:
        for bucket, order in truth.items():
            positions = {item: position for position, item in enumerate(predicted.get(bucket, ()))}
            items += len(order)
            placed += sum(item in positions for item in order)
            for first, second in combinations(order, 2):
                total += 1
                if first in positions and second in positions:
                    agreeing += positions[first] < positions[second]
                    opposed += positions[first] > positions[second]
    return Measured(
        kind="rankings",
        tasks=len(pairs),
        metrics={
            "accuracy": ratio(exact, len(annotated)) if annotated else None,
            "kendall": (agreeing - opposed) / total if total else None,
            "bucket_accuracy": ratio(placed, items) if has_buckets and items else None,
            "predicted": ratio(sum(bool(predicted) for _, predicted in annotated), len(annotated)),
        },
    )


def is_equal(annotated: Ranking | None, predicted: Ranking | None) -> bool:
    """Tell whether two rankings have the same items in the same order."""
    return _without_empty(annotated or {}) == _without_empty(predicted or {})


def _without_empty(ranked: Ranking) -> dict[str, list[str]]:
    return {bucket: list(items) for bucket, items in ranked.items() if items}
