"""How much two annotations differ in what one control says of a task: the distance that "consensus" sums up.

Regions are compared by their overlap: each is paired with at most one region of the other annotation with the same
labels, those that overlap most first. The distance is 1 less twice the sum of the overlaps, divided by the number of
regions of both: 0 for equal annotations (or two without regions), 1 for those that have nothing in common.
"""

import difflib
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.box import Box
from label_studio_ml.regions.pictures.picture_size import PictureSize
from label_studio_ml.regions.pictures.vector import Vector
from label_studio_ml.regions.region import number
from label_studio_ml.targets.target_regions import (
    BoxTarget,
    CodeTarget,
    EllipseTarget,
    KeyPointTarget,
    MaskTarget,
    MessageTarget,
    PageBoxTarget,
    PolygonTarget,
    SegmentTarget,
    SpanTarget,
    TargetRegion,
    TimelineTarget,
    TrackTarget,
    VectorTarget,
    VectorTrackTarget,
)

Points = Sequence[tuple[float, float]]
Fields = Mapping[str, Any]

#: Key points further apart than this, in percent of the picture's width and height, have nothing in common.
_FAR = 10.0
#: Side of the grid on which outlines are drawn to measure their overlap: about 1 % exact.
_GRID = 256
#: Corners of the polygon that stands for an ellipse.
_CORNERS = 64
#: Distance of a number from a missing one: more than that of any two ratings.
_MISSING = 1e12


def regions_distance(first: Sequence[TargetRegion], second: Sequence[TargetRegion]) -> float:
    """Return the distance of two annotations' regions, from 0 to 1."""
    if not first and not second:
        return 0.0
    index = _RegionIndex(second)
    pairs = (
        (overlap, at, other)
        for at, region in enumerate(first)
        for other in index.near(region)
        if (overlap := _overlap(region, second[other])) > 0
    )
    shared, used, others_used = 0.0, set(), set()
    for overlap, at, other in sorted(pairs, reverse=True):
        if at not in used and other not in others_used:
            shared += overlap
            used.add(at)
            others_used.add(other)
    return 1 - 2 * shared / (len(first) + len(second))


class _RegionIndex:
    """Regions by labels and position: of thousands, most are too far from a region to be compared with it."""

    def __init__(self, regions: Sequence[TargetRegion]) -> None:
        groups: dict[frozenset[str], list[tuple[float, float, int]]] = defaultdict(list)
        for at, region in enumerate(regions):
            groups[frozenset(region.labels)].append((*_extent(region), at))
        self._groups = {labels: sorted(entries) for labels, entries in groups.items()}
        self._longest = {
            labels: max(end - start for start, end, _ in each) for labels, each in groups.items()
        }

    def near(self, region: TargetRegion) -> Iterator[int]:
        """Yield the indices of the regions with the same labels that may overlap a region."""
        labels = frozenset(region.labels)
        entries = self._groups.get(labels, [])
        start, end = _extent(region)
        first = bisect_left(entries, (start - self._longest.get(labels, 0.0),))
        for position in range(first, len(entries)):
            other_start, other_end, at = entries[position]
            if other_start > end:
                return
            if other_end >= start:
                yield at


def _extent(region: Any) -> tuple[float, float]:
    """Return start and end of a region on one axis, the same for all regions of kinds without one."""
    if isinstance(region, SpanTarget):
        return float(region.start), float(region.end)
    if isinstance(region, BoxTarget):
        left, _, right, _ = region.xyxy
        return left, right
    return 0.0, 0.0


def values_distance(geometry: Geometry, first: Fields, second: Fields) -> float:
    """Return the distance of what two annotations say of a whole task: fields of an example, as in `WHOLE_TASK`."""
    if dict(first) == dict(second):
        return 0.0
    if not first or not second:
        return _MISSING if geometry in (Geometry.RATING, Geometry.NUMBER) else 1.0
    compare = _VALUES.get(geometry)
    return 1.0 if compare is None else compare(first, second)


