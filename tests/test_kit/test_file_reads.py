"""Which files were read or written, whoever did it."""

import os
from pathlib import Path

import pytest

from label_studio_ml.test_kit.child.training.folder_snapshot import FolderSnapshot
from label_studio_ml.test_kit.file_reads import FileReads


def test_a_read_is_noticed(tmp_path: Path) -> None:
    weights = tmp_path / "deep" / "weights.bin"
    weights.parent.mkdir()
    weights.write_bytes(b"x")
    reads = FileReads(tmp_path)
    if reads.happened() is None:
        pytest.skip("this file system keeps no times of access")
    assert reads.happened() is False
    weights.read_bytes()
    assert reads.happened() is True
    assert FileReads(tmp_path).happened() is False
    assert [path.name for path in tmp_path.rglob("*")] == ["deep", "weights.bin"]


def test_changed_files_are_those_that_may_be_weights(tmp_path: Path) -> None:
    for name in ("kept.bin", "written.bin", "logs/a.txt", "site-packages/a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before")
    snapshot = FolderSnapshot(tmp_path, [tmp_path / "logs"])
    assert snapshot.changed() == []
    for name in (
        "logs/a.txt",
        "site-packages/a.py",
        ".hidden",
        "__pycache__/a.pyc",
        "server.log",
        "new/b.bin",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("after it")
    status = (tmp_path / "written.bin").stat()
    os.utime(tmp_path / "written.bin", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert snapshot.changed() == [str(tmp_path / "written.bin"), str(tmp_path / "new" / "b.bin")]
