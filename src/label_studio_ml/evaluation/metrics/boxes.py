"""Metrics of labelled rectangles in pictures."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from label_studio_ml.evaluation.metrics.results import Measured, f1, number, ordered, ratio

#: Smallest overlap (intersection over union) at which a predicted box matches an annotated one in precision
#: and recall.
THRESHOLD = 0.5


class Box(NamedTuple):
    """An axis-aligned rectangle, in any unit that is the same for the whole task. `score` is between 0 and 1."""

    label: str
    x: float
    y: float
    width: float
    height: float
    score: float = 1.0


#: A task's annotated boxes and its predicted ones.
Pair = tuple[list[Box], list[Box]]


def measure(pairs: list[Pair], known: list[str]) -> Measured:
    """Return COCO's mean average precision, and precision, recall and F1, overall and by label.

    Mean average precision is given at an overlap of 0.5 and averaged over 0.5 to 0.95; the other metrics count all
    predicted boxes at 0.5. `known` is the order of the labels.
    """
    labels = ordered({box.label for pair in pairs for side in pair for box in side}, known)
    average_precision = _average_precision(pairs, labels)
    by_label: dict[str, dict[str, float | None]] = {}
    hits = predicted = annotated = 0
    for label in labels:
        mine = [tuple([box for box in side if box.label == label] for side in pair) for pair in pairs]
        right = sum(matches(reference, found) for reference, found in mine)
        support = sum(len(reference) for reference, _ in mine)
        count = sum(len(found) for _, found in mine)
        hits, predicted, annotated = hits + right, predicted + count, annotated + support
        precision, recall = ratio(right, count), ratio(right, support)
        ap50, ap = average_precision[label]
        by_label[label] = {
            "precision": precision,
            "recall": recall,
            "f1": f1(precision, recall),
            "ap_50": ap50,
            "ap_50_95": ap,
            "support": float(support),
        }
    precision, recall = ratio(hits, predicted), ratio(hits, annotated)
    metrics = {
        "map_50": _mean([ap50 for ap50, _ in average_precision.values()]),
        "map_50_95": _mean([ap for _, ap in average_precision.values()]),
        "precision": precision,
        "recall": recall,
        "f1": f1(precision, recall),
    }
    return Measured(kind="boxes", tasks=len(pairs), metrics=metrics, labels=by_label)


def matches(reference: list[Box], found: list[Box]) -> int:
    """Return how many predicted boxes match an annotated one.

    Predicted boxes choose in descending order of score, each the free annotated box with the largest overlap.
    """
    free = list(reference)
    count = 0
    for box in sorted(found, key=lambda one: -one.score):
        best = max(free, key=lambda one: overlap(one, box), default=None)
        if best is not None and overlap(best, box) >= THRESHOLD:
            free.remove(best)
            count += 1
    return count


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one.width * one.height + other.width * other.height - both)


def around(
    x: float, y: float, width: float, height: float, degrees: float
) -> tuple[float, float, float, float]:
    """Return the bounding box (left, top, width, height) of a rectangle rotated clockwise about its corner (x, y)."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    corners = [
        (x + across * cosine - down * sine, y + across * sine + down * cosine)
        for across in (0.0, width)
        for down in (0.0, height)
    ]
    left, top = (min(corner[axis] for corner in corners) for axis in (0, 1))
    right, bottom = (max(corner[axis] for corner in corners) for axis in (0, 1))
    return left, top, right - left, bottom - top


def _average_precision(pairs: list[Pair], labels: list[str]) -> dict[str, tuple[float | None, float | None]]:
    """Return (AP at 0.5, AP averaged over 0.5 to 0.95) by label; None for labels without an annotated box."""
    from faster_coco_eval import COCO, COCOeval_faster

    numbers = {label: number for number, label in enumerate(labels, 1)}
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image, (reference, predicted) in enumerate(pairs, 1):
        for box in reference:
            entry = _entry(box, image, numbers)
            truth.append({**entry, "id": len(truth) + 1, "area": box.width * box.height, "iscrowd": 0})
        found.extend({**_entry(box, image, numbers), "score": box.score} for box in predicted)
    annotated = {label for label in labels if any(one["category_id"] == numbers[label] for one in truth)}
    if not found or not truth:
        return {label: (0.0, 0.0) if label in annotated else (None, None) for label in labels}
    coco = COCO(
        {
            "images": [{"id": image, "width": 1, "height": 1} for image in range(1, len(pairs) + 1)],
            "categories": [{"id": number, "name": label} for label, number in numbers.items()],
            "annotations": truth,
        }
    )
    evaluator = COCOeval_faster(coco, coco.loadRes(found), "bbox", print_function=_say_nothing)
    evaluator.params.maxDets = [1, 10, max(100, *(len(predicted) for _, predicted in pairs))]
    evaluator.evaluate()
    evaluator.accumulate()
    # Axes: overlap thresholds, recall thresholds, labels, sizes (0: all sizes), maximum numbers of boxes per picture.
    precision = evaluator.eval["precision"][:, :, :, 0, -1]
    return {
        label: (number(precision[0, :, column].mean()), number(precision[:, :, column].mean()))
        if label in annotated
        else (None, None)
        for column, label in enumerate(labels)
    }


def _entry(box: Box, image: int, numbers: dict[str, int]) -> dict[str, Any]:
    return {
        "image_id": image,
        "category_id": numbers[box.label],
        "bbox": [box.x, box.y, box.width, box.height],
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


_say_nothing: Callable[..., None] = lambda *_, **__: None  # noqa: E731
