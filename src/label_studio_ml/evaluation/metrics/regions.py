"""Convert Label Studio's regions to the values that the metrics compare."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from label_studio_ml.evaluation.metrics.choices import SEPARATOR, Path
from label_studio_ml.evaluation.metrics.pictures.areas import Area
from label_studio_ml.evaluation.metrics.pictures.boxes import Box, bounding_box
from label_studio_ml.evaluation.metrics.pictures.key_points import Point
from label_studio_ml.evaluation.metrics.rankings import Ranking, ranking
from label_studio_ml.evaluation.metrics.spans import Position, Span
from label_studio_ml.regions.region import number

Region = Mapping[str, Any]

#: Label of a rectangle or span that has none of its own.
UNLABELLED = "(region)"

#: Size of a picture that no region knows: its numbers are percentages then.
_NO_SIZE = (100.0, 100.0)

#: Width and height in pixels on which areas are compared in a picture of unknown size, or of more than `_MAX_PIXELS`.
_GRID = 1000
_MAX_PIXELS = 100_000_000


def labels_of(region: Region) -> list[str]:
    """Return a region's labels or choices; those of a taxonomy are paths such as `Animal / Cat`."""
    value = region.get("value") or {}
    labels = value.get(str(region.get("type")), value.get("selected"))
    if isinstance(labels, str):
        return [labels]
    if not isinstance(labels, Sequence):
        return []
    return [
        SEPARATOR.join(map(str, label)) if isinstance(label, list | tuple) else str(label) for label in labels
    ]


def paths(regions: Iterable[Region]) -> list[Path]:
    """Return the paths that are chosen in a taxonomy, without duplicates."""
    chosen = (label for region in regions for label in _list((region.get("value") or {}).get("taxonomy")))
    return list(
        dict.fromkeys(
            tuple(map(str, label)) if isinstance(label, list | tuple) else (str(label),) for label in chosen
        )
    )


def choices(regions: Iterable[Region]) -> list[str]:
    """Return the labels of a task without duplicates."""
    return list(dict.fromkeys(label for region in regions for label in labels_of(region)))


def span_pair(
    annotated: Sequence[Region], predicted: Sequence[Region], score: float = 1.0
) -> tuple[list[Span], list[Span]]:
    """Return the spans of a task, by their offsets in the whole text if all regions have them."""
    global_offsets = all(_has_global_offsets(region) for region in (*annotated, *predicted))
    return spans(annotated, global_offsets=global_offsets), spans(predicted, global_offsets=global_offsets)


def spans(regions: Iterable[Region], *, global_offsets: bool) -> list[Span]:
    """Return the spans of a task; with `global_offsets`, by their offsets in the whole text (`globalOffsets`).

    Global offsets and positions in an element or paragraph cannot be compared with each other.
    """
    labelled: list[Span] = []
    for region in regions:
        start, end = _ends(region.get("value") or {}, global_offsets=global_offsets)
        labelled.extend(Span(label, start, end) for label in labels_of(region) or [UNLABELLED])
    return labelled


def box_pair(
    annotated: Sequence[Region], predicted: Sequence[Region], score: float = 1.0
) -> tuple[list[Box], list[Box]]:
    """Return the rectangles of a task; `score` is that of its prediction."""
    size = picture_size([*annotated, *predicted])
    return boxes(annotated, size), boxes(predicted, size, score)


def boxes(regions: Iterable[Region], size: tuple[float, float], score: float = 1.0) -> list[Box]:
    """Return the rectangles of a task in pixels of a picture of this size; `score` is for regions without their own."""
    labelled: list[Box] = []
    width, height = size
    for region in regions:
        value = region.get("value") or {}
        x, y, across, down = (_float(value.get(name)) for name in ("x", "y", "width", "height"))
        rectangle = bounding_box(
            x * width / 100,
            y * height / 100,
            across * width / 100,
            down * height / 100,
            _float(value.get("rotation")),
        )
        labelled.extend(
            Box(label, *rectangle, _score(region, score)) for label in labels_of(region) or [UNLABELLED]
        )
    return labelled


def area_pair(
    annotated: Sequence[Region], predicted: Sequence[Region], score: float = 1.0
) -> tuple[list[Area], list[Area]]:
    """Return the polygons, ellipses or masks of a task; `score` is that of its prediction."""
    width, height = picture_size([*annotated, *predicted])
    is_usable = (width, height) != _NO_SIZE and width * height <= _MAX_PIXELS
    size = (round(width), round(height)) if is_usable else (_GRID, _GRID)
    return areas(annotated, size), areas(predicted, size, score)


def areas(regions: Iterable[Region], size: tuple[int, int], score: float = 1.0) -> list[Area]:
    """Return the areas in a picture of this size; `score` is for regions without their own."""
    outlined = []
    for region in regions:
        value = _outline(region.get("value") or {})
        if value is None:
            continue
        own_score = _score(region, score)
        outlined += [Area(label, value, *size, own_score) for label in labels_of(region) or [UNLABELLED]]
    return outlined


