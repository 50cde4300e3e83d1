"""Vectors on pictures: lines, curves, closed shapes and skeletons of `<VectorLabels>` and `<Vector>`.

Label Studio stores points in percent of the picture. Each point names the one that it is joined to, and may have two
handles: the curve between two points is a cubic Bézier curve with the second handle of the first point, and the first
handle of the second one. Unlike other shapes, a vector is drawn only if the region says how large its picture is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.picture_size import Frame, PictureSize, frame_of, size_of_region
from label_studio_ml.regions.pictures.polygon import Point, point_pairs
from label_studio_ml.regions.region import (
    Region,
    fields_in,
    make,
    number,
    numbers,
    plain,
    require_shape,
)
from label_studio_ml.support.texts import plural

#: The handles of a point: towards the point before it, and towards the one after it.
Handles: TypeAlias = tuple[Point, Point]


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector in pixels.

    `parents` has for each point the index of the point that it is joined to, and None for the first one. `handles` has
    for each point its two handles, or None for a point without a curve. `closed`: the last point is joined to the first
    one.
    """

    points: tuple[Point, ...]
    closed: bool = False
    parents: tuple[int | None, ...] = ()
    handles: tuple[Handles | None, ...] = ()

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The pairs of points that are joined, as their indices."""
        joined = [(parent, child) for child, parent in enumerate(self.parents) if parent is not None]
        return [*joined, (len(self.points) - 1, 0)] if self.closed else joined

    def reaches_into(self, size: PictureSize) -> bool:
        """Tell whether a part of it may be in a picture: whether the upright box around it is."""
        handles = [handle for pair in self.handles if pair is not None for handle in pair]
        xs, ys = zip(*self.points, *handles, strict=True)
        return not (max(xs) < 0 or max(ys) < 0 or min(xs) > size.width or min(ys) > size.height)

    @classmethod
    def of(cls, points: Any, closed: bool, parents: Any, handles: Any, frame: Frame) -> "Vector":
        """Return the vector of a builder's arguments. Raises ValueError for numbers that are no vector."""
        rows = point_pairs(points, "point")
        if len(rows) < 2:
            raise ValueError(f"points must be at least 2 points, not {len(rows)}")
        if closed and parents is not None:
            raise ValueError("A vector with parents cannot be closed")
        return cls(
            tuple(frame.point(row) for row in rows),
            bool(closed),
            _parents(parents, len(rows)),
            _handles(handles, len(rows), frame),
        )

    @classmethod
    def of_vertices(cls, vertices: Any, closed: Any, size: PictureSize) -> "Vector":
        """Return the vector of the vertices in a region's value. Raises ValueError if they are none."""
        if not isinstance(vertices, list | tuple) or not all(isinstance(each, Mapping) for each in vertices):
            raise ValueError(f"vertices must be a list of points, not {vertices!r}")
        positions = {each["id"]: at for at, each in enumerate(vertices) if each.get("id")}
        return cls(
            tuple(_in_pixels(each, size) for each in vertices),
            bool(closed),
            tuple(
                positions.get(each.get("prevPointId"), at - 1) if at else None
                for at, each in enumerate(vertices)
            ),
            tuple(_handles_of(each, size) for each in vertices),
        )

    def vertices(self, size: PictureSize) -> list[dict[str, Any]]:
        """Return the vertices of a region's value in a picture of this size.

        With handles, each point has two: those of a point without are at the point, which leaves a line straight.
        """
        is_curved = any(pair is not None for pair in self.handles)
        made: list[dict[str, Any]] = []
        for at, (point, parent) in enumerate(zip(self.points, self.parents, strict=True)):
            vertex: dict[str, Any] = {
                "id": f"p{at}",
                **_in_percent(point, size),
                "prevPointId": None if parent is None else f"p{parent}",
                "isBezier": is_curved,
            }
            if is_curved:
                before, after = self.handles[at] or (point, point)
                vertex["controlPoint1"] = _in_percent(before, size)
                vertex["controlPoint2"] = _in_percent(after, size)
            made.append(vertex)
        return made


