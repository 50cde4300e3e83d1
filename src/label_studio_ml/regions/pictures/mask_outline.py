"""From masks to polygons and back: the outlines of the areas of a mask, and the pixels inside of polygons.

An outline runs along the edges of pixels: the one of a single pixel at column 2 and row 3 is the square from (2, 3) to
(3, 4). Pixels that touch at a corner alone belong to different areas. A pixel is inside of a polygon if its centre is.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The most corners of a hole that are tried as the end of its cut; how many distances are computed at most for all
#: holes; and how many corners before a hole are tried at least.
_CUT_ENDS, _MOST_DISTANCES, _LEAST_REACH = 16, 20_000_000, 100


@dataclass(frozen=True)
class Area:
    """A connected area of a mask: the ring around it, and those around its holes, as arrays of x and y in pixels.

    The outer ring is clockwise on the screen, those of holes are counter-clockwise. `pixels` is the number of pixels
    inside, without those of its holes.
    """

    outer: "NDArray[np.float64]"
    pixels: int
    holes: list["NDArray[np.float64]"] = field(default_factory=list)


def areas_of(inside: "NDArray[np.bool_]") -> list[Area]:
    """Return the connected areas of a mask of shape (height, width), from the top."""
    import cv2
    import numpy as np

    rings = _rings(inside)
    if not rings:
        return []
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=4)
    areas: dict[int, Area] = {}
    for ring in rings:
        # A ring begins at the left end of its topmost side, which is a side of the pixel below it.
        x, y = int(ring[0, 0]), int(ring[0, 1])
        number = int(numbers[y, x])
        if number:
            areas[number] = Area(ring, int(stats[number, cv2.CC_STAT_AREA]))
        else:
            areas[int(numbers[y - 1, x])].holes.append(ring[::-1])
    return list(areas.values())


def _rings(inside: "NDArray[np.bool_]") -> list["NDArray[np.float64]"]:
    """Return all closed lines between pixels that are inside and others, each from its topmost, then leftmost corner.

    The corners of a line are where the pixels around a grid point differ other than along a straight line. In each row
    of the grid, a line leaves every other corner to the right; in each column, every other one downwards.
    """
    import numpy as np

    grid = np.pad(inside.astype(np.uint8), 1)
    kinds = grid[:-1, :-1] | grid[:-1, 1:] << 1 | grid[1:, :-1] << 2 | grid[1:, 1:] << 3
    is_corner = np.ones(16, dtype=bool)
    is_corner[[0b0000, 0b0011, 0b1100, 0b0101, 0b1010, 0b1111]] = False
    ys, xs = np.nonzero(is_corner[kinds])
    kind = kinds[ys, xs]
    # Where two pixels touch at a corner, two lines pass the grid point: it becomes two corners, of which one turns to
    # the pixels above it, and the other one to those below.
    falling, rising = kind == 0b1001, kind == 0b0110
    twice = falling | rising
    corner_x = np.concatenate([xs, xs[twice]])
    corner_y = np.concatenate([ys, ys[twice]])
    is_lower = np.concatenate([np.zeros(xs.size, dtype=bool), np.ones(int(twice.sum()), dtype=bool)])
    is_rising = np.concatenate([rising, rising[twice]])
    right = np.where(is_rising, ~is_lower, is_lower)  # of two corners, the one whose line goes to the right
    along_row = np.lexsort((right, corner_x, corner_y))
    along_column = np.lexsort((is_lower, corner_y, corner_x))
    across, down = np.empty_like(along_row), np.empty_like(along_row)
    for partner, order in ((across, along_row), (down, along_column)):
        partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    return [
        np.stack([corner_x[ring], corner_y[ring]], axis=1).astype(np.float64)
        for ring in _cycles(along_row.tolist(), across.tolist(), down.tolist())
    ]


def _cycles(order: list[int], across: list[int], down: list[int]) -> list[list[int]]:
    """Return the corners of each closed line, which leads to `across` and `down` in turn, in the order of begins."""
    seen = bytearray(len(order))
    rings: list[list[int]] = []
    for start in order:
        if seen[start]:
            continue
        ring: list[int] = []
        corner = start
        while not seen[corner]:
            following = across[corner]
            seen[corner] = seen[following] = 1
            ring += (corner, following)
            corner = down[following]
        rings.append(ring)
    return rings


def simplified(ring: "NDArray[np.float64]", tolerance: float) -> "NDArray[np.float64]":
    """Return a ring with fewer corners, of which no left out one is farther than `tolerance` from the line (algorithm:
    Douglas and Peucker); the ring itself if less than three corners were left.
    """
    import numpy as np

    if tolerance <= 0 or len(ring) <= 3:
        return ring
    far = int(np.argmax(((ring - ring[0]) ** 2).sum(axis=1)))
    closed = np.concatenate([ring, ring[:1]])
    kept = {0, far}
    pending = [(0, far), (far, len(ring))]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        distances = _distances(closed[first + 1 : last], closed[first], closed[last])
        worst = int(np.argmax(distances))
        if distances[worst] > tolerance:
            middle = first + 1 + worst
            kept.add(middle)
            pending += [(first, middle), (middle, last)]
    return ring[sorted(kept)] if len(kept) >= 3 else ring


def _distances(
    points: "NDArray[np.float64]", start: "NDArray[np.float64]", end: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return the distance of each point from the line between two."""
    import numpy as np

    line, offsets = end - start, points - start
    length = float(line @ line)
    along = np.clip(offsets @ line / length, 0, 1)[:, None] if length else np.zeros((len(points), 1))
    distances: NDArray[np.float64] = np.hypot(*(offsets - along * line).T)
    return distances


