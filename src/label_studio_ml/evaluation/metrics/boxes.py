"""Metrics of labelled rectangles in pictures."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from label_studio_ml.evaluation.metrics.results import Measured, f1, number, ordered, ratio

#: Minimum overlap (intersection over union, 0 to 1) at which a predicted box matches an annotated one, for precision
#: and recall.
MIN_OVERLAP = 0.5


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


def measure(pairs: list[Pair], config_labels: list[str]) -> Measured:
    """Return COCO's mean average precision, and precision, recall and F1, overall and by label.

    Mean average precision is given at an overlap of 0.5 and averaged over 0.5 to 0.95; the other metrics count all
    predicted boxes at 0.5. `config_labels` is the order of the labels.
    """
    labels = ordered({box.label for pair in pairs for side in pair for box in side}, config_labels)
    average_precision = _average_precision(pairs, labels)
    by_label: dict[str, dict[str, float | None]] = {}
    matched = predicted = annotated = 0
    for label in labels:
        label_pairs = [tuple([box for box in side if box.label == label] for side in pair) for pair in pairs]
        correct = sum(matches(*pair) for pair in label_pairs)
        support = sum(len(reference) for reference, _ in label_pairs)
        count = sum(len(boxes) for _, boxes in label_pairs)
        matched, predicted, annotated = matched + correct, predicted + count, annotated + support
        precision, recall = ratio(correct, count), ratio(correct, support)
        ap50, ap = average_precision[label]
        by_label[label] = {
            "precision": precision,
            "recall": recall,
            "f1": f1(precision, recall),
            "ap_50": ap50,
            "ap_50_95": ap,
            "support": float(support),
        }
    precision, recall = ratio(matched, predicted), ratio(matched, annotated)
    metrics = {
        "map_50": _mean([ap50 for ap50, _ in average_precision.values()]),
        "map_50_95": _mean([ap for _, ap in average_precision.values()]),
        "precision": precision,
        "recall": recall,
        "f1": f1(precision, recall),
    }
    return Measured(kind="boxes", tasks=len(pairs), metrics=metrics, labels=by_label)


def matches(reference: list[Box], predicted: list[Box]) -> int:
    """Return how many predicted boxes match an annotated box.

    In descending order of score, each predicted box is matched with the unmatched annotated box of the largest overlap.
    """
    unmatched = list(reference)
    count = 0
    for box in sorted(predicted, key=lambda box: -box.score):
        best = max(unmatched, key=lambda candidate: overlap(candidate, box), default=None)
        if best is not None and overlap(best, box) >= MIN_OVERLAP:
            unmatched.remove(best)
            count += 1
    return count


def overlap(box: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(box.x + box.width, other.x + other.width) - max(box.x, other.x)
    height = min(box.y + box.height, other.y + other.height) - max(box.y, other.y)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (box.width * box.height + other.width * other.height - both)


def bounding_box(
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
    candidates: list[dict[str, Any]] = []
    for image, (reference, predicted) in enumerate(pairs, 1):
        for box in reference:
            entry = _entry(box, image, numbers)
            truth.append({**entry, "id": len(truth) + 1, "area": box.width * box.height, "iscrowd": 0})
        candidates.extend({**_entry(box, image, numbers), "score": box.score} for box in predicted)
    annotated = {label for label in labels if any(entry["category_id"] == numbers[label] for entry in truth)}
    if not candidates or not truth:
        return {label: (0.0, 0.0) if label in annotated else (None, None) for label in labels}
    coco = COCO(
        {
            "images": [{"id": image, "width": 1, "height": 1} for image in range(1, len(pairs) + 1)],
            "categories": [{"id": number, "name": label} for label, number in numbers.items()],
            "annotations": truth,
        }
    )
    evaluator = COCOeval_faster(coco, coco.loadRes(candidates), "bbox", print_function=_print_nothing)
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
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


_print_nothing: Callable[..., None] = lambda *_, **__: None  # noqa: E731
