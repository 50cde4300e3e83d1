"""Polygons on pictures: `<PolygonLabels>` and `<Polygon>`, whose corners are stored in percent of the picture."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from label_studio_ml.controls.control import Control
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.picture_size import PictureSize, frame_of, size_of_region
from label_studio_ml.regions.region import Region, fields_in, make, numbers, require_shape, rows_of

#: A point: x and y.
Point: TypeAlias = tuple[float, float]

#: The fewest corners of a polygon.
LEAST = 3


def polygon(
    control: Control,
    *,
    points: Any,
    size: Any = None,
    relative: bool = False,
    label: Any = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    item_index: int | None = None,
    clip: bool = True,
) -> Region | None:
    """Return a polygon as a region of `control`; None if its label is dropped, or nothing of it is in the picture.

    `points` are its corners in order, as pairs of x and y or as one flat list (the segmentation of COCO), in pixels of
    a picture of `size`; with `relative`, in shares from 0 to 1. A last corner that repeats the first one is left out.
    What is outside of the picture is cut off, unless `clip=False`.

    Raises ValueError for fewer than three corners, and LabelConfigError for a label that the control does not have.
    """
    require_shape(control, Geometry.POLYGON)
    frame = frame_of(size, relative=relative)
    corners = [frame.point(point) for point in point_pairs(points, "corner")]
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners.pop()
    if len(corners) < LEAST:
        raise ValueError(f"points must be at least {LEAST} different corners, not {len(corners)}")
    if clip:
        corners = clipped(corners, frame.size)
        if len(corners) < LEAST:
            return None
    value = {
        "points": [[frame.size.percent_x(x), frame.size.percent_y(y)] for x, y in corners],
        "closed": True,
    }
    return make(control, value, label=label, score=score, id=id, item_index=item_index, **frame.fields)


def clipped(corners: Sequence[Point], size: PictureSize) -> list[Point]:
    """Return the part of a polygon that is in a picture; empty if nothing of it is (algorithm: Sutherland and Hodgman).

    Of a polygon that leaves the picture and returns, the parts stay connected along the picture's edge.
    """
    kept = list(corners)
    if all(0 <= x <= size.width and 0 <= y <= size.height for x, y in kept):
        return kept
    for axis, limit, sign in ((0, 0.0, 1), (0, size.width, -1), (1, 0.0, 1), (1, size.height, -1)):
        ring, kept = kept, []
        for before, point in zip([*ring[-1:], *ring[:-1]], ring, strict=True):
            inside, was_inside = sign * (point[axis] - limit) >= 0, sign * (before[axis] - limit) >= 0
            if inside != was_inside:
                kept.append(_crossing(before, point, axis, limit))
            if inside and point not in kept[-1:]:
                kept.append(point)
    return kept if area_of(kept) else []


def area_of(corners: Sequence[Point]) -> float:
    """Return the area of a polygon: more than 0 if its corners are clockwise on the screen, else less."""
    following = (*corners[1:], *corners[:1])
    return (
        sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(corners, following, strict=True)) / 2
    )


def _crossing(first: Point, second: Point, axis: int, limit: float) -> Point:
    """Return the point of a line at which the coordinate `axis` has the value `limit`."""
    share = (limit - first[axis]) / (second[axis] - first[axis])
    other = first[1 - axis] + (second[1 - axis] - first[1 - axis]) * share
    return (limit, other) if axis == 0 else (other, limit)


def point_pairs(points: Any, row: str) -> list[list[float]]:
    """Return points given as pairs of x and y, or as one flat list; `row` says what one is. Raises ValueError."""
    rows = rows_of(points, "points", row)
    if rows and not hasattr(rows[0], "__len__"):
        if len(rows) % 2:
            raise ValueError(
                f"points must be pairs of x and y, but there is an odd number of them: {len(rows)}"
            )
        rows = [rows[at : at + 2] for at in range(0, len(rows), 2)]
    return [numbers(row, 2, "points") for row in rows]


def polygon_of(region: Mapping[str, Any], size: Any = None) -> list[tuple[float, float]]:
    """Return a polygon's corners in pixels of its picture, whose size is the region's unless `size` is given.

    Raises ValueError if the region is no polygon, or the size is not known.
    """
    picture = size_of_region(region, size)
    points = region["value"].get("points")
    if not isinstance(points, list | tuple):
        raise ValueError(f"The region has no points: its value has {fields_in(region)}")
    pairs = [numbers(point, 2, "points") for point in points]
    return [(picture.pixels_x(x), picture.pixels_y(y)) for x, y in pairs]
