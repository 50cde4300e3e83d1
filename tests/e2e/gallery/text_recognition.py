"""How well lines of text are found and read: character error rate and box recall against a page's known lines."""

from collections.abc import Sequence

import jiwer

from .document_pages import Box

#: A line, or what is read: its text and its box.
Line = tuple[str, Box]


def character_errors(lines: Sequence[Line], read: Sequence[Line]) -> tuple[int, int]:
    """Return the wrong, missing and additional characters of what was read on a page, and the characters of its lines.

    What was read belongs to the line that it overlaps most; parts of a line are joined from left to right. What
    overlaps no line counts as additional characters.
    """
    parts: list[list[Line]] = [[] for _ in lines]
    additional = 0
    for text, box in read:
        overlaps = [_overlap(box, line) for _, line in lines]
        if max(overlaps, default=0.0) > 0:
            parts[overlaps.index(max(overlaps))].append((text, box))
        else:
            additional += len(text)
    texts = [" ".join(text for text, _ in sorted(part, key=lambda item: item[1][0])) for part in parts]
    output = jiwer.process_characters([text for text, _ in lines], texts)
    errors = output.substitutions + output.deletions + output.insertions
    return errors + additional, sum(len(text) for text, _ in lines)


def found_lines(lines: Sequence[Line], read: Sequence[Line]) -> int:
    """Return how many lines have a box whose intersection over union with the line is at least a half."""
    return sum(any(_iou(box, line) >= 0.5 for _, box in read) for _, line in lines)


def _overlap(first: Box, second: Box) -> float:
    """Return the area that two boxes share."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0.0) * max(height, 0.0)


def _iou(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes."""
    shared = _overlap(first, second)
    areas = sum((right - left) * (bottom - top) for left, top, right, bottom in (first, second))
    return shared / (areas - shared)
