"""The disk cache: bounded, shared, never half a file."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.files.file_cache import FileCache
from studio.fake import Asked, FakeServer, Reply


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
        raise FileFetchError("no")

    with pytest.raises(FileFetchError):
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
    with pytest.raises(FileFetchError, match="does not get it in time"):
        cache.fill(_name(1), write, 0)
    second = threading.Thread(target=cache.fill, args=(_name(1), write, 30))
    second.start()
    go_on.set()
    first.join(30)
    second.join(30)
    assert written == [1]
    assert os.path.getsize(tmp_path / _name(1)) == 1


_FETCH = """
import sys
from pathlib import Path
from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.studio.files.fetch import FileAccess
print("begin", flush=True)
files = FileAccess(cache_dir=Path(sys.argv[1]), rules=FileSettings(private=("*",)))
print(files.local_path(sys.argv[2]), flush=True)
"""


def _process(folder: Path, url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _FETCH, str(folder), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_download_once(elsewhere: FakeServer, tmp_path: Path) -> None:
    go_on = threading.Event()

    def slow(_: Asked) -> Reply:
        go_on.wait(30)
        return Reply(200, b"content")

    elsewhere.on("/x.bin", slow)
    processes = [_process(tmp_path, f"{elsewhere.url}/x.bin") for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
    _until(lambda: len(elsewhere.asked) == 1)
    go_on.set()
    paths = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert len(set(paths)) == 1
    assert Path(paths[0]).read_bytes() == b"content"
    assert elsewhere.paths() == ["/x.bin"]


def test_killed_download_does_not_count(elsewhere: FakeServer, tmp_path: Path) -> None:
    def forever(wire: BinaryIO) -> None:
        wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + bytes(1_000_000))
        wire.flush()
        threading.Event().wait(30)

    elsewhere.on("/x.bin", Reply(raw=forever))
    process = _process(tmp_path, f"{elsewhere.url}/x.bin")
    _until(lambda: any(path.stat().st_size for path in tmp_path.glob(".*.part")))
    process.kill()
    process.communicate(timeout=30)
    elsewhere.on("/x.bin", Reply(200, b"whole"))
    again = _process(tmp_path, f"{elsewhere.url}/x.bin")
    path = again.communicate(timeout=60)[0].split()[-1]
    assert Path(path).read_bytes() == b"whole"
    assert not list(tmp_path.glob(".*.part"))


def test_abandoned_parts_are_removed(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 100)
    left = tmp_path / f".{_name(9)}.part"
    left.write_bytes(b"left by a process that was killed")
    _fill(cache, 1, 90, 900)
    _fill(cache, 2, 90, 800)
    assert not left.exists()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
