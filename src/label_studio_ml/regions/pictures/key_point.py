"""Key points on pictures: `<KeyPointLabels>` and `<KeyPoint>`.

Label Studio stores a point's place in percent of the picture, and as `width` the radius of its dot in percent of the
picture's width, without which it shows no point. It has no field for points that are hidden or for the lines of a
skeleton: points that are not labelled are left out, and a skeleton is relations between points. A skeleton that is one
region with lines is a `<Vector skeleton="true">`: see `vector`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from label_studio_ml.controls.control import Control
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.pictures.picture_size import frame_of, size_of_region
from label_studio_ml.regions.region import (
    Region,
    chosen_rows,
    fields_in,
    make,
    number,
    numbers,
    plain,
    relation,
    require_shape,
    rows_of,
)

#: The radius of a dot in percent of the picture's width.
DOT = 0.5


def key_point(
    control: Control,
    *,
    xy: Any,
    size: Any = None,
    relative: bool = False,
    label: Any = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    item_index: int | None = None,
    clip: bool = True,
    width: float = DOT,
    positive: bool | None = None,
) -> Region | None:
    """Return a key point as a region of `control`; None if its label is dropped, or it is outside of the picture.

    `xy` is in pixels of a picture of `size`; with `relative`, in shares from 0 to 1. `width` is the dot's radius in
    percent of the picture's width. `positive` is for points that are clicks of a smart tool: inside or outside.
    `clip=False` keeps points outside of the picture.

    Raises ValueError for numbers that are no point, and LabelConfigError for a label that the control does not have.
    """
    require_shape(control, Geometry.KEY_POINT)
    frame = frame_of(size, relative=relative)
    x, y = frame.point(numbers(xy, 2, "xy"))
    if clip and not frame.shows(x, y):
        return None
    value = {"x": frame.size.percent_x(x), "y": frame.size.percent_y(y), "width": number(width, "width")}
    return make(
        control,
        value,
        label=label,
        score=score,
        id=id,
        item_index=item_index,
        is_positive=positive,
        **frame.fields,
    )


def key_points(
    control: Control,
    *,
    points: Any,
    labels: Sequence[Any],
    third: Literal["score", "visibility"] | None = None,
    scores: Any = None,
    size: Any = None,
    relative: bool = False,
    min_score: float = 0.0,
    item_index: int | None = None,
    clip: bool = True,
    width: float = DOT,
    skeleton: Any = None,
) -> list[Region]:
    """Return the key points of one object, such as those of a pose model, as regions.

    `points` has a row for each label, the model's names of the points: x and y, or three numbers, of which `third` says
    what the last one is. A visibility is that of COCO: 0 means that the point is not labelled. Points with visibility
    0, with a score below `min_score`, with a dropped label or outside of the picture are left out. `skeleton` are pairs
    of the points that lines join, as their indices from 0 (COCO's count from 1) or their labels in `labels`: each
    becomes a relation after the points, unless one of its points is left out. To group the points of each object, see
    `nest`.

    Raises as `key_point` does, and ValueError for a pair of points that are none.
    """
    if third not in (None, "score", "visibility"):
        raise ValueError(f'third must be "score" or "visibility", not {third!r}')
    rows = [rows_of(row, "points", "point") for row in rows_of(points, "points", "point")]
    if third is None and any(len(row) != 2 for row in rows):
        raise ValueError(
            'points must be x and y; for three numbers, pass third="score" or third="visibility"'
        )
    if third is not None and any(len(row) != 3 for row in rows):
        raise ValueError(f"points must be three numbers each: x, y and the {third}")
    if third == "score":
        if scores is not None:
            raise ValueError('Pass the scores once: as scores, or with third="score"')
        scores = [number(row[2], "points") for row in rows]
    made: dict[int, Region] = {}
    for at, label, score in chosen_rows(len(rows), labels, scores, min_score, "point"):
        x, y, *rest = rows[at]
        if third == "visibility" and number(rest[0], "points") == 0:
            continue
        region = key_point(
            control,
            xy=(x, y),
            size=size,
            relative=relative,
            label=label,
            score=score,
            item_index=item_index,
            clip=clip,
            width=width,
        )
        if region is not None:
            made[at] = region
    joined = [(made.get(first), made.get(second)) for first, second in _pairs(skeleton, labels, len(rows))]
    lines = [relation(first, second) for first, second in joined]
    return [*made.values(), *(line for line in lines if line is not None)]


def _pairs(skeleton: Any, labels: Any, count: int) -> list[tuple[int, int]]:
    """Return the lines of a skeleton as pairs of indices. Raises ValueError for points that are none."""
    if skeleton is None:
        return []
    positions = {label: at for at, label in reversed(list(enumerate(plain(labels) or ())))}
    pairs = []
    for pair in rows_of(skeleton, "skeleton", "line"):
        ends = [
            positions.get(end, end) if isinstance(end, str) else end
            for end in rows_of(pair, "skeleton", "end")
        ]
        if len(ends) != 2 or not all(isinstance(end, int) and 0 <= end < count for end in ends):
            raise ValueError(
                f"skeleton must be pairs of labels or of indices from 0 to {count - 1} of the points, not {pair!r}"
            )
        pairs.append((ends[0], ends[1]))
    return pairs


def key_point_of(region: Mapping[str, Any], size: Any = None) -> tuple[float, float]:
    """Return a key point's place in pixels of its picture, whose size is the region's unless `size` is given.

    Raises ValueError if the region is no point, or the size is not known.
    """
    picture, value = size_of_region(region, size), region["value"]
    if "height" in value or "radiusX" in value:
        raise ValueError(f"The region is no point: its value has {fields_in(region)}")
    return picture.pixels_x(number(value.get("x"), "x")), picture.pixels_y(number(value.get("y"), "y"))
