"""What all checks of a region's value share: the place of a region, numbers, intervals."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from label_studio_ml.controls.control import Control
from label_studio_ml.validation.finding import Problem, Repair, Severity

#: How far a shape may reach out of the picture, in percent: models round and pad.
TOLERANCE = 0.5

#: Fields of a value of which a region has one if it has a position of its own.
POSITION = frozenset(
    {"x", "points", "vertices", "rle", "imageDataURL", "start", "startOffset", "ranges", "sequence"}
)

NOT_A_NUMBER = "Return a number: Label Studio gets NaN, infinity and None as null"
CLIP = "Clip it to the picture; regions.box and regions.boxes do that"
#: Numbers above this one are taken for pixels: what a model rounds or pads stays below it.
_MOST_PERCENT = 110.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: its region, the region's control, and what the control's object shows of the task.

    `control` is None if the label config could not be read in full. `content` is None if the object shows a file, or
    the task is not known.
    """

    region: Mapping[str, Any]
    control: Control | None = None
    content: Any = None


#: Yields the problems of a value.
Check: TypeAlias = Callable[[Mapping[str, Any], Place], Iterator[Problem]]

#: Tells quickly whether a value has all that is required and no problem; False if it may have one. The second argument
#: is the content of the object, as in `Place`.
Fits: TypeAlias = Callable[[Mapping[str, Any], Any], bool]


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """The check of one kind of value. `fits` spares most values the slower `problems`.

    `needs_content` tells whether values are compared with what the task holds.
    """

    problems: Check
    fits: Fits = lambda value, content: False
    needs_content: bool = False


def warning(
    text: str, field: str = "", fix: str = "", detail: str = "", repair: Repair | None = None
) -> Problem:
    """Return a problem that does not keep Label Studio from showing the region."""
    return Problem(text, field, fix, detail, Severity.WARNING, repair)


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number, as JSON has them: no bool, and no text."""
    if isinstance(value, int | float):
        return not isinstance(value, bool) and math.isfinite(value)
    return hasattr(value, "__float__") and hasattr(value, "dtype") and math.isfinite(float(value))


def picture_size(region: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the width and height in pixels that a region gives its picture; None if it gives none, or none above 0."""
    width, height = region.get("original_width"), region.get("original_height")
    if width is None or height is None or not (is_number(width) and is_number(height)):
        return None
    return (width, height) if width > 0 and height > 0 else None


def number_problem(value: Mapping[str, Any], field: str) -> Problem | None:
    """Return the problem of a field that must be a number if it is there; None if it is one, or is missing."""
    if field not in value or is_number(value[field]):
        return None
    if value[field] is None:
        return Problem(f"{field!r} of its value is null", field, NOT_A_NUMBER)
    return Problem(f"{field!r} of its value is not a number: {value[field]!r:.80}", field, NOT_A_NUMBER)


def place_advice(numbers: Iterable[float], fields: str, function: str, otherwise: str) -> str:
    """Return what to do about a shape that is not in the picture: `otherwise`, unless its numbers look like pixels.

    `fields` names the numbers, such as `x and y`; `function` is the function of `regions` that takes pixels.
    """
    if not any(abs(number) > _MOST_PERCENT for number in numbers):
        return otherwise
    advice = "divide by the picture's width or height and multiply by 100"
    advice += f", or use regions.{function}(…, size=…)"
    return f"{fields} are percent (0-100) of the picture; these look like pixels: {advice}"


def numbers_problem(value: Mapping[str, Any], fields: tuple[str, ...]) -> Problem | None:
    """Return the first problem of fields that must be numbers if they are there; None if there is none."""
    return next((problem for field in fields if (problem := number_problem(value, field))), None)


def with_value(**fields: Any) -> Repair:
    """Return a repair that sets fields of the value."""
    return lambda region: {**region, "value": {**region["value"], **fields}}


def dropped(region: dict[str, Any]) -> None:
    """Repair a region of which nothing can be shown: leave it out."""
    return


def is_turned(value: Mapping[str, Any]) -> bool:
    """Tell whether a shape has a rotation."""
    rotation = value.get("rotation")
    return bool(rotation and is_number(rotation) and rotation % 360)