def _outline(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields of a value that give its area, as small as possible; None if they give none."""
    try:
        if "points" in value:
            corners = tuple((number(x, "x"), number(y, "y")) for x, y in value["points"])
            return {"points": corners} if len(corners) > 2 else None
        if "radiusX" in value:
            names = ("x", "y", "radiusX", "radiusY")
            sides = {name: number(value[name], name) for name in names}
            return {**sides, "rotation": _float(value.get("rotation"))}
        if "rle" in value:
            return {"rle": bytes(list(value["rle"]))}  # bytes of a number would be as many zeros
        return {"imageDataURL": str(value["imageDataURL"])}
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def point_pair(
    annotated: Sequence[Region], predicted: Sequence[Region], score: float = 1.0
) -> tuple[list[Point], list[Point]]:
    """Return the key points of a task."""
    size = picture_size([*annotated, *predicted])
    return points(annotated, size), points(predicted, size)


def points(regions: Iterable[Region], size: tuple[float, float]) -> list[Point]:
    """Return the key points in a picture of this size, in shares of its longer side."""
    width, height = (side / max(size) for side in size)
    placed = []
    for region in regions:
        value = region.get("value") or {}
        x, y = _float(value.get("x")) / 100 * width, _float(value.get("y")) / 100 * height
        placed += [Point(label, x, y) for label in labels_of(region) or [UNLABELLED]]
    return placed


def frame_range_pair(
    annotated: Sequence[Region], predicted: Sequence[Region], score: float = 1.0
) -> tuple[list[Span], list[Span]]:
    """Return the ranges of frames of a task as spans; Label Studio's `end` is the last frame."""
    truth, candidates = (
        [
            Span(label, _position(frames.get("start")), (0, _float(frames.get("end")) + 1, 0.0))
            for region in regions
            for frames in _list((region.get("value") or {}).get("ranges"))
            if isinstance(frames, Mapping)
            for label in labels_of(region) or [UNLABELLED]
        ]
        for regions in (annotated, predicted)
    )
    return truth, candidates


def ranking_pair(
    annotated: Sequence[Region], predicted: Sequence[Region], score: float = 1.0
) -> tuple[Ranking | None, Ranking | None]:
    """Return the rankings of a task, None where it has none."""
    truth, candidate = (
        next(
            (
                ranking((region.get("value") or {}).get("ranker"), str(region.get("from_name")))
                for region in regions
            ),
            None,
        )
        for regions in (annotated, predicted)
    )
    return truth, candidate


def picture_size(regions: Iterable[Region]) -> tuple[float, float]:
    """Return width and height of a task's picture in pixels, 100 x 100 if no region has them."""
    for region in regions:
        width, height = _float(region.get("original_width")), _float(region.get("original_height"))
        if width > 0 and height > 0:
            return width, height
    return _NO_SIZE


def text(regions: Iterable[Region]) -> str:
    """Return the text of a task, several lines joined by newlines."""
    lines: list[str] = []
    for region in regions:
        content = (region.get("value") or {}).get("text")
        lines.extend(
            map(str, content) if isinstance(content, list) else [] if content is None else [str(content)]
        )
    return "\n".join(lines)


def rating(regions: Iterable[Region]) -> float | None:
    """Return the number or rating of a task, None if it has none."""
    for region in regions:
        value = region.get("value") or {}
        stars = value.get(str(region.get("type")))
        if isinstance(stars, int | float) and not isinstance(stars, bool):
            with suppress(OverflowError):
                return float(stars)
    return None


def _has_global_offsets(region: Region) -> bool:
    return isinstance((region.get("value") or {}).get("globalOffsets"), Mapping)


def _ends(value: Mapping[str, Any], *, global_offsets: bool) -> tuple[Position, Position]:
    """Return the start and end of a span in any of Label Studio's formats."""
    if global_offsets:
        return _position(value["globalOffsets"].get("start")), _position(value["globalOffsets"].get("end"))
    return (
        _position(value.get("start"), value.get("startOffset")),
        _position(value.get("end"), value.get("endOffset")),
    )


def _position(position: Any, offset: Any = 0) -> Position:
    try:
        return 0, float(position), _float(offset)
    except (TypeError, ValueError, OverflowError):
        return 1, str(position), _float(offset)


def _score(region: Region, default: float) -> float:
    """Return a region's own score, `default` if it has none."""
    own_score = region.get("score", (region.get("value") or {}).get("score"))
    if own_score is None:
        return default
    number = _float(own_score)
    return number if math.isfinite(number) else default


def _list(value: Any) -> Sequence[Any]:
    """Return `value` if it is a list, else an empty one: regions may be damaged."""
    return value if isinstance(value, list | tuple) else ()


def _float(value: Any) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return result if math.isfinite(result) else 0.0
