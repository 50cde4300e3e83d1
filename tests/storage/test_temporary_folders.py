"""Temporary folders are removed at the end of their block, and those of killed processes by the next call."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from label_studio_ml.storage import temporary_folders
from label_studio_ml.storage.temporary_folders import temporary_folder

PREFIX = "label-studio-ml-trial-"
CODE = f"""
import time
from label_studio_ml.storage.temporary_folders import temporary_folder
with temporary_folder({PREFIX!r}) as folder:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text("text")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_the_folder_is_removed_at_the_end(place: Path) -> None:
    with temporary_folder(PREFIX) as folder:
        assert folder.parent == place
        (folder / "file").write_text("text")
    assert list(place.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed_by_the_next_call(place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        abandoned = Path(process.stdout.readline().strip())
        try:
            with temporary_folder(PREFIX):
                assert (abandoned / "inner" / "file").exists(), "it is in use"
        finally:
            process.kill()
            process.wait()
    assert abandoned.exists()
    with temporary_folder(PREFIX) as folder:
        assert list(place.iterdir()) == [folder]


def test_only_marked_folders_are_removed(place: Path) -> None:
    unmarked, elsewhere = place / f"{PREFIX}unmarked", place / "elsewhere"
    for folder in (unmarked, elsewhere):
        folder.mkdir()
    (elsewhere / ".in-use").touch()
    (place / f"{PREFIX}link").symlink_to(elsewhere)
    (place / f"{PREFIX}file").write_text("text")
    with temporary_folder(PREFIX):
        pass
    assert len(list(place.iterdir())) == 4


def test_a_folder_is_locked_until_it_is_removed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cleanup = tempfile.TemporaryDirectory.cleanup

    def remove(directory: tempfile.TemporaryDirectory[str]) -> None:
        temporary_folders._remove_abandoned(PREFIX)  # as another process does at that moment
        assert (Path(directory.name) / "file").exists()
        cleanup(directory)

    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", remove)
    with temporary_folder(PREFIX) as folder:
        (folder / "file").write_text("text")
    assert not folder.exists()
