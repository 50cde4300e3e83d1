"""Checks of shapes on pictures: boxes, ellipses, key points, polygons, vectors. All numbers are percent.

Turned shapes may reach out of the picture, ellipses too: they cannot be clipped, and Label Studio draws the part that
is in it. A turned box is outside if no point of it can be in the picture.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from label_studio_ml.validation.finding import Problem, Repair
from label_studio_ml.validation.kinds.values import (
    CLIP,
    TOLERANCE,
    Place,
    ValueCheck,
    dropped,
    is_number,
    is_turned,
    numbers_problem,
    picture_size,
    place_advice,
    warning,
    with_value,
)

_LOWEST, _HIGHEST = -TOLERANCE, 100 + TOLERANCE
_BOX = ("x", "y", "width", "height", "rotation")
_OUTSIDE = "it is outside of the picture"


def box_fits(value: Mapping[str, Any], content: Any = None) -> bool:
    """Tell whether an upright box with numbers is in the picture."""
    try:
        x, y, width, height = value["x"], value["y"], value["width"], value["height"]
        return bool(
            x >= _LOWEST
            and y >= _LOWEST
            and width > 0
            and height > 0
            and x + width <= _HIGHEST
            and y + height <= _HIGHEST
            and not value.get("rotation", 0.0)
            and value.get("rotation", 0.0) is not None
            and x is not True
            and y is not True
            and width is not True
            and height is not True
        )
    except (KeyError, TypeError):
        return False


def box_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a box."""
    problem = numbers_problem(value, _BOX)
    if problem is not None:
        yield problem
        return
    x, y, width, height = (value[name] for name in _BOX[:4])
    fix = place_advice((x, y, width, height), "x, y, width and height", "box", CLIP)
    if is_turned(value):
        if not (width and height):
            yield _empty(width)
        elif _is_turned_box_outside(value, place.region):
            yield warning(_OUTSIDE, "x", fix, f"x is {x:g}, y is {y:g}", dropped)
        return
    if not (width and height):
        yield _empty(width)
        return
    repair = _clipped_box(x, y, width, height)
    if width < 0 or height < 0:
        yield warning(
            "its width or height is negative",
            "width" if width < 0 else "height",
            "Return left, top, width and height: x and y are the top left corner",
            f"width {width:g}, height {height:g}",
            repair,
        )
    elif repair is dropped:
        yield warning(_OUTSIDE, "x", fix, f"x is {x:g}, y is {y:g}", repair)
    elif not box_fits({**value, "rotation": 0.0}):
        field = "x" if x < _LOWEST or x + width > _HIGHEST else "y"
        detail = f"x from {x:g} to {x + width:g}, y from {y:g} to {y + height:g}"
        yield warning("it reaches out of the picture", field, fix, detail, repair)


def _empty(width: float) -> Problem:
    fix = "Leave out boxes without an area"
    return warning(
        "its width or height is 0: there is nothing to see",
        "height" if width else "width",
        fix,
        repair=dropped,
    )


def _clipped_box(x: float, y: float, width: float, height: float) -> Repair:
    left, right = sorted((x, x + width))
    top, bottom = sorted((y, y + height))
    left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, 100.0), min(bottom, 100.0)
    if left >= right or top >= bottom:
        return dropped
    return with_value(x=left, y=top, width=right - left, height=bottom - top)


def _is_turned_box_outside(value: Mapping[str, Any], region: Mapping[str, Any]) -> bool:
    """Tell whether nothing of a turned box can be in the picture; False if the picture's size is not known."""
    size = picture_size(region)
    if size is None:
        return False
    wide, high = size
    x, y = value["x"] * wide / 100, value["y"] * high / 100
    width, height = value["width"] * wide / 100, value["height"] * high / 100
    cos, sin = math.cos(math.radians(value["rotation"])), math.sin(math.radians(value["rotation"]))
    xs = (x, x + cos * width, x - sin * height, x + cos * width - sin * height)
    ys = (y, y + sin * width, y + cos * height, y + sin * width + cos * height)
    slack_x, slack_y = wide * TOLERANCE / 100, high * TOLERANCE / 100
    return bool(
        max(xs) < -slack_x or min(xs) > wide + slack_x or max(ys) < -slack_y or min(ys) > high + slack_y
    )


