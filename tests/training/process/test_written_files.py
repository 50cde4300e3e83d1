"""Files that `fit` writes below the working folder."""

import json
import os
import shutil
from pathlib import Path

import pytest

from label_studio_ml.training.process.written_files import WrittenFiles


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_files_opened_for_writing_are_found(here: Path) -> None:
    (here / "old.bin").write_text("old")
    written = WrittenFiles(here, [])
    with written.watching():
        os.makedirs("results/deep")
        with open("results/weights.json", "w") as file:
            json.dump({}, file)
        (here / "results" / "deep" / "more.bin").write_bytes(b"x")
        Path("part").write_text("whole")
        os.replace("part", b"whole")
        os.close(os.open("raw", os.O_WRONLY | os.O_CREAT))
        shutil.copy("whole", "copy")
        with open("old.bin") as file:
            file.read()
        Path("gone").write_text("x")
        Path("gone").unlink()
    (here / "later").write_text("x")
    names = [str(path.relative_to(here)) for path in written.files()]
    assert names == ["copy", "raw", "results/deep/more.bin", "results/weights.json", "whole"]


@pytest.mark.parametrize(
    "name", ["../outside", "backend/weights", "logs/a", "train.log", ".cache/a", "a/__pycache__/b.pyc"]
)
def test_what_is_no_weights_or_seen_otherwise_does_not_count(here: Path, name: str) -> None:
    written = WrittenFiles(here, [here / "backend"])
    with written.watching():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("x")
    assert written.files() == []


def test_two_at_a_time_see_the_same_each_until_it_ends(here: Path) -> None:
    first, second = WrittenFiles(here, []), WrittenFiles(here, [])
    with first.watching():
        with second.watching():
            (here / "a").touch()
            with open(os.open("b", os.O_RDWR | os.O_CREAT), "w") as file:
                file.write("x")
        (here / "c").write_text("x")
    assert [path.name for path in first.files()] == ["a", "b", "c"]
    assert [path.name for path in second.files()] == ["a", "b"]
