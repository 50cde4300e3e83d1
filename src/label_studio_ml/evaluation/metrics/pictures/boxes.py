"""Metrics of labelled rectangles in pictures."""

import math
from typing import Any, NamedTuple

from label_studio_ml.evaluation.metrics.matching import by_label_and_all, count_matches, of_label
from label_studio_ml.evaluation.metrics.pictures.average_precision import average_precision
from label_studio_ml.evaluation.metrics.results import Measured, mean, ordered

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
    precisions = average_precision(pairs, labels, "bbox", _entry)
    counts = {}
    for label in labels:
        label_pairs = [
            (of_label(reference, label), of_label(candidates, label)) for reference, candidates in pairs
        ]
        counts[label] = (
            sum(matches(*pair) for pair in label_pairs),
            sum(len(candidates) for _, candidates in label_pairs),
            sum(len(reference) for reference, _ in label_pairs),
        )
    overall, by_label = by_label_and_all(counts)
    for label in labels:
        ap50, ap = precisions[label]
        by_label[label] |= {"ap_50": ap50, "ap_50_95": ap}
    metrics = {
        "map_50": mean([ap50 for ap50, _ in precisions.values()]),
        "map_50_95": mean([ap for _, ap in precisions.values()]),
        **overall,
    }
    return Measured(kind="boxes", tasks=len(pairs), metrics=metrics, labels=by_label)


def matches(reference: list[Box], predicted: list[Box]) -> int:
    """Return how many predicted boxes match an annotated box.

    In descending order of score, each predicted box is matched with the unmatched annotated box of the largest overlap.
    """
    surest_first = sorted(predicted, key=lambda box: -box.score)
    return count_matches(surest_first, reference, _likeness)


def _likeness(box: Box, other: Box) -> float:
    """Return the overlap of two boxes, 0 if it is less than MIN_OVERLAP."""
    common = overlap(box, other)
    return common if common >= MIN_OVERLAP else 0.0


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


def _entry(box: Box) -> dict[str, Any]:
    """Return place and area of a box as fields of COCO."""
    return {"bbox": [box.x, box.y, box.width, box.height], "area": box.width * box.height}
