"""Locks on files: who holds one keeps the others out, until the file is closed or the process ends."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from label_studio_ml.storage import file_locks


def test_an_open_file_holds_the_lock_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not file_locks.is_locked(path), "there is no such file"
    with file_locks.open_locked(path):
        assert file_locks.is_locked(path)
        with pytest.raises(BlockingIOError):
            file_locks.open_locked(path)
    assert not file_locks.is_locked(path)


def test_shared_locks_keep_exclusive_ones_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = (file_locks.open_locked(path, shared=True) for _ in range(2))
    with first, second, pytest.raises(BlockingIOError):
        file_locks.open_locked(path)


def test_a_lock_is_awaited_for_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = file_locks.open_locked(path)
    with pytest.raises(BlockingIOError):
        file_locks.open_locked(path, seconds=0.1)
    release = threading.Timer(0.2, holder.close)
    release.start()
    with file_locks.open_locked(path, seconds=60):
        assert holder.closed
    release.join()


def test_the_system_releases_the_lock_of_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys, time; from pathlib import Path; from label_studio_ml.storage import file_locks\n"
        "with file_locks.locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert file_locks.is_locked(path)
        process.kill()
        process.wait()
    assert not file_locks.is_locked(path)
    with file_locks.locked(path):
        assert file_locks.is_locked(path)
