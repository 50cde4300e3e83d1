"""Checks of masks on pictures: run-length codes of brushes, data URLs of bitmasks.

A run-length code begins with the number of values (32 bits), the size of a value in bits less 1 (5 bits), and four
lengths of numbers in bits less 1 (4 bits each). Blocks follow: a bit that says whether one value is repeated, two bits
that choose one of the lengths, the count less 1, and the values.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from label_studio_ml.validation.finding import Problem
from label_studio_ml.validation.kinds.values import Place, ValueCheck, dropped, picture_size, warning

#: Bytes of the longest code whose blocks are read; of longer ones only the head is.
_READ_IN_FULL = 1024

#: Bits before the first block.
_HEAD = 32 + 5 + 4 * 4

_ENCODE = "Encode the mask with regions.mask"


def brush_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a mask in a run-length code."""
    code = value["rle"]
    if isinstance(code, Sequence) and not isinstance(code, str) and not code:
        yield warning("'rle' of its value is empty: there is nothing to see", "rle", _ENCODE, repair=dropped)
        return
    try:
        stream = bytes(code) if isinstance(code, Sequence) and not isinstance(code, str) else b""
    except (TypeError, ValueError):
        stream = b""
    if not stream:
        yield Problem("'rle' of its value is not a list of whole numbers from 0 to 255", "rle", _ENCODE)
        return
    fault = _code_fault(stream)
    if fault:
        yield Problem(f"'rle' of its value is no run-length code: {fault}", "rle", _ENCODE)
        return
    size = picture_size(place.region)
    if size is not None:
        wide, high = size
        pixels = struct.unpack_from(">I", stream)[0] // 4
        if pixels != wide * high:
            yield warning(
                "its mask has another size than original_width and original_height say",
                "rle",
                "Scale the mask to the picture: Label Studio does not",
                f"{pixels:,} pixels, not {wide:g} x {high:g}",
            )


def _code_fault(stream: bytes) -> str:
    """Return why Label Studio cannot read a run-length code; empty if it can, as far as that is checked."""
    if len(stream) * 8 < _HEAD:
        return "it ends too early"
    (count,) = struct.unpack_from(">I", stream)
    if count % 4:
        return "it has not four values for each pixel"
    if len(stream) > _READ_IN_FULL:
        return ""
    bits = int.from_bytes(stream)
    left = len(stream) * 8

    def read(width: int) -> int:
        nonlocal left
        left -= width
        return (bits >> left) & ((1 << width) - 1) if left >= 0 else 0

    read(32)
    word = read(5) + 1
    lengths = [read(4) + 1 for _ in range(4)]
    done = 0
    while done < count and left >= 0:
        is_repeated = read(1)
        run = read(lengths[read(2)]) + 1
        left -= word if is_repeated else word * run
        done += run
    return "it ends too early" if left < 0 else ""


def bitmask_problems(value: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield the problems of a mask in a data URL."""
    url = value["imageDataURL"]
    if not isinstance(url, str):
        yield Problem(
            f"'imageDataURL' of its value is not a text: {type(url).__name__}", "imageDataURL", _ENCODE
        )
    elif not url.startswith("data:image/"):
        yield warning("'imageDataURL' of its value is not the data URL of an image", "imageDataURL", _ENCODE)


BRUSH = ValueCheck(brush_problems)
BITMASK = ValueCheck(bitmask_problems)
