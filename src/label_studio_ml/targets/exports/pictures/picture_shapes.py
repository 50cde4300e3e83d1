"""The outline of each kind of region on pictures, cut off at the edges of the picture, in pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from label_studio_ml.regions.pictures.column_runs import column_runs
from label_studio_ml.regions.pictures.picture_size import PictureSize
from label_studio_ml.regions.pictures.polygon import area_of
from label_studio_ml.targets.exports.class_list import Omitted
from label_studio_ml.targets.target_regions import (
    BoxTarget,
    EllipseTarget,
    MaskTarget,
    PolygonTarget,
    TargetRegion,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Point = tuple[float, float]

#: Corners of the polygon that stands for an ellipse.
_ELLIPSE_CORNERS = 72
#: Decimal places of pixels.
_DIGITS = 4

NO_SIZE = "pictures whose size is not known"
DAMAGED = "masks that are damaged"
OUTSIDE = "regions outside of the picture or without an area"


@dataclass(frozen=True)
class Shape:
    """A region within its picture: `bbox` is left, top, width, height; `area` in square pixels.

    `points` are the corners of its outline; empty for a mask, which has `pixels` instead.
    """

    bbox: tuple[float, float, float, float]
    area: float
    points: tuple[Point, ...] = ()
    pixels: "NDArray[np.bool_] | None" = None


def shape_of(region: TargetRegion, size: PictureSize) -> Shape | None:
    """Return the part of a region that is in a picture of `size`; None if there is none.

    Raises ValueError if a mask is damaged.
    """
    if isinstance(region, MaskTarget):
        return _mask_shape(region)
    points = clipped(_CORNERS[type(region)](region), size)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if not points or max(xs) <= min(xs) or max(ys) <= min(ys):
        return None
    bbox = (min(xs), min(ys), rounded(max(xs) - min(xs)), rounded(max(ys) - min(ys)))
    return Shape(bbox, rounded(abs(area_of(points))), tuple(points))


def readable_shape(region: TargetRegion, size: PictureSize, omitted: Omitted) -> Shape | None:
    """Return the shape of a region; None, and counted in `omitted`, if it has none or its mask is damaged."""
    try:
        shape = shape_of(region, size)
    except ValueError:
        omitted.add(DAMAGED)
        return None
    if shape is None:
        omitted.add(OUTSIDE)
    return shape


def has_shape(region_type: type[TargetRegion] | None) -> bool:
    """Tell whether `shape_of` knows regions of this type."""
    return region_type is MaskTarget or region_type in _CORNERS


#: The corners of a region, before they are cut off at the edges of the picture.
_CORNERS: dict[type[TargetRegion] | None, Callable[[Any], Sequence[Point]]] = {
    BoxTarget: lambda region: region.corners,
    EllipseTarget: lambda region: region.ellipse.outline(_ELLIPSE_CORNERS),
    PolygonTarget: lambda region: region.points,
}


def _mask_shape(region: MaskTarget) -> Shape | None:
    import numpy as np

    pixels = region.pixels()
    columns, rows = np.flatnonzero(pixels.any(axis=0)), np.flatnonzero(pixels.any(axis=1))
    if not len(columns):
        return None
    left, top = int(columns[0]), int(rows[0])
    bbox = (float(left), float(top), float(columns[-1] + 1 - left), float(rows[-1] + 1 - top))
    return Shape(bbox, float(pixels.sum()), pixels=pixels)


def outline(shape: Shape) -> list[Point]:
    """Return one line around a shape. In that of a mask, cuts without width join its areas, and lead to their holes."""
    if shape.pixels is None:
        return list(shape.points)
    from label_studio_ml.regions.pictures.mask_outline import areas_of, joined

    rings = [ring for area in areas_of(shape.pixels) for ring in (area.outer, *area.holes)]
    return [(float(x), float(y)) for x, y in joined(rings[0], rings[1:])]


def run_lengths(pixels: "NDArray[np.bool_]") -> dict[str, list[int]]:
    """Return a mask as COCO's run-length code: column by column, the first run is one of pixels outside."""
    return {"size": [int(pixels.shape[0]), int(pixels.shape[1])], "counts": column_runs(pixels)}


def clipped(points: Sequence[Point], size: PictureSize) -> list[Point]:
    """Return the polygon cut off at the edges of the picture (algorithm: Sutherland and Hodgman)."""
    kept = list(points)
    for axis, limit, sign in ((0, 0.0, 1), (0, size.width, -1), (1, 0.0, 1), (1, size.height, -1)):
        if all(sign * (point[axis] - limit) >= 0 for point in kept):
            continue
        kept = _cut(kept, axis, limit, sign)
    return [(rounded(x), rounded(y)) for x, y in kept]


def _cut(points: list[Point], axis: int, limit: float, sign: int) -> list[Point]:
    """Return the part of a polygon on one side of a line where a coordinate is `limit`: above it if `sign` is 1."""
    kept: list[Point] = []
    for before, point in zip(points[-1:] + points[:-1], points, strict=True):
        depths = sign * (before[axis] - limit), sign * (point[axis] - limit)
        if (depths[0] < 0) != (depths[1] < 0):
            share = depths[0] / (depths[0] - depths[1])
            crossing = [before[at] + share * (point[at] - before[at]) for at in (0, 1)]
            crossing[axis] = limit
            kept.append((crossing[0], crossing[1]))
        if depths[1] >= 0:
            kept.append(point)
    return kept


def rounded(pixels: float) -> float:
    """Return a coordinate with the decimal places of exports."""
    return round(float(pixels), _DIGITS)
