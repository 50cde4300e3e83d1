"""Metrics of labelled key points in pictures."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from label_studio_ml.evaluation.metrics.matching import by_label_and_all, of_label
from label_studio_ml.evaluation.metrics.results import Measured, mean, ordered

#: Greatest distance of a predicted point from the annotated one, as a share of the picture's longer side.
MAX_DISTANCE = 0.05


class Point(NamedTuple):
    """A point in shares of the picture's longer side."""

    label: str
    x: float
    y: float


#: A task's annotated points and its predicted ones.
Pair = tuple[Sequence[Point], Sequence[Point]]


def measure(pairs: Sequence[Pair], config_labels: list[str]) -> Measured:
    """Return precision, recall and F1 of points within `MAX_DISTANCE`, and the mean distance of these.

    Points of one label are matched one to one, the nearest ones first. `distance` is a share of the picture's longer
    side, None without any match.
    """
    labels = ordered({point.label for pair in pairs for side in pair for point in side}, config_labels)
    distances: dict[str, list[float]] = {label: [] for label in labels}
    counts = {}
    for label in labels:
        predicted = annotated = 0
        for truth, candidates in pairs:
            reference, of_candidates = of_label(truth, label), of_label(candidates, label)
            predicted, annotated = predicted + len(of_candidates), annotated + len(reference)
            distances[label] += _matched_distances(reference, of_candidates)
        counts[label] = (len(distances[label]), predicted, annotated)
    overall, by_label = by_label_and_all(counts)
    for label in labels:
        by_label[label]["distance"] = mean(distances[label])
    every_distance = [distance for label_distances in distances.values() for distance in label_distances]
    metrics = {**overall, "distance": mean(every_distance)}
    return Measured(kind="key points", tasks=len(pairs), metrics=metrics, labels=by_label)


def matches(annotated: Sequence[Point], predicted: Sequence[Point]) -> int:
    """Return how many points of one label match."""
    return len(_matched_distances(annotated, predicted))


def _matched_distances(annotated: Sequence[Point], predicted: Sequence[Point]) -> list[float]:
    """Return the distances of the points that match."""
    candidates = sorted(
        (math.hypot(truth.x - point.x, truth.y - point.y), row, column)
        for row, truth in enumerate(annotated)
        for column, point in enumerate(predicted)
    )
    rows: set[int] = set()
    columns: set[int] = set()
    distances = []
    for distance, row, column in candidates:
        if distance > MAX_DISTANCE:
            break
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            distances.append(distance)
    return distances
