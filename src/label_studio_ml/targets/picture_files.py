"""Size of a picture in a local file, as Label Studio shows it."""

from label_studio_ml.regions.pictures.picture_size import PictureSize

#: Values of the EXIF tag "orientation" (274) that turn a picture by 90 degrees.
_ORIENTATION, _TURNED = 274, frozenset({5, 6, 7, 8})


def size_of_file(path: str | None) -> PictureSize | None:
    """Return the size of the picture in a file, after the rotation that its EXIF data ask for.

    None without a path, or if the file is no picture that Pillow can read. Only the file's head is read.
    """
    if path is None:
        return None
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return PictureSize(float(height), float(width)) if turned else PictureSize(float(width), float(height))