def _overlap(first: Any, second: Any) -> float:
    """Return the overlap of two regions of the same kind, from 0 to 1."""
    compare = _OVERLAPS.get(type(first))
    return compare(first, second) if compare is not None else 0.0


def _ratio(both: float, either: float) -> float:
    return both / either if either > 0 else 0.0


def _interval(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return intersection over union of two intervals; empty ones overlap only with their equal."""
    if first == second:
        return 1.0
    both = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    return _ratio(both, first[1] - first[0] + second[1] - second[0] - both)


def _boxes(first: Box, second: Box) -> float:
    if first.rotation % 360 or second.rotation % 360:
        return _outlines(first.corners, second.corners)
    left, top, right, bottom = first.xyxy
    left2, top2, right2, bottom2 = second.xyxy
    width, height = min(right, right2) - max(left, left2), min(bottom, bottom2) - max(top, top2)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return _ratio(both, first.width * first.height + second.width * second.height - both)


def _outlines(first: Points, second: Points) -> float:
    """Return intersection over union of two polygons, measured on a grid over both of them."""
    from PIL import Image, ImageChops, ImageDraw

    if len(first) < 2 or len(second) < 2:  # polygons that were begun have no area
        return 0.0
    xs, ys = zip(*first, *second, strict=True)
    left, top = min(xs), min(ys)
    scale_x, scale_y = (_GRID - 1) / (max(xs) - left or 1), (_GRID - 1) / (max(ys) - top or 1)
    masks = []
    for points in (first, second):
        mask = Image.new("1", (_GRID, _GRID))
        ImageDraw.Draw(mask).polygon([((x - left) * scale_x, (y - top) * scale_y) for x, y in points], fill=1)
        masks.append(mask)
    both, either = ImageChops.logical_and(*masks), ImageChops.logical_or(*masks)
    return _ratio(both.histogram()[-1], either.histogram()[-1])


def _key_points(first: KeyPointTarget, second: KeyPointTarget) -> float:
    # In percent, so that it does not depend on the picture's size.
    across, down = (
        number(first.region["value"][name], name) - number(second.region["value"][name], name)
        for name in ("x", "y")
    )
    return _closeness(across, down)


def _closeness(across: float, down: float) -> float:
    """Return how close two points are, from 0 to 1; distances are in percent of the picture's sides."""
    return max(0.0, 1 - math.hypot(across, down) / _FAR)


def _masks(first: MaskTarget, second: MaskTarget) -> float:
    try:
        pixels, others = first.pixels(), second.pixels()
    except ValueError:  # a damaged mask agrees with none
        return 0.0
    if pixels.shape != others.shape:
        return 0.0
    return _ratio(float((pixels & others).sum()), float((pixels | others).sum()))


def _segments(first: SegmentTarget, second: SegmentTarget) -> float:
    if first.channel != second.channel:
        return 0.0
    ends = (first.start, first.end, second.start, second.end)
    if not all(isinstance(end, int | float) for end in ends):  # times as texts
        return float((first.start, first.end) == (second.start, second.end))
    return _interval((first.start, first.end), (second.start, second.end))


def _timelines(first: TimelineTarget, second: TimelineTarget) -> float:
    ranges, others = _disjoint(first.ranges), _disjoint(second.ranges)
    both = sum(
        max(0, min(end, other_end) - max(start, other_start) + 1)
        for start, end in ranges
        for other_start, other_end in others
    )
    lengths = sum(end - start + 1 for start, end in (*ranges, *others))
    return _ratio(both, lengths - both)


def _disjoint(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges of frames, ends included, without overlaps."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        elif start <= end:
            joined.append((start, end))
    return joined


def _tracks(first: TrackTarget, second: TrackTarget) -> float:
    """Return the mean overlap of the boxes in all frames in which one of them is shown."""
    boxes, others = first.boxes(), second.boxes()
    overlaps = (_boxes(boxes[frame], others[frame]) for frame in boxes.keys() & others.keys())
    return _ratio(sum(overlaps), len(boxes.keys() | others.keys()))


def _page_boxes(first: PageBoxTarget, second: PageBoxTarget) -> float:
    return _boxes(first.box, second.box) if first.page == second.page else 0.0


def _vectors(first: Vector, second: Vector, sides: PictureSize) -> float:
    """Return the mean closeness of the points with the same number, over all points of both."""
    pairs = zip(first.points, second.points, strict=False)
    close = sum(
        _closeness((x - other_x) / sides.width * 100, (y - other_y) / sides.height * 100)
        for (x, y), (other_x, other_y) in pairs
    )
    return _ratio(close, max(len(first.points), len(second.points)))


def _vector_tracks(first: VectorTrackTarget, second: VectorTrackTarget) -> float:
    vectors, others = first.vectors(), second.vectors()
    overlaps = (_vectors(vectors[at], others[at], first.size) for at in vectors.keys() & others.keys())
    return _ratio(sum(overlaps), len(vectors.keys() | others.keys()))


_OVERLAPS: dict[type[TargetRegion], Callable[[Any, Any], float]] = {
    BoxTarget: lambda first, second: _boxes(first.box, second.box),
    EllipseTarget: lambda first, second: _outlines(
        first.ellipse.outline(_CORNERS), second.ellipse.outline(_CORNERS)
    ),
    KeyPointTarget: _key_points,
    PolygonTarget: lambda first, second: _outlines(first.points, second.points),
    MaskTarget: _masks,
    SpanTarget: lambda first, second: _interval((first.start, first.end), (second.start, second.end)),
    SegmentTarget: _segments,
    TimelineTarget: _timelines,
    TrackTarget: _tracks,
    PageBoxTarget: _page_boxes,
    VectorTarget: lambda first, second: _vectors(first.vector, second.vector, first.size),
    VectorTrackTarget: _vector_tracks,
    MessageTarget: lambda first, second: float((first.role, first.content) == (second.role, second.content)),
    CodeTarget: lambda first, second: float(first.data == second.data),
}


def _sets(first: Iterable[Any], second: Iterable[Any]) -> float:
    """Return the share of entries that only one of two sets has."""
    entries, others = set(first), set(second)
    return 1 - _ratio(len(entries & others), len(entries | others))


def _texts(first: Iterable[str], second: Iterable[str]) -> float:
    return 1 - difflib.SequenceMatcher(None, "\n".join(first), "\n".join(second)).ratio()


def _rankings(first: Fields, second: Fields) -> float:
    """Return the sum of the differences in position, or the share of items that are in different buckets."""
    if "buckets" in first or "buckets" in second:
        return _sets(
            *({(name, item) for name, items in _buckets(each) for item in items} for each in (first, second))
        )
    ranking, other = first["ranking"], second["ranking"]
    items = dict.fromkeys((*ranking, *other))
    apart = sum(abs(_position(ranking, item) - _position(other, item)) for item in items)
    return _ratio(apart, len(items) ** 2)


def _buckets(fields: Fields) -> Iterable[tuple[str, Sequence[str]]]:
    buckets: Mapping[str, Sequence[str]] = fields.get("buckets", {})
    return buckets.items()


def _position(ranking: Sequence[str], item: str) -> int:
    """Return the position of an item, after the last one if it is not in the ranking."""
    return ranking.index(item) if item in ranking else len(ranking)


#: Distances of what annotations say of a whole task, given as fields of an example; of other kinds, 1 if they differ.
_VALUES: dict[Geometry, Callable[[Fields, Fields], float]] = {
    Geometry.CHOICES: lambda first, second: _sets(first["choices"], second["choices"]),
    Geometry.TAXONOMY: lambda first, second: _sets(first["taxonomy"], second["taxonomy"]),
    Geometry.RATING: lambda first, second: abs(first["rating"] - second["rating"]),
    Geometry.NUMBER: lambda first, second: abs(first["number"] - second["number"]),
    Geometry.TEXT: lambda first, second: _texts(first["texts"], second["texts"]),
    Geometry.RANKING: _rankings,
}