def vector(
    control: Control,
    *,
    points: Any,
    size: Any,
    relative: bool = False,
    closed: bool = False,
    parents: Any = None,
    handles: Any = None,
    label: Any = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    item_index: int | None = None,
    clip: bool = True,
) -> Region | None:
    """Return a vector as a region of `control`; None if its label is dropped, or nothing of it is in the picture.

    `points` are pairs of x and y, or one flat list of them, in pixels of a picture of `size`; with `relative`, in
    shares from 0 to 1. Each is joined to the one before it, or with `parents` to the point whose index is there, as in
    a skeleton: the first point has None, and all others lead to it. `handles` makes curves: for each point None, or its
    two handles, towards the point before and the one after it, as in SVG paths. `closed` also joins the last point to
    the first one. A vector that reaches into the picture is kept whole; `clip=False` keeps others, too.

    Raises ValueError for numbers that are no vector, and LabelConfigError for a label that the control does not have,
    or a closed vector of a control without `closable="true"`, which Label Studio would open.
    """
    require_shape(control, Geometry.VECTOR)
    frame = frame_of(size, relative=relative)
    frame.require_size_if(condition=True, what="A vector")
    made = Vector.of(points, closed, parents, handles, frame)
    check_closable(control, closed=made.closed)
    if clip and not made.reaches_into(frame.size):
        return None
    value = {"vertices": made.vertices(frame.size), "closed": made.closed}
    return make(control, value, label=label, score=score, id=id, item_index=item_index, **frame.fields)


def vector_of(region: Mapping[str, Any], size: Any = None) -> Vector:
    """Return a region's vector in pixels of its picture, whose size is the region's unless `size` is given.

    Raises ValueError if the region is no vector, or the size is not known.
    """
    picture, value = size_of_region(region, size), region["value"]
    if "vertices" not in value:
        raise ValueError(f"The region is no vector: its value has {fields_in(region)}")
    return Vector.of_vertices(value["vertices"], value.get("closed"), picture)


def check_closable(control: Control, *, closed: bool) -> None:
    """Raise LabelConfigError for a closed vector of a control that takes none: Label Studio would open it."""
    if closed and control.attribute("closable").lower() != "true":
        raise LabelConfigError(
            f"{control} takes no closed vectors",
            fix='Set closable="true" in the label config, or repeat the first point as the last one',
            field="label_config",
        )


def _parents(parents: Any, count: int) -> tuple[int | None, ...]:
    """Return the parent of each point; by default the one before it. Raises ValueError if they are no tree."""
    if parents is None:
        return (None, *range(count - 1))
    entries = plain(parents)
    if not isinstance(entries, Sequence) or len(entries) != count:
        raise ValueError(f"parents must have an entry for each of the {plural(count, 'point')}")
    made = tuple(None if entry is None or entry == -1 else int(number(entry, "parents")) for entry in entries)
    reached, joined = {0}, 0
    while joined != len(reached):
        joined = len(reached)
        reached |= {child for child, parent in enumerate(made) if parent in reached}
    if made[0] is not None or len(reached) != count:
        raise ValueError(
            f"parents must have None for the first point, and lead to it from all others, not {list(entries)}"
        )
    return made


def _handles(handles: Any, count: int, frame: Frame) -> tuple[Handles | None, ...]:
    """Return the handles of each point in pixels. Raises ValueError if there are not two or None for each point."""
    if handles is None:
        return (None,) * count
    entries = plain(handles)
    if not isinstance(entries, Sequence) or len(entries) != count:
        raise ValueError(f"handles must have an entry for each of the {plural(count, 'point')}")
    made: list[Handles | None] = []
    for entry in entries:
        pair = None if entry is None else plain(entry)
        if pair is None:
            made.append(None)
            continue
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(f"handles must be two points or None for each point, not {entry!r}")
        before, after = (frame.point(numbers(point, 2, "handles")) for point in pair)
        made.append((before, after))
    return tuple(made)


def _handles_of(vertex: Mapping[str, Any], size: PictureSize) -> Handles | None:
    """Return the handles of a vertex in pixels; None if they are at the point itself, or there are none."""
    if not vertex.get("isBezier"):
        return None
    before = _in_pixels(vertex.get("controlPoint1") or vertex, size)
    after = _in_pixels(vertex.get("controlPoint2") or vertex, size)
    return None if before == after == _in_pixels(vertex, size) else (before, after)


def _in_percent(point: Point, size: PictureSize) -> dict[str, float]:
    return {"x": size.percent_x(point[0]), "y": size.percent_y(point[1])}


def _in_pixels(vertex: Mapping[str, Any], size: PictureSize) -> Point:
    return size.pixels_x(number(vertex.get("x"), "x")), size.pixels_y(number(vertex.get("y"), "y"))
