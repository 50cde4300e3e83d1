"""Pictures and sounds as projects have them beside the usual ones: other formats, tiny and very large files."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.samples.media.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from PIL import Image

#: Width and height of the pictures in other formats, as they are shown, and the sides of a very large one.
_SIZE = (90, 60)
_LARGE_SIDE = 10_000
#: Frames of the sounds in other formats, and seconds of a very long one.
_FRAMES = 4_000
_LONG_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class OddFile:
    """A file that `write` makes at a path with this `suffix`. `size`: width and height of a picture as it is shown."""

    name: str
    suffix: str
    write: Callable[[Path], None]
    size: tuple[int, int] | None = None


def _picture(mode: str, kind: str) -> Callable[[Path], None]:
    """Return what writes a picture with a gradient in a colour mode of Pillow, as a file of this kind."""

    def write(path: Path) -> None:
        from PIL import Image

        grey = Image.linear_gradient("L").resize(_SIZE)
        image = grey.convert("RGB").convert(mode) if mode != "I;16" else _sixteen_bits(grey)
        if "A" in mode:
            image.putalpha(grey)
        if mode == "P":
            image.info["transparency"] = 0
        image.save(path, kind)

    return write


def _sixteen_bits(grey: "Image.Image") -> "Image.Image":
    from PIL import Image

    values = [value * 257 for value in grey.tobytes()]
    return Image.frombytes("I;16", _SIZE, struct.pack(f"<{len(values)}H", *values))


def _turned_picture(path: Path) -> None:
    """Write a JPEG whose EXIF data turn it by 90 degrees, as telephones do."""
    from PIL import Image

    image = Image.linear_gradient("L").resize(_SIZE[::-1]).convert("RGB")
    exif = Image.Exif()
    exif[274] = 6
    image.save(path, "JPEG", exif=exif)


def _one_pixel(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (1, 1), "red").save(path, "PNG")


def _large_picture(path: Path) -> None:
    """Write a PNG with one colour: large as a picture, and small as a file."""
    row = b"\x00" + b"\x80" * _LARGE_SIDE
    packer = zlib.compressobj(6)
    content = b"".join(packer.compress(row) for _ in range(_LARGE_SIDE)) + packer.flush()
    head = struct.pack(">IIBBBBB", _LARGE_SIDE, _LARGE_SIDE, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", content), (b"IEND", b""))
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in parts:
            file.write(struct.pack(">I", len(data)) + name + data)
            file.write(struct.pack(">I", zlib.crc32(name + data)))


def _sound(frames: int, channels: int, rate: int, width: int) -> Callable[[Path], None]:
    """Return what writes a WAV file of silence; `width` are the bytes of a sample."""

    def write(path: Path) -> None:
        size = frames * channels * width
        head = io.BytesIO()
        head.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt ")
        head.write(
            struct.pack(
                "<IHHIIHH", 16, 1, channels, rate, rate * channels * width, channels * width, 8 * width
            )
        )
        head.write(b"data" + struct.pack("<I", size))
        with path.open("wb") as file:
            file.write(head.getvalue())
            if width == 1:  # samples of one byte have no sign: silence is 128
                file.write(b"\x80" * size)
            file.truncate(len(head.getvalue()) + size)  # no blocks of the disk for zeros

    return write


#: Files by check and object tag.
ODD_FILES: dict[str, dict[str, tuple[OddFile, ...]]] = {
    "file-formats": {
        "Image": (
            OddFile("a grey picture", ".png", _picture("L", "PNG"), _SIZE),
            OddFile("a grey picture with 16 bits", ".png", _picture("I;16", "PNG"), _SIZE),
            OddFile("a grey picture with transparency", ".png", _picture("LA", "PNG"), _SIZE),
            OddFile("a picture with transparency", ".png", _picture("RGBA", "PNG"), _SIZE),
            OddFile("a picture with a palette", ".png", _picture("P", "PNG"), _SIZE),
            OddFile("a picture in black and white", ".png", _picture("1", "PNG"), _SIZE),
            OddFile("a picture in CMYK", ".jpg", _picture("CMYK", "JPEG"), _SIZE),
            OddFile("a picture with EXIF rotation", ".jpg", _turned_picture, _SIZE),
        ),
        "Audio": (
            OddFile("a mono sound of 8 kHz", ".wav", _sound(_FRAMES, 1, SAMPLE_RATE, 2)),
            OddFile("a stereo sound of 44.1 kHz", ".wav", _sound(_FRAMES, 2, 44_100, 2)),
            OddFile("a sound with 8 bits", ".wav", _sound(_FRAMES, 1, 11_025, 1)),
            OddFile("a sound with 24 bits", ".wav", _sound(_FRAMES, 2, 48_000, 3)),
        ),
    },
    "tiny-files": {
        "Image": (OddFile("a picture of one pixel", ".png", _one_pixel, (1, 1)),),
        "Audio": (
            OddFile("an empty sound", ".wav", _sound(0, 1, SAMPLE_RATE, 2)),
            OddFile("a sound of one frame", ".wav", _sound(1, 1, SAMPLE_RATE, 2)),
        ),
    },
    "huge-data": {
        "Image": (
            OddFile(
                f"a picture of {_LARGE_SIDE} × {_LARGE_SIDE} pixels",
                ".png",
                _large_picture,
                (_LARGE_SIDE,) * 2,
            ),
        ),
        "Audio": (
            OddFile("a sound of an hour", ".wav", _sound(_LONG_SECONDS * SAMPLE_RATE, 1, SAMPLE_RATE, 2)),
        ),
    },
}

#: Older names of object tags.
_SAME = {"AudioPlus": "Audio"}


def odd_files(check: str, tag: str) -> tuple[OddFile, ...]:
    """Return the files that a check tries for fields which an object tag shows."""
    return ODD_FILES.get(check, {}).get(_SAME.get(tag, tag), ())
