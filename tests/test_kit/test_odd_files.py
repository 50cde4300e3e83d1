"""The files of the checks `file-formats`, `tiny-files` and `huge-data` are what their names say."""

import wave
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from label_studio_ml.test_kit.trial_data.odd_files import ODD_FILES, OddFile, odd_files

PICTURES = [file for check in ("file-formats", "tiny-files") for file in ODD_FILES[check]["Image"]]
SOUNDS = [file for tags in ODD_FILES.values() for file in tags["Audio"]]
MODES = ["L", "I;16", "LA", "RGBA", "P", "1", "CMYK", "RGB", "RGB"]


@pytest.mark.parametrize(
    ("file", "mode"), list(zip(PICTURES, MODES, strict=True)), ids=lambda value: getattr(value, "name", value)
)
def test_a_picture_has_its_mode_and_is_shown_in_its_size(file: OddFile, mode: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{file.suffix}"
    file.write(path)
    with Image.open(path) as image:
        assert image.mode == mode
        assert ImageOps.exif_transpose(image).size == file.size
        assert (image.size != file.size) == ("EXIF" in file.name)


def test_the_large_picture_is_a_small_file(tmp_path: Path) -> None:
    (file,) = ODD_FILES["huge-data"]["Image"]
    path = tmp_path / "large.png"
    file.write(path)
    assert path.stat().st_size < 1_000_000
    with pytest.warns(Image.DecompressionBombWarning), Image.open(path) as image:
        assert image.size == file.size == (10_000, 10_000)


@pytest.mark.parametrize("file", SOUNDS, ids=lambda file: file.name)
def test_a_sound_can_be_read(file: OddFile, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    file.write(path)
    with wave.open(str(path)) as sound:
        frames = sound.readframes(10)
        assert len(frames) == min(sound.getnframes(), 10) * sound.getnchannels() * sound.getsampwidth()
        silence = 0x80 if sound.getsampwidth() == 1 else 0
        assert set(frames) <= {silence}
    if "hour" in file.name:
        assert path.stat().st_blocks * 512 < 1_000_000


def test_older_names_of_tags_have_files() -> None:
    assert odd_files("tiny-files", "AudioPlus") == odd_files("tiny-files", "Audio")
    assert odd_files("tiny-files", "Text") == odd_files("empty-data", "Image") == ()
