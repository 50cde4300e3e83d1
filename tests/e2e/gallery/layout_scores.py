"""How well the blocks of a page are found: recall and precision by area, since boxes may join or split paragraphs."""

from collections.abc import Sequence

from .document_pages import Box

#: A label and its box.
Labelled = tuple[str, Box]


def found_blocks(blocks: Sequence[Labelled], boxes: Sequence[Labelled]) -> int:
    """Return how many blocks are covered by half or more by boxes of their label."""
    return sum(_covered(block, [box for name, box in boxes if name == label]) for label, block in blocks)


def right_boxes(blocks: Sequence[Labelled], boxes: Sequence[Labelled]) -> int:
    """Return how many boxes lie by half or more in blocks of their label."""
    return sum(_covered(box, [block for name, block in blocks if name == label]) for label, box in boxes)


def _covered(box: Box, others: Sequence[Box]) -> bool:
    """Return whether other boxes, which hardly overlap each other, cover half of a box or more."""
    left, top, right, bottom = box
    shared = sum(
        max(min(right, other[2]) - max(left, other[0]), 0.0)
        * max(min(bottom, other[3]) - max(top, other[1]), 0.0)
        for other in others
    )
    return shared >= 0.5 * (right - left) * (bottom - top)
