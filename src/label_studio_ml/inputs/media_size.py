"""Width and height of the pictures and videos in local files, as Label Studio shows them."""

import contextlib
import importlib
import importlib.util
from typing import Any

from label_studio_ml.regions.pictures.picture_size import PictureSize

#: Values of the EXIF tag "orientation" (274) that turn a picture by 90 degrees.
_ORIENTATION, _TURNED = 274, frozenset({5, 6, 7, 8})
#: Tags of a TIFF file with the size before that.
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


class UnknownSize(ValueError):
    """A region's numbers are shares of a picture or video whose size is not known."""


def picture_size_of_file(path: str | None) -> PictureSize | None:
    """Return the size of the picture in a file, after the rotation that its EXIF data ask for.

    None without a path, or if the file is no picture that Pillow can read. Only the file's head is read: of a PNG, EXIF
    data behind the picture do not count.
    """
    if path is None:
        return None
    from PIL import Image, TiffImagePlugin

    try:
        with opened(path) as image:
            width, height = image.size
            # The method of PNG files would decode the whole picture.
            is_turned = Image.Image.getexif(image).get(_ORIENTATION) in _TURNED
            if isinstance(image, TiffImagePlugin.TiffImageFile):  # whose size some releases of Pillow turn
                width, height = image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
    except Exception:  # noqa: BLE001 - decoders of damaged pictures raise errors of any type
        return None
    return _size(height, width) if is_turned else _size(width, height)


def opened(path: str) -> Any:
    """Return Pillow's image of a file, of which only the head has been read; a PNG or JPEG may be of any size.

    Raises the errors of `Image.open`, such as DecompressionBombError for other pictures of very many pixels.
    """
    from PIL import Image, JpegImagePlugin, PngImagePlugin

    try:
        return Image.open(path)
    except Image.DecompressionBombError:
        for plugin in (JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile):
            with contextlib.suppress(SyntaxError):
                return plugin(path)
        raise


def video_size_of_file(path: str | None) -> PictureSize | None:
    """Return the size of the video in a file, read with OpenCV.

    None without a path, if the file is no video that OpenCV can read, or OpenCV is not installed.
    """
    if path is None or importlib.util.find_spec("cv2") is None:
        return None
    cv2 = importlib.import_module("cv2")
    video = cv2.VideoCapture(path)
    try:
        return _size(video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    finally:
        video.release()


def _size(width: float, height: float) -> PictureSize | None:
    return PictureSize(float(width), float(height)) if width > 0 and height > 0 else None
