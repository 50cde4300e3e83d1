"""The tasks of an evaluation whose prediction agrees least with the annotation, for people to look at."""

import difflib
import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from label_studio_ml.evaluation.metrics.pictures import areas, boxes, key_points
from label_studio_ml.evaluation.metrics.regions import Region, labels_of, rating, text
from label_studio_ml.evaluation.metrics.results import WorstTask, ratio

#: Number of tasks that are kept, of labels of one task and side, and of characters of one label.
MAX_TASKS, MAX_LABELS, MAX_LABEL_LENGTH = 50, 20, 300
#: Characters of a text that are compared: the time to compare two texts grows with the square of their length.
_MAX_COMPARED = 1000
#: Regions of one task and label beyond which their numbers are compared, not their places.
_MAX_REGIONS = 200

#: By control: the kind of its regions (the name of a `RegionKind`), and the pairs of one task that its metric compares.
Compared = Mapping[str, tuple[str, Sequence[tuple[Any, Any]]]]


class WorstTasks:
    """Collects the `MAX_TASKS` tasks of the smallest agreement; tasks in full agreement are left out."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, WorstTask]] = []
        self._order = itertools.count()

    def add(
        self, task_id: Any, compared: Compared, annotated: Iterable[Region], entry: Mapping[str, Any]
    ) -> None:
        """Add a task with its annotated regions and its prediction, an entry with `result` or `error`."""
        error = "" if "result" in entry else str(entry.get("error", "no result"))
        values = [task_agreement(kind, pairs) for kind, pairs in compared.values()]
        agreement = 0.0 if error else ratio(sum(values), len(values)) if values else 1.0
        if agreement >= 1.0 or not isinstance(task_id, int):
            return
        if len(self._heap) >= MAX_TASKS and -self._heap[0][0] <= agreement:
            return
        task = WorstTask(
            task=task_id,
            agreement=agreement,
            annotated=label_counts(annotated),
            predicted=label_counts(entry.get("result") or []),
            error=error[:MAX_LABEL_LENGTH],
        )
        heapq.heappush(self._heap, (-agreement, -next(self._order), task))
        if len(self._heap) > MAX_TASKS:
            heapq.heappop(self._heap)

    def worst_first(self) -> list[WorstTask]:
        """Return the collected tasks, that of the smallest agreement first."""
        return [task for _, _, task in sorted(self._heap, key=lambda item: (-item[0], -item[1]))]


def task_agreement(kind: str, pairs: Sequence[tuple[Any, Any]]) -> float:
    """Return how well the two sides of a task's pairs agree, from 0 to 1; the mean over the pairs.

    Sets of labels: their intersection over union. Texts: the share of equal characters. Numbers: 1 less the difference,
    relative to the larger one. Regions: F1 of those that match with the same label, as the metrics of their kind do.
    """
    compare = _AGREEMENTS.get(kind, lambda annotated, predicted: float(annotated == predicted))
    return ratio(sum(compare(*pair) for pair in pairs), len(pairs)) if pairs else 1.0


def _labels(annotated: Sequence[Any], predicted: Sequence[Any]) -> float:
    either = {*annotated, *predicted}
    return ratio(len(set(annotated) & set(predicted)), len(either)) if either else 1.0


def _texts(annotated: str, predicted: str) -> float:
    if annotated == predicted:
        return 1.0
    first, second = annotated[:_MAX_COMPARED], predicted[:_MAX_COMPARED]
    return min(difflib.SequenceMatcher(None, first, second, autojunk=False).ratio(), 0.999)


def _numbers(annotated: float | None, predicted: float | None) -> float:
    if annotated is None or predicted is None:
        return float(annotated == predicted)
    largest = max(abs(annotated), abs(predicted), 1.0)
    return max(0.0, 1 - abs(annotated - predicted) / largest)


def _matched(
    count: Callable[[list[Any], list[Any]], float],
) -> Callable[[Sequence[Any], Sequence[Any]], float]:
    """Return a function that compares two lists of regions, given one that counts the matches of equal labels."""

    def compare(annotated: Sequence[Any], predicted: Sequence[Any]) -> float:
        if not annotated and not predicted:
            return 1.0
        matches = 0.0
        for label in {region.label for region in annotated}:
            reference = [region for region in annotated if region.label == label]
            candidates = [region for region in predicted if region.label == label]
            if not candidates:
                continue
            too_many = max(len(reference), len(candidates)) > _MAX_REGIONS
            matches += min(len(reference), len(candidates)) if too_many else count(reference, candidates)
        return ratio(2 * matches, len(annotated) + len(predicted))

    return compare


def _equal_spans(reference: list[Any], candidates: list[Any]) -> float:
    """Count spans with equal ends once and spans that only overlap half, each annotated span at most once."""
    equal = {(span.start, span.end) for span in reference} & {(span.start, span.end) for span in candidates}
    left = [span for span in reference if (span.start, span.end) not in equal]
    count = float(len(equal))
    for span in candidates:
        if (span.start, span.end) in equal:
            continue
        partner = next((other for other in left if other.start < span.end and span.start < other.end), None)
        if partner is not None:
            left.remove(partner)
            count += 0.5
    return count


_spans = _matched(_equal_spans)
_areas = _matched(lambda reference, candidates: areas.matches(reference, candidates))
_AGREEMENTS: dict[str, Callable[[Any, Any], float]] = {
    **dict.fromkeys(("choices", "multiple choices", "taxonomy"), _labels),
    "text": _texts,
    "numbers": _numbers,
    "boxes": _matched(lambda reference, candidates: boxes.matches(reference, candidates)),
    **dict.fromkeys(("spans", "frames"), _spans),
    **dict.fromkeys(("polygons", "ellipses", "brush masks", "bitmasks"), _areas),
    "key points": _matched(lambda reference, candidates: key_points.matches(reference, candidates)),
}


def label_counts(regions: Iterable[Any]) -> dict[str, int]:
    """Return how often each label occurs in regions; a text or number stands for itself."""
    counts: dict[str, int] = {}
    for region in regions:
        if not isinstance(region, Mapping) or not isinstance(region.get("value"), Mapping):
            continue
        names = labels_of(region)
        if not names:
            stars = rating([region])
            content = text([region]) if region.get("type") == "textarea" else ""
            names = [content or (f"{stars:g}" if stars is not None else str(region.get("type", "region")))]
        for name in names:
            name = name if len(name) <= MAX_LABEL_LENGTH else f"{name[:MAX_LABEL_LENGTH]}…"
            if name in counts or len(counts) < MAX_LABELS:
                counts[name] = counts.get(name, 0) + 1
    return counts
