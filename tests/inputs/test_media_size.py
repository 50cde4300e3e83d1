"""Sizes of pictures in files that are damaged, huge or turned."""

import io
from pathlib import Path

import pytest
from PIL import Image

from label_studio_ml.inputs.media_size import picture_size_of_file
from label_studio_ml.regions import PictureSize

TURNED = Image.Exif()
TURNED[274] = 6


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_turned_picture_has_the_size_in_which_it_is_shown(tmp_path: Path, form: str) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "picture", form, exif=TURNED)
    assert picture_size_of_file(str(tmp_path / "picture")) == PictureSize(30, 40)


@pytest.mark.parametrize(("mode", "form"), [("CMYK", "JPEG"), ("I;16", "PNG"), ("1", "PNG"), ("L", "GIF")])
def test_pictures_of_any_mode_have_a_size(tmp_path: Path, mode: str, form: str) -> None:
    Image.new(mode, (40, 30)).save(tmp_path / "picture", form)
    assert picture_size_of_file(str(tmp_path / "picture")) == PictureSize(40, 30)


def test_the_pixels_of_a_png_are_not_read(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (40, 30)).save(data, "PNG")
    (tmp_path / "picture").write_bytes(data.getvalue()[:60])
    assert picture_size_of_file(str(tmp_path / "picture")) == PictureSize(40, 30)


def test_an_error_of_a_decoder_means_that_the_size_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str) -> None:
        raise RuntimeError("Failed to decode image: Missing or empty image item")

    Image.new("RGB", (40, 30)).save(tmp_path / "picture", "PNG")
    monkeypatch.setattr(Image, "open", fail)
    assert picture_size_of_file(str(tmp_path / "picture")) is None
