"""Sizes of pictures, and coordinates between pixels and the percentages of Label Studio."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.regions.region import number, plain

#: Decimal places of percentages. In a picture of 100,000 pixels, the last one is a thousandth of a pixel.
_DIGITS = 6
#: The largest error of a rounded percentage, as a share of the side, and a fifth of it for errors of floats.
_ROUNDING = 0.6 * 10**-_DIGITS / 100


@dataclass(frozen=True, slots=True)
class PictureSize:
    """Width and height of a picture in pixels, as it is shown: after the rotation that its EXIF data ask for.

    `width, height = size` works as with a tuple. Whole numbers are of type int, as shapes of arrays need them.
    """

    width: float
    height: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", _whole(self.width))
        object.__setattr__(self, "height", _whole(self.height))

    def __iter__(self) -> Iterator[float]:
        """Yield the width, then the height."""
        yield self.width
        yield self.height

    def percent_x(self, pixels: float) -> float:
        """Return a horizontal distance in percent of the width."""
        return _percent(pixels, self.width)

    def percent_y(self, pixels: float) -> float:
        """Return a vertical distance in percent of the height."""
        return _percent(pixels, self.height)

    def pixels_x(self, percent: float) -> float:
        """Return a horizontal distance in pixels. Raises ValueError if it is too large for a number."""
        return _pixels(percent, self.width)

    def pixels_y(self, percent: float) -> float:
        """Return a vertical distance in pixels. Raises ValueError if it is too large for a number."""
        return _pixels(percent, self.height)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a region that say the picture's size."""
        return {
            "original_width": self.width,
            "original_height": self.height,
            "image_rotation": 0,
        }


def _percent(pixels: float, side: float) -> float:
    """Return a distance in percent of a side. Raises ValueError if it is too large for a number."""
    percent = pixels / side * 100
    if not math.isfinite(percent):
        raise ValueError(f"The coordinates are too large for a picture with a side of {side:g} pixels")
    return round(percent, _DIGITS)


def _pixels(percent: float, side: float) -> float:
    """Return a distance in pixels of a side: a whole number if `percent` is the rounded percentage of one.

    Otherwise a box made for x=10 is read as x=9.9999984, and `int(x)` is 9. Raises ValueError if it is too large for a
    number.
    """
    pixels = percent * side / 100
    if not math.isfinite(pixels):
        raise ValueError(f"{percent:g} percent are too much for a picture with a side of {side:g} pixels")
    whole = float(round(pixels))
    return whole if abs(pixels - whole) <= side * _ROUNDING else pixels


def _whole(size: float) -> int | float:
    return int(size) if size == int(size) else size


#: Numbers of channels of a picture.
_CHANNELS = (1, 2, 3, 4)

#: Shares of a picture beyond this are not meant as shares: a shape may reach over the edge, but not as far.
_MOST_SHARES = 4.0

#: No picture has a side of more pixels: a region that says so is damaged.
_LONGEST_SIDE = 10_000_000

#: The size that coordinates from 0 to 1 refer to.
UNIT = PictureSize(1.0, 1.0)


def size_of(picture: Any) -> PictureSize:
    """Return the size of a picture: `(width, height)`, a Pillow image, or an array of shape (height, width, …).

    Raises ValueError if `picture` is none of these, or the size is not positive.
    """
    if isinstance(picture, PictureSize):
        return picture
    shape = getattr(picture, "shape", None)
    if shape is not None and len(shape) in (2, 3):
        if len(shape) == 3 and shape[0] in _CHANNELS and shape[2] not in _CHANNELS:
            raise ValueError(
                f"size must not be an array with the channels first, of shape {tuple(shape)}: pass (width, height), "
                f"here ({shape[2]}, {shape[1]}), or the Pillow image"
            )
        width, height = shape[1], shape[0]
    elif shape is not None and tuple(shape) != (2,):
        raise ValueError(f"size must be (width, height) or one picture, not an array of shape {tuple(shape)}")
    else:
        size = plain(picture if shape is not None else getattr(picture, "size", picture))
        if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
            raise ValueError(
                "size must be (width, height) in pixels, a Pillow image or an array of shape (height, width, …), "
                f"not {picture!r}"
            )
        width, height = size
    result = PictureSize(number(width, "the width in size"), number(height, "the height in size"))
    if result.width <= 0 or result.height <= 0:
        raise ValueError(f"size must be positive, not {result.width:g} x {result.height:g}")
    return result


def size_of_region(region: Mapping[str, Any], size: Any = None) -> PictureSize:
    """Return the size of a region's picture: `size` if given, else the one in the region. Raises ValueError without."""
    if size is not None:
        return size_of(size)
    width, height = region.get("original_width"), region.get("original_height")
    if not width or not height:
        raise ValueError("The region does not say how large its picture is: pass size=(width, height)")
    found = size_of((width, height))
    if max(found.width, found.height) > _LONGEST_SIDE:
        raise ValueError(
            f"The region says that its picture has {found.width:g} x {found.height:g} pixels, more than any picture"
        )
    return found


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture that a builder's numbers are in: its size, and whether they are shares of it instead of pixels."""

    size: PictureSize
    known: bool
    relative: bool

    def point(self, pair: Sequence[float]) -> tuple[float, float]:
        """Return two numbers in pixels; in shares, if the size is not known.

        Raises ValueError for numbers that should be shares and must be pixels.
        """
        x, y = pair
        if self.relative and not (-_MOST_SHARES <= x <= _MOST_SHARES and -_MOST_SHARES <= y <= _MOST_SHARES):
            raise ValueError(
                f"With relative=True, numbers must be shares of the picture from 0 to 1, not {x:g} and {y:g}: "
                "leave relative out if they are pixels"
            )
        return (x * self.size.width, y * self.size.height) if self.relative else (x, y)

    def shows(self, x: float, y: float) -> bool:
        """Return whether a point in pixels (in shares, if the size is not known) is in the picture."""
        return 0 <= x <= self.size.width and 0 <= y <= self.size.height

    def require_size_if(self, condition: bool, what: str) -> None:
        """Raise ValueError if `condition` holds and the size is not known: turns are made in pixels."""
        if condition and not self.known:
            raise ValueError(f"{what} needs size=(width, height) of its picture, also with relative=True")

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a region that say the picture's size; none if it is not known."""
        return self.size.fields if self.known else {}


def frame_of(size: Any, *, relative: bool) -> Frame:
    """Return the frame of a picture. Raises ValueError for numbers in pixels of a picture without a size."""
    if size is None and not relative:
        raise ValueError(
            "Pass size=(width, height) of the picture in pixels, or relative=True for numbers from 0 to 1"
        )
    return Frame(UNIT if size is None else size_of(size), size is not None, relative)