def joined(outer: "NDArray[np.float64]", holes: Sequence["NDArray[np.float64]"]) -> "NDArray[np.float64]":
    """Return one ring around an area with holes: a cut without width leads to each hole, and back.

    A cut leads from a hole to a near corner of a ring before it. Wherever it runs, it contributes nothing to the area.
    """
    import numpy as np

    if not holes:
        return outer
    rings = [outer, *holes]
    corners = np.concatenate(rings)
    begins = np.cumsum([0, *map(len, rings)]).tolist()
    reach = max(_LEAST_REACH, _MOST_DISTANCES // (len(holes) * _CUT_ENDS))
    #: For each corner, the holes that are cut to it, as the indices of the corners at which their cuts end.
    cuts: dict[int, list[int]] = {}
    for begin, end in pairwise(begins[1:]):
        first = max(0, begin - reach)
        ends = np.arange(begin, end, -(-(end - begin) // _CUT_ENDS))
        distances = ((corners[None, first:begin] - corners[ends, None]) ** 2).sum(axis=2)
        at, near = np.unravel_index(int(np.argmin(distances)), distances.shape)
        cuts.setdefault(first + int(near), []).append(int(ends[at]))
    order: list[int] = []
    pending = [iter(range(len(outer)))]
    while pending:
        corner = next(pending[-1], None)
        if corner is None:
            pending.pop()
            continue
        order.append(corner)
        if cuts.get(corner):  # around the hole, and then to this corner again
            start = cuts[corner].pop()
            ring = bisect_right(begins, start) - 1
            begin, end = begins[ring], begins[ring + 1]
            pending.append(iter((corner,)))
            pending.append(iter((*range(start, end), *range(begin, start), start)))
    return corners[order]


def filled(rings: Sequence[Sequence[tuple[float, float]]], height: int, width: int) -> "NDArray[np.bool_]":
    """Return the pixels whose centres are inside of rings in pixels, as an array of shape (height, width).

    A centre is inside if the rings turn around it, as Label Studio's canvas fills them: also where a ring overlaps
    itself.
    """
    import numpy as np

    inside = np.zeros((height, width), dtype=bool)
    arrays = [np.asarray(ring, dtype=np.float64) for ring in rings]
    every = np.concatenate(arrays)
    left, top = np.clip(np.floor(every.min(axis=0)), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(every.max(axis=0)), 0, (width, height)).astype(int).tolist()
    if left >= right or top >= bottom:
        return inside
    # For each row, the ring's sides that cross the row's middle: from there to the right, the number of turns changes.
    turns = np.zeros((bottom - top, right - left + 1), dtype=np.int32)
    for points in arrays:
        for (x, y), (next_x, next_y) in zip(
            points.tolist(), np.roll(points, -1, axis=0).tolist(), strict=True
        ):
            if y == next_y:
                continue
            sign = 1 if next_y > y else -1
            if sign < 0:  # the same numbers in both directions: a cut goes there and back
                x, y, next_x, next_y = next_x, next_y, x, y
            rows = np.arange(max(top, math.ceil(y - 0.5)), min(bottom, math.ceil(next_y - 0.5)))
            crossings = x + (rows + 0.5 - y) / (next_y - y) * (next_x - x)
            columns = np.clip(np.ceil(crossings - 0.5), left, right).astype(np.intp)
            turns[rows - top, columns - left] += sign
    inside[top:bottom, left:right] = np.cumsum(turns[:, :-1], axis=1, dtype=np.int32) != 0
    return inside
