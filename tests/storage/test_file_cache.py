"""The disk cache: bounded, shared, never half a file."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from label_studio_ml.storage.file_cache import FileCache, StillBeingWritten


def _name(number: int) -> str:
    return f"{number:032x}.bin"


def _writer(size: int) -> Callable[[BinaryIO], None]:
    def write(file: BinaryIO) -> None:
        file.write(bytes(size))

    return write


def _fill(cache: FileCache, number: int, size: int, age: float = 0.0) -> Path:
    path = cache.fill(_name(number), _writer(size), 10)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def _numbers(cache: FileCache) -> set[int]:
    return {int(path.name[:32], 16) for path in cache.folder.glob("*.bin")}


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 1000)
    for number, age in ((1, 900), (2, 800), (3, 700)):
        _fill(cache, number, 300, age)
    assert cache.find(_name(1)) is not None  # used again
    _fill(cache, 4, 300)
    assert _numbers(cache) == {1, 3, 4}
    assert cache.size() == 900


def test_other_peoples_files_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.bin").write_bytes(bytes(5000))
    os.utime(tmp_path / "mine.bin", (1, 1))
    cache = FileCache(tmp_path, 100)
    _fill(cache, 1, 90, 900)
    _fill(cache, 2, 90)
    assert (tmp_path / "mine.bin").exists()
    assert not (tmp_path / _name(1)).exists()


def test_the_record_of_the_size_is_no_link_to_another_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("content")
    cache = FileCache(tmp_path / "cache", 1000)
    cache.folder.mkdir()
    (cache.folder / ".usage").symlink_to(tmp_path / "precious")
    _fill(cache, 1, 50)
    assert (tmp_path / "precious").read_text() == "content"
    (cache.folder / ".usage").unlink()
    for number in (2, 3):
        _fill(cache, number, 50)
    assert (cache.folder / ".usage").read_text() == "150"


def test_what_was_just_handed_out_stays_up_to_twice_the_limit(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 100)
    for number in range(1, 5):
        _fill(cache, number, 50, 10 - number)
    assert _numbers(cache) == {1, 2, 3, 4}
    _fill(cache, 5, 50)
    assert cache.size() <= 200
    assert 5 in _numbers(cache)


@pytest.mark.parametrize("nonsense", ["nonsense", "²", "9" * 5000])
def test_the_count_survives_and_is_mended(tmp_path: Path, nonsense: str) -> None:
    _fill(FileCache(tmp_path, 1000), 1, 400, 900)
    assert (tmp_path / ".usage").read_text() == "400"
    (tmp_path / ".usage").write_text(nonsense)
    _fill(FileCache(tmp_path, 1000), 2, 400, 800)
    assert (tmp_path / ".usage").read_text() == "800"
    _fill(FileCache(tmp_path, 1000), 3, 400)
    assert _numbers(FileCache(tmp_path, 1000)) == {2, 3}


def test_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 1000)

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.fill(_name(1), fail, 10)
    assert os.listdir(tmp_path) == []
    _fill(cache, 1, 5)
    assert cache.size() == 5


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 1000)
    began, go_on = threading.Event(), threading.Event()
    written: list[int] = []

    def write(file: BinaryIO) -> None:
        written.append(1)
        began.set()
        assert go_on.wait(30)
        file.write(b"x")

    first = threading.Thread(target=cache.fill, args=(_name(1), write, 10))
    first.start()
    assert began.wait(30)
    with pytest.raises(StillBeingWritten):
        cache.fill(_name(1), write, 0)
    second = threading.Thread(target=cache.fill, args=(_name(1), write, 30))
    second.start()
    go_on.set()
    first.join(30)
    second.join(30)
    assert written == [1]
    assert os.path.getsize(tmp_path / _name(1)) == 1


def test_abandoned_parts_are_removed(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 100)
    left = tmp_path / f".{_name(9)}.part"
    left.write_bytes(b"left by a process that was killed")
    _fill(cache, 1, 90, 900)
    _fill(cache, 2, 90, 800)
    assert not left.exists()


def test_using_a_file_leaves_its_modification_time(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 1000)
    path = _fill(cache, 1, 10, age=900)
    written = path.stat().st_mtime_ns
    assert cache.find(_name(1)) == path
    assert path.stat().st_mtime_ns == written
    assert path.stat().st_atime > time.time() - 300


def test_a_longer_part_of_a_killed_writer_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / f".{_name(1)}.part").write_bytes(bytes(5000))
    path = FileCache(tmp_path, 10_000).fill(_name(1), _writer(3), 10)
    assert path.read_bytes() == bytes(3)
