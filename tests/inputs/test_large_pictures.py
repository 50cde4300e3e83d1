"""Pictures that are too large to decode: an error from their head, or a smaller one of a JPEG."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from packaging.requirements import Requirement
from PIL import Image

from label_studio_ml.gallery.catalogue import models
from label_studio_ml.inputs import large_pictures
from label_studio_ml.inputs.large_pictures import read_on_white, read_picture
from label_studio_ml.inputs.media_size import picture_size_of_file

Read = Callable[[str], Any]
BOTH: tuple[Read, ...] = (read_picture, read_on_white)


def _huge_png(folder: Path) -> str:
    """Write the head of a PNG of 20,000 x 20,000 pixels, which nothing can decode."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    file = folder / "huge.png"
    chunk = struct.pack(">I", len(head) - 4) + head + struct.pack(">I", zlib.crc32(head))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT")
    return str(file)


def _saved(folder: Path, name: str, size: tuple[int, int] = (400, 300), **options: Any) -> str:
    Image.linear_gradient("L").resize(size).convert("RGB").save(folder / name, **options)
    return str(folder / name)


@pytest.mark.parametrize("read", BOTH)
def test_a_huge_png_is_refused_by_its_head(read: Read, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"too large: it has 20,000 x 20,000 pixels, and may have \d+,000,000"
    ):
        read(_huge_png(tmp_path))


@pytest.mark.parametrize("read", BOTH)
def test_other_huge_pictures_are_refused(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _saved(tmp_path, "picture.bmp")
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="The picture is too large"):
        read(path)


@pytest.mark.parametrize("read", BOTH)
def test_what_is_no_picture(read: Read, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"^(OpenCV|Pillow) cannot read the picture$"):
        read(str(tmp_path / "text.png"))


@pytest.mark.parametrize(("orientation", "size"), [(1, (400, 300)), (6, (300, 400))])
def test_a_large_jpeg_is_decoded_smaller(
    orientation: int, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path = _saved(tmp_path, "picture.jpg", exif=exif, quality=95)
    whole, whole_size = read_picture(path)
    assert whole.shape == (*size[::-1], 3)
    monkeypatch.setattr(large_pictures, "OPENCV_PIXELS", 10_000)
    pixels, picture_size = read_picture(path)
    assert picture_size == whole_size == size
    assert pixels.shape == (size[1] // 4, size[0] // 4, 3)
    assert abs(float(pixels.mean()) - float(whole.mean())) < 2
    assert read_picture(path, grey=True)[0].shape == pixels.shape[:2]
    monkeypatch.setattr(large_pictures, "OPENCV_PIXELS", 1_000)
    with pytest.raises(ValueError, match=r"it has .* pixels, and may have 64,000 in all"):
        read_picture(path)


def test_the_size_of_a_huge_picture_is_known(tmp_path: Path) -> None:
    size = picture_size_of_file(_huge_png(tmp_path))
    assert size is not None
    assert (size.width, size.height) == (20_000, 20_000)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "I;16"])
def test_pictures_are_read_on_white(mode: str, tmp_path: Path) -> None:
    Image.new("L", (2, 3), 0).convert(mode).save(tmp_path / "black.png")
    assert read_on_white(str(tmp_path / "black.png")).tolist() == [[[0, 0, 0]] * 2] * 3
    Image.new("RGBA", (2, 3), (9, 9, 9, 0)).save(tmp_path / "clear.png")
    assert numpy.unique(read_on_white(str(tmp_path / "clear.png"))).tolist() == [255]


def test_the_gallery_reads_pictures_with_these_functions_only() -> None:
    wrong = [
        f"{model.name}/{file.name}"
        for model in models()
        for file in model.folder.glob("*.py")
        if any(call in file.read_text(encoding="utf-8") for call in ("imread(", "imdecode(", "Image.open("))
    ]
    assert wrong == []


def test_models_that_read_pictures_require_a_pillow_that_knows_transparency() -> None:
    """Pillow 10.0 has no `has_transparency_data`: `read_on_white` would call every picture unreadable."""
    readers = [
        model
        for model in models()
        if any("large_pictures" in file.read_text(encoding="utf-8") for file in model.folder.glob("*.py"))
    ]
    assert readers
    for model in readers:
        required = [Requirement(line) for line in model.text("requirements.txt").splitlines()]
        pillow = next((each for each in required if each.name == "pillow"), None)
        assert pillow is not None, model.name
        assert not pillow.specifier.contains("10.0.1"), model.name
