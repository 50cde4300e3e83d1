"""Read pictures without taking more memory than a machine for annotation has: large ones smaller, or not at all."""

import importlib
from typing import Any

from label_studio_ml.inputs.media_size import opened, picture_size_of_file

#: Pixels of the largest pictures that are decoded as a whole, so that it takes at most 1.5 GB. OpenCV needs up to 8
#: bytes for a pixel of a PNG, and Pillow and NumPy up to 16 for one that is transparent.
OPENCV_PIXELS, PILLOW_PIXELS = 170_000_000, 85_000_000
#: By how much OpenCV can decode a JPEG smaller.
_DIVISORS = (1, 2, 4, 8)


def read_picture(path: str, *, grey: bool = False) -> tuple[Any, tuple[int, int]]:
    """Read a picture with OpenCV; return its pixels (blue, green and red, or grey), and the picture's width and height.

    The pixels are fewer than the size says if the picture is a JPEG of more than `OPENCV_PIXELS` pixels. Raises
    ValueError if OpenCV cannot read the file, or if it is larger than what can be decoded.
    """
    cv2 = importlib.import_module("cv2")
    divisor = _divisor(path, OPENCV_PIXELS, _DIVISORS)
    kind = "GRAYSCALE" if grey else "COLOR"
    flag = f"IMREAD_{kind}" if divisor == 1 else f"IMREAD_REDUCED_{kind}_{divisor}"
    try:
        pixels = cv2.imread(str(path), getattr(cv2, flag))
    except cv2.error:  # it has a limit of its own
        pixels = None
    if pixels is None:
        raise ValueError("OpenCV cannot read the picture")
    size = picture_size_of_file(path) if divisor > 1 else None
    height, width = pixels.shape[:2]
    return pixels, (int(size.width), int(size.height)) if size is not None else (width, height)


def read_on_white(path: str) -> Any:
    """Read a picture with Pillow; return an array of its red, green and blue, on white where it is transparent.

    Raises ValueError if Pillow cannot read the file, or if the picture has more than `PILLOW_PIXELS` pixels.
    """
    import numpy
    from PIL import Image, ImageOps

    _divisor(path, PILLOW_PIXELS, (1,))
    try:
        with Image.open(path) as file:
            ImageOps.exif_transpose(file, in_place=True)
            if file.mode == "RGB" and not file.has_transparency_data:
                return numpy.asarray(file)
            if not file.has_transparency_data:
                return numpy.asarray(file.convert("RGB"))
            picture = file.convert("RGBA")
    except Exception as error:  # decoders of damaged pictures raise errors of any type
        raise ValueError("Pillow cannot read the picture") from error
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture)
    return numpy.asarray(white)


def _divisor(path: str, most_pixels: int, jpeg_divisors: tuple[int, ...]) -> int:
    """Return by how much smaller a picture is to be decoded so that it has at most `most_pixels` pixels.

    Only a JPEG can be decoded smaller, by one of `jpeg_divisors`, without decoding it as a whole first. 1 for a file
    whose head cannot be read: its decoder says what is wrong. Raises ValueError if the picture has too many pixels.
    """
    from PIL import Image

    try:
        with opened(path) as image:
            (width, height), is_jpeg = image.size, image.format == "JPEG"
    except Image.DecompressionBombError as error:
        raise ValueError(f"The picture is too large ({error}). Make it smaller") from None
    except Exception:  # noqa: BLE001 - decoders of damaged pictures raise errors of any type
        return 1
    divisors = jpeg_divisors if is_jpeg else (1,)
    for divisor in divisors:
        if width * height <= most_pixels * divisor**2:
            return divisor
    raise ValueError(
        f"The picture is too large: it has {width:,} x {height:,} pixels, and may have "
        f"{most_pixels * divisors[-1] ** 2:,} in all. Make it smaller"
    )
