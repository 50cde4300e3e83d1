"""How well boxes are found: a box is right if it overlaps an annotated one of its label by half or more."""

from collections.abc import Sequence

Box = tuple[float, float, float, float]
#: A label and its box: left, top, right, bottom.
Labelled = tuple[str, Box]


def f1(truth: Sequence[Sequence[Labelled]], found: Sequence[Sequence[Labelled]], label: str) -> float:
    """Return the F1 of one label over pictures. Of several boxes on one object, only the first is right.

    The boxes of a picture in `found` are in the order of their scores, the surest first.
    """
    right = 0
    for annotated, predicted in zip(truth, found, strict=True):
        left = [box for name, box in annotated if name == label]
        for box in (box for name, box in predicted if name == label):
            match = max(left, key=lambda other: overlap(box, other), default=None)
            if match is not None and overlap(box, match) >= 0.5:
                left.remove(match)
                right += 1
    count = sum(name == label for boxes in (*truth, *found) for name, _ in boxes)
    return 2 * right / max(count, 1)


def overlap(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return shared / (areas - shared)
