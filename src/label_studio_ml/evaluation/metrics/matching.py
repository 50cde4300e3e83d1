"""Count regions that match one to one, and turn the counts into precision, recall and F1."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from label_studio_ml.evaluation.metrics.results import f1, ratio

T = TypeVar("T")


def count_matches(predicted: Sequence[T], annotated: Sequence[T], likeness: Callable[[T, T], float]) -> int:
    """Return how many predicted regions match an annotated one.

    In their order, each predicted region is matched with the unmatched annotated region of the greatest `likeness`,
    if that is more than 0.
    """
    unmatched = list(annotated)
    count = 0
    for region in predicted:
        best = max(unmatched, key=lambda candidate: likeness(region, candidate), default=None)
        if best is not None and likeness(region, best) > 0:
            unmatched.remove(best)
            count += 1
    return count


def by_label_and_all(
    counts: dict[str, tuple[int, int, int]],
) -> tuple[dict[str, float], dict[str, dict[str, float | None]]]:
    """Return precision, recall and F1 overall, and by label with `support`.

    `counts` has the numbers of matched, predicted and annotated regions of each label.
    """
    by_label: dict[str, dict[str, float | None]] = {
        label: {**scores(matched, predicted, annotated), "support": float(annotated)}
        for label, (matched, predicted, annotated) in counts.items()
    }
    return scores(*(sum(column) for column in zip(*counts.values(), strict=True))), by_label


def scores(matched: int = 0, predicted: int = 0, annotated: int = 0) -> dict[str, float]:
    """Return precision, recall and F1 of numbers of regions."""
    precision, recall = ratio(matched, predicted), ratio(matched, annotated)
    return {"precision": precision, "recall": recall, "f1": f1(precision, recall)}


def of_label(regions: Iterable[T], label: str) -> list[T]:
    """Return the regions with this label."""
    return [region for region in regions if region.label == label]  # type: ignore[attr-defined]
