"""Folders that are there and cannot be used."""

from pathlib import Path

import pytest

from label_studio_ml.storage.folder_problems import folder_problem, nearest_existing


@pytest.mark.parametrize("below", ["", "versions", "versions/1.5"])
def test_a_file_in_place_of_a_folder_or_of_one_above_it_is_named(tmp_path: Path, below: str) -> None:
    file = tmp_path / "data"
    file.touch()
    for write in (False, True):
        problem = folder_problem(file / below, write=write)
        assert problem is not None
        assert problem.message == f"{file} is a file, not a folder"
        assert problem.fix.endswith(f"mv {file} {file}.moved")


def test_a_folder_that_is_not_there_or_can_be_used_has_none(tmp_path: Path) -> None:
    for write in (False, True):
        assert folder_problem(tmp_path, write=write) is None
        assert folder_problem(tmp_path / "a" / "b", write=write) is None


def test_a_link_to_nowhere_above_the_folder_is_named(tmp_path: Path) -> None:
    link = tmp_path / "data"
    link.symlink_to("nowhere")
    problem = folder_problem(link / "versions", write=True)
    assert problem is not None
    assert problem.message == f"{link} is a link to {tmp_path}/nowhere, which does not exist"


def test_the_nearest_folder_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nearest_existing(tmp_path) == tmp_path
    assert nearest_existing(tmp_path / "a" / "b") == tmp_path
    monkeypatch.chdir(tmp_path)
    assert nearest_existing(Path("a", "b")) == tmp_path
    (tmp_path / "link").symlink_to("nowhere")
    assert nearest_existing(Path("link", "b")) == tmp_path / "link"
