"""Atomic writes: readers see the old content or the new one, and nothing is left behind after an error."""

import errno
import os
import stat
from pathlib import Path

import pytest

from label_studio_ml.storage import atomic_files


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("data", [b"new", "new"])
def test_a_file_is_replaced_and_private(tmp_path: Path, data: bytes | str) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    atomic_files.replace_file(path, data)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _names(tmp_path) == ["file"]


def test_the_file_and_its_folder_are_flushed_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flush(number: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    atomic_files.replace_file(tmp_path / "durable", "x")
    assert steps == ["file", "rename", "folder"]
    steps.clear()
    atomic_files.replace_file(tmp_path / "quick", "x", durable=False)
    assert steps == ["rename"]
    steps.clear()
    (tmp_path / "made").write_text("y")
    atomic_files.move_into_place(tmp_path / "made", tmp_path / "durable")
    assert steps == ["file", "rename", "folder"]
    assert (tmp_path / "durable").read_text() == "y"


def test_a_disk_that_refuses_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for write in (atomic_files.replace_file, atomic_files.create_file):
        with pytest.raises(OSError, match="No space"):
            write(path, "new")
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["file"]


def test_an_error_in_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with atomic_files.replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["file"]


def test_what_a_killed_process_left_at_a_fixed_path_is_overwritten(tmp_path: Path) -> None:
    path, temporary = tmp_path / "file", tmp_path / "file.new"
    temporary.write_text("a longer text of an earlier process")
    atomic_files.replace_file(path, "new", temporary=temporary)
    assert path.read_text() == "new"
    assert _names(tmp_path) == ["file"]


def test_no_link_at_the_temporary_path_is_followed(tmp_path: Path) -> None:
    other, temporary = tmp_path / "other", tmp_path / "file.new"
    other.write_text("kept")
    temporary.symlink_to(other)
    with pytest.raises(OSError, match="symbolic link"):
        atomic_files.replace_file(tmp_path / "file", "new", temporary=temporary)
    assert other.read_text() == "kept"


def test_only_one_creates_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_files.create_file(path, "first")
    with pytest.raises(FileExistsError):
        atomic_files.create_file(path, "second")
    assert path.read_text() == "first"
    assert _names(tmp_path) == ["file"]


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuses)
    atomic_files.create_file(tmp_path / "file", "first")
    with pytest.raises(FileExistsError):
        atomic_files.create_file(tmp_path / "file", "second")
    assert (tmp_path / "file").read_text() == "first"
    assert _names(tmp_path) == ["file"]