def ellipse_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of an ellipse."""
    problem = numbers_problem(value, ("x", "y", "radiusX", "radiusY", "rotation"))
    if problem is not None:
        yield problem
        return
    x, y, radius_x, radius_y = (value[name] for name in ("x", "y", "radiusX", "radiusY"))
    field = "radiusX" if radius_x <= 0 else "radiusY"
    if radius_x < 0 or radius_y < 0:
        yield Problem("its radius is negative", field, "Return radii above 0", f"{field} is {value[field]:g}")
    elif not (radius_x and radius_y):
        yield warning(
            "its radius is 0: there is nothing to see", field, "Return radii above 0", repair=dropped
        )
    elif is_turned(value):
        return
    elif not (-radius_x <= x <= 100 + radius_x and -radius_y <= y <= 100 + radius_y):
        fix = place_advice((x, y, radius_x, radius_y), "x, y, radiusX and radiusY", "ellipse", "Leave it out")
        yield warning(_OUTSIDE, "x", fix, f"its centre is at {x:g}, {y:g}", dropped)


def key_point_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a key point."""
    fix = "Return the dot's radius in percent of the picture's width, such as 0.5"
    if value.get("width") is None:
        yield Problem("its value has no 'width'", "width", fix, repair=with_value(width=0.5))
        return
    problem = numbers_problem(value, ("x", "y", "width"))
    if problem is not None:
        yield problem
        return
    x, y = value["x"], value["y"]
    if value["width"] <= 0:
        yield warning(
            "its width is not above 0: there is nothing to see", "width", fix, repair=with_value(width=0.5)
        )
    if not _is_in_picture(x, y):
        field = "y" if _LOWEST <= x <= _HIGHEST else "x"
        fix = place_advice((x, y), "x and y", "key_point", "Leave it out")
        yield warning(_OUTSIDE, field, fix, f"it is at {x:g}, {y:g}", dropped)


def _is_in_picture(x: float, y: float) -> bool:
    return _LOWEST <= x <= _HIGHEST and _LOWEST <= y <= _HIGHEST


def polygon_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a polygon."""
    points = value["points"]
    fix = "Return a list of [x, y] in percent; regions.polygon does"
    if not isinstance(points, Sequence) or isinstance(points, str):
        yield Problem(
            f"'points' of its value is not a list of points: {type(points).__name__}", "points", fix
        )
        return
    if not all(_is_point(point) for point in points):
        yield Problem("'points' of its value are not all pairs of numbers", "points", fix)
        return
    if len(points) < 3:
        yield warning(
            "it has fewer than three points: there is nothing to see", "points", fix, repair=dropped
        )
        return
    if not all(_is_in_picture(point[0], point[1]) for point in points):
        clipped = _clipped_polygon([(point[0], point[1]) for point in points])
        repair = with_value(points=[list(point) for point in clipped]) if len(clipped) >= 3 else dropped
        text = "it reaches out of the picture" if len(clipped) >= 3 else _OUTSIDE
        numbers = (number for point in points for number in point[:2])
        fix = place_advice(numbers, "x and y of points", "polygon", "Clip it to the picture")
        yield warning(text, "points", fix, repair=repair)
    if value.get("closed") is False:
        yield warning(
            "it is not closed: the annotation cannot be submitted",
            "closed",
            'Return "closed": True',
            repair=with_value(closed=True),
        )


def _is_point(point: Any) -> bool:
    return isinstance(point, Sequence) and len(point) >= 2 and is_number(point[0]) and is_number(point[1])


def _clipped_polygon(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the part of a polygon that is in the picture, by cutting it at each side of the picture in turn."""
    for axis, limit, sign in ((0, 0.0, 1), (0, 100.0, -1), (1, 0.0, 1), (1, 100.0, -1)):
        kept: list[tuple[float, float]] = []
        for before, point in zip([*points[-1:], *points[:-1]], points, strict=True):
            inside, was_inside = (sign * (place[axis] - limit) >= 0 for place in (point, before))
            if inside != was_inside:
                share = (limit - before[axis]) / (point[axis] - before[axis])
                across = before[1 - axis] + share * (point[1 - axis] - before[1 - axis])
                kept.append((limit, across) if axis == 0 else (across, limit))
            if inside:
                kept.append(point)
        points = kept
    return points


def vector_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a vector."""
    vertices = value["vertices"]
    fix = 'Return a list of {"x": …, "y": …} in percent'
    if not isinstance(vertices, Sequence) or not all(isinstance(vertex, Mapping) for vertex in vertices):
        yield Problem("'vertices' of its value are not a list of dicts", "vertices", fix)
        return
    places = [_place_of(vertex) for vertex in vertices]
    if None in places:
        yield Problem("'vertices' of its value are not all with numbers x and y", "vertices", fix)
        return
    if picture_size(place.region) is None:
        yield Problem(
            "it has no original_width and original_height, which Label Studio needs for vectors",
            fix="Return the picture's size in pixels beside value",
        )
    if not all(_is_in_picture(*at) for at in places if at is not None):
        numbers = (number for at in places if at is not None for number in at)
        fix = place_advice(numbers, "x and y of vertices", "vector", "Clip it to the picture")
        yield warning("it reaches out of the picture", "vertices", fix)
    control = place.control
    if (
        value.get("closed") is True
        and control is not None
        and control.attribute("closable").lower() != "true"
    ):
        yield warning(
            "it is closed, and its control has no closable: Label Studio opens it",
            "closed",
            'Set closable="true" in the label config, or repeat the first point as the last one',
        )


def _place_of(vertex: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return where a vertex is, None if it has no place. Label Studio reads texts as numbers here."""
    try:
        x, y = float(vertex["x"]), float(vertex["y"])
    except (KeyError, TypeError, ValueError):
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) else None


BOX = ValueCheck(box_problems, box_fits)
ELLIPSE = ValueCheck(ellipse_problems)
KEY_POINT = ValueCheck(key_point_problems)
POLYGON = ValueCheck(polygon_problems)
VECTOR = ValueCheck(vector_problems)
