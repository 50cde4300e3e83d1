"""Ellipses on pictures: `<EllipseLabels>` and `<Ellipse>`.

Label Studio stores the centre in percent of the picture, the radii in percent of its width and of its height, and turns
the ellipse clockwise around its centre by `rotation` degrees, in pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.picture_size import PictureSize, frame_of, size_of_region
from label_studio_ml.regions.region import Region, make, number, numbers, require_shape


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse in pixels: its centre, its radii before it is turned, and its rotation clockwise in degrees."""

    cx: float
    cy: float
    radius_x: float
    radius_y: float
    rotation: float = 0.0

    def value(self, size: PictureSize) -> dict[str, float]:
        """Return the value of a region in a picture of this size."""
        return {
            "x": size.percent_x(self.cx),
            "y": size.percent_y(self.cy),
            "radiusX": size.percent_x(self.radius_x),
            "radiusY": size.percent_y(self.radius_y),
            "rotation": round(self.rotation % 360, 6),
        }

    def outline(self, corners: int) -> list[tuple[float, float]]:
        """Return that many corners of a polygon that stands for the ellipse, clockwise."""
        turn = math.radians(self.rotation)
        cos, sin = math.cos(turn), math.sin(turn)
        points = []
        for corner in range(corners):
            angle = 2 * math.pi * corner / corners
            across, down = self.radius_x * math.cos(angle), self.radius_y * math.sin(angle)
            points.append((self.cx + across * cos - down * sin, self.cy + across * sin + down * cos))
        return points

    def is_in(self, size: PictureSize) -> bool:
        """Return whether the upright box around the ellipse reaches into the picture."""
        angle = math.radians(self.rotation)
        cos, sin = math.cos(angle), math.sin(angle)
        across = math.hypot(self.radius_x * cos, self.radius_y * sin)
        down = math.hypot(self.radius_x * sin, self.radius_y * cos)
        return -across <= self.cx <= size.width + across and -down <= self.cy <= size.height + down


def ellipse(
    control: Control,
    *,
    center: Any,
    radii: Any,
    rotation: float = 0.0,
    size: Any = None,
    relative: bool = False,
    label: Any = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    item_index: int | None = None,
    clip: bool = True,
) -> Region | None:
    """Return an ellipse as a region of `control`; None if its label is dropped, or it is outside of the picture.

    `center` and `radii` are two numbers each, horizontal and vertical, in pixels of a picture of `size`; with
    `relative`, in shares of its width and height. `rotation` turns the ellipse clockwise around its centre, in degrees.
    An ellipse that reaches over the edge of the picture is kept whole; `clip=False` keeps those outside, too.

    Raises ValueError for numbers that are no ellipse, and LabelConfigError for a label that the control does not have.
    """
    require_shape(control, Geometry.ELLIPSE)
    frame = frame_of(size, relative=relative)
    cx, cy = frame.point(numbers(center, 2, "center"))
    radius_x, radius_y = frame.point(numbers(radii, 2, "radii"))
    if radius_x < 0 or radius_y < 0:
        raise ValueError(f"radii must be 0 or more, not {radii!r}")
    turned = Ellipse(cx, cy, radius_x, radius_y, number(rotation, "rotation"))
    frame.require_size_if(bool(turned.rotation % 360), "An ellipse that is turned")
    if clip and not turned.is_in(frame.size):
        return None
    fields = frame.fields
    return make(
        control, turned.value(frame.size), label=label, score=score, id=id, item_index=item_index, **fields
    )


def ellipse_of(region: Mapping[str, Any], size: Any = None) -> Ellipse:
    """Return a region's ellipse in pixels of its picture, whose size is the region's unless `size` is given.

    Raises ValueError if the region has no ellipse, or the size is not known.
    """
    picture, value = size_of_region(region, size), region["value"]
    x, y, radius_x, radius_y = (number(value.get(name), name) for name in ("x", "y", "radiusX", "radiusY"))
    return Ellipse(
        picture.pixels_x(x),
        picture.pixels_y(y),
        picture.pixels_x(radius_x),
        picture.pixels_y(radius_y),
        number(value.get("rotation") or 0, "rotation"),
    )
