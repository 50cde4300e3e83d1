"""Boxes on pictures: `<RectangleLabels>` and `<Rectangle>`.

Label Studio stores a box by its top left corner, width and height, in percent of the picture, and turns it clockwise by
`rotation` degrees around that corner, in pixels. Models describe boxes in other ways.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.picture_size import Frame, PictureSize, frame_of, size_of_region
from label_studio_ml.regions.region import (
    Region,
    chosen_rows,
    column,
    make,
    number,
    numbers,
    one_form,
    plain,
    require_shape,
    rows_of,
)

#: The type of the regions of `<OcrLabels>`, whose boxes are not in percent.
_ON_PAGE = "ocrlabels"

#: How far a corner may be from its place in a box, as a share of the longest side, so that four corners are one.
_SKEW = 0.05


@dataclass(frozen=True, slots=True)
class Box:
    """A box in pixels: its centre, its width and height before it is turned, and its rotation clockwise in degrees."""

    cx: float
    cy: float
    width: float
    height: float
    rotation: float = 0.0

    @property
    def cxcywh(self) -> tuple[float, float, float, float]:
        """Centre, width and height, without the rotation."""
        return self.cx, self.cy, self.width, self.height

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom; of a turned box those of the upright box around it."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Left, top, width, height; of a turned box those of the upright box around it."""
        left, top, right, bottom = self.xyxy
        return left, top, right - left, bottom - top

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """The four corners, clockwise from the one that is top left before the box is turned."""
        across, down = self._half_axes()
        return tuple(
            (self.cx + right * across[0] + below * down[0], self.cy + right * across[1] + below * down[1])
            for right, below in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        )

    def _half_axes(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the vectors from the centre to the middle of the right side, and to that of the bottom side."""
        if not self.rotation:
            return (self.width / 2, 0.0), (0.0, self.height / 2)
        angle = math.radians(self.rotation)
        cos, sin = math.cos(angle), math.sin(angle)
        return (self.width / 2 * cos, self.width / 2 * sin), (-self.height / 2 * sin, self.height / 2 * cos)

    def value(self, size: PictureSize) -> dict[str, float]:
        """Return the value of a region in a picture of this size."""
        left, top = self.corners[0]
        return {
            "x": size.percent_x(left),
            "y": size.percent_y(top),
            "width": size.percent_x(self.width),
            "height": size.percent_y(self.height),
            "rotation": round(self.rotation % 360, 6),
        }

    @classmethod
    def of_value(cls, value: dict[str, Any], size: PictureSize) -> "Box":
        """Return the box of a region's value in a picture of this size. Raises ValueError if it has no box."""
        x, y, width, height = (number(value.get(name), name) for name in ("x", "y", "width", "height"))
        rotation = number(value.get("rotation") or 0, "rotation")
        return cls.at_corner(
            size.pixels_x(x), size.pixels_y(y), size.pixels_x(width), size.pixels_y(height), rotation
        )

    @classmethod
    def at_corner(cls, left: float, top: float, width: float, height: float, rotation: float) -> "Box":
        """Return the box with this top left corner, around which it is turned clockwise by `rotation` degrees."""
        across, down = cls(0, 0, width, height, rotation)._half_axes()
        return cls(left + across[0] + down[0], top + across[1] + down[1], width, height, rotation)

    @classmethod
    def of_corners(cls, corners: Any) -> "Box":
        """Return the box with these four corners in order, clockwise or not.

        The first two are the ends of what is the top side before the box is turned. Raises ValueError if opposite
        sides differ, or a side leans, by more than a twentieth of the longest side.
        """
        a, b, c, d = (numbers(corner, 2, "corners") for corner in _corners(corners))
        cross = (b[0] - a[0]) * (d[1] - a[1]) - (b[1] - a[1]) * (d[0] - a[0])
        if cross < 0:  # counter-clockwise on the screen, where y points down
            a, b, c, d = b, a, d, c
        top, bottom = math.dist(a, b), math.dist(d, c)
        left, right = math.dist(a, d), math.dist(b, c)
        longest = max(top, bottom, left, right)
        gap = math.hypot(a[0] + c[0] - b[0] - d[0], a[1] + c[1] - b[1] - d[1])
        lean = abs((b[0] - a[0]) * (d[0] - a[0]) + (b[1] - a[1]) * (d[1] - a[1]))
        if gap > _SKEW * longest or lean > _SKEW * longest**2:
            raise ValueError(
                "corners must be those of a box in their order around it, whose opposite sides are equal and whose "
                f"angles are right, not {plain(corners)!r}; for other shapes there is regions.polygon"
            )
        rotation = math.degrees(math.atan2(b[1] - a[1] + c[1] - d[1], b[0] - a[0] + c[0] - d[0])) % 360
        return cls(
            (a[0] + b[0] + c[0] + d[0]) / 4,
            (a[1] + b[1] + c[1] + d[1]) / 4,
            (top + bottom) / 2,
            (left + right) / 2,
            rotation,
        )

    def clipped(self, size: PictureSize) -> "Box | None":
        """Return the part of an upright box that is in the picture; a turned box as it is, if it may be in it.

        None if nothing of it is in the picture.
        """
        left, top, right, bottom = self.xyxy
        if self.rotation % 360:
            outside = left > size.width or top > size.height or right < 0 or bottom < 0
            return None if outside else self
        left, top = max(left, 0.0), max(top, 0.0)
        right, bottom = min(right, size.width), min(bottom, size.height)
        if left >= right or top >= bottom:
            return None
        return self._upright(left, top, right, bottom)

    @classmethod
    def _upright(cls, left: float, top: float, right: float, bottom: float, rotation: float = 0.0) -> "Box":
        return cls((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, rotation)

    @classmethod
    def of(cls, form: str, values: Any, rotation: float = 0.0) -> "Box":
        """Return the box of four numbers in a form: `"xyxy"`, `"xywh"` or `"cxcywh"`; or of `"corners"`.

        Raises ValueError if they are no box.
        """
        if form == "corners":
            return cls.of_corners(values)
        a, b, c, d = numbers(values, 4, form)
        if form == "xyxy":
            c, d = c - a, d - b
        if c < 0 or d < 0:
            expected = "x1 <= x2 and y1 <= y2" if form == "xyxy" else "a width and height of 0 or more"
            raise ValueError(f"{form} must have {expected}, not {plain(values)!r}")
        if form == "cxcywh":
            return cls(a, b, c, d, rotation)
        return cls._upright(a, b, a + c, b + d, rotation)


def _corners(corners: Any) -> Sequence[Any]:
    """Return four points, given as such or as eight numbers. Raises ValueError for anything else."""
    points = plain(corners)
    if not isinstance(points, Sequence) or len(points) not in (4, 8):
        raise ValueError(f"corners must be four points, not {corners!r}")
    return points if len(points) == 4 else [points[at : at + 2] for at in range(0, 8, 2)]


def box(
    control: Control,
    *,
    xyxy: Any = None,
    xywh: Any = None,
    cxcywh: Any = None,
    corners: Any = None,
    rotation: float = 0.0,
    size: Any = None,
    relative: bool = False,
    label: Any = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    item_index: int | None = None,
    clip: bool = True,
) -> Region | None:
    """Return a box as a region of `control`; None if its label is dropped, or nothing of it is in the picture.

    Exactly one of `xyxy` (left, top, right, bottom), `xywh` (left, top, width, height), `cxcywh` (centre, width,
    height) and `corners` (four points) describes it, in pixels of a picture of `size` (see `size_of`); with `relative`,
    in shares of the picture from 0 to 1. `rotation` turns the box clockwise around its centre, in degrees; corners say
    by themselves how it is turned. `item_index` is the index of the picture in an object with several. What is outside
    of the picture is cut off; turned boxes are kept whole, if they may be in the picture at all. `clip=False` keeps
    all.

    Raises ValueError for numbers that are no box, and LabelConfigError for a label that the control does not have.
    """
    form, values = one_form({"xyxy": xyxy, "xywh": xywh, "cxcywh": cxcywh, "corners": corners})
    frame = frame_of(size, relative=relative)
    return _region(
        control,
        frame,
        box_in_pixels(frame, form, values, number(rotation, "rotation")),
        clip=clip,
        label=label,
        score=score,
        id=id,
        item_index=item_index,
    )


def boxes(
    control: Control,
    *,
    xyxy: Any = None,
    xywh: Any = None,
    cxcywh: Any = None,
    corners: Any = None,
    rotations: Any = None,
    size: Any = None,
    relative: bool = False,
    labels: Any = None,
    scores: Any = None,
    min_score: float = 0.0,
    item_index: int | None = None,
    clip: bool = True,
) -> list[Region]:
    """Return several boxes of one picture as regions: `box` for each row of an array, tensor or list.

    `labels`, `scores` and `rotations` have an entry for each box; `labels` may also be one label for all. Boxes with a
    score below `min_score`, with a dropped label or outside of the picture are left out. Raises as `box` does.
    """
    form, values = one_form({"xyxy": xyxy, "xywh": xywh, "cxcywh": cxcywh, "corners": corners})
    rows = rows_of(values, form, "box")
    frame = frame_of(size, relative=relative)
    turns = column(rotations, len(rows), "rotations", "box", "boxes")
    regions = []
    for at, label, score in chosen_rows(len(rows), labels, scores, min_score, "box", "boxes"):
        made = box_in_pixels(frame, form, rows[at], number(turns[at] or 0.0, "rotations"))
        region = _region(control, frame, made, clip=clip, label=label, score=score, item_index=item_index)
        if region is not None:
            regions.append(region)
    return regions


def box_in_pixels(frame: Frame, form: str, values: Any, rotation: float) -> Box:
    """Return the box of numbers in a frame. Raises ValueError if it is turned in a picture of unknown size."""
    if frame.relative:
        if form == "corners":
            values = [frame.point(numbers(corner, 2, form)) for corner in _corners(values)]
        else:
            a, b, c, d = numbers(values, 4, form)
            values = (*frame.point((a, b)), *frame.point((c, d)))
    if form == "corners" and rotation:
        raise ValueError("corners say how the box is turned: leave the rotation out")
    made = Box.of(form, values, rotation)
    frame.require_size_if(bool(made.rotation % 360), "A box that is turned")
    return made


def _region(control: Control, frame: Frame, made: Box, *, clip: bool, **fields: Any) -> Region | None:
    """Return the region of a box; None if nothing of it is in the picture, or its label is dropped."""
    require_shape(control, Geometry.BOX)
    shown = made.clipped(frame.size) if clip else made
    if shown is None:
        return None
    return make(control, shown.value(frame.size), **frame.fields, **fields)


def box_of(region: Mapping[str, Any], size: Any = None) -> Box:
    """Return a region's box in pixels of its picture, whose size is the region's unless `size` is given.

    Raises ValueError if the region has no box, or one on a page of a PDF file (see `page_box_of`), or the size is not
    known.
    """
    if region.get("type") == _ON_PAGE:
        raise ValueError("The region is a box on a page, in shares of it: use regions.page_box_of")
    return Box.of_value(region["value"], size_of_region(region, size))
