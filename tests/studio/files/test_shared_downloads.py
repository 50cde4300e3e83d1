"""Several processes that fetch the same file into one cache."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError
from label_studio_ml.storage import file_locks
from label_studio_ml.studio.files.fetch import FileAccess
from studio.fake import Asked, FakeServer, Reply

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


def test_another_processs_download_is_waited_for_within_the_time_limit(tmp_path: Path) -> None:
    files = FileAccess(cache_dir=tmp_path, rules=FileSettings(timeout=0.05))
    url = "data:text/plain,x"
    part = tmp_path / f".{files.cached_path(url).name}.part"
    with file_locks.open_locked(part), pytest.raises(FileFetchError, match="Raise FILES_TIMEOUT"):
        files.local_path(url)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
