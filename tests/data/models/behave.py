"""What the models of these tests do in `fit`: they write down that they ran, and do what a file says."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def control(project_id: str) -> Path:
    """Return the folder through which a test and the model of a project talk."""
    folder = Path(os.environ["FIT_CONTROL"]) / project_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def note(folder: Path, what: str, **fields: Any) -> None:
    """Write down a line that survives whatever comes next."""
    line = json.dumps({"what": what, "pid": os.getpid(), **fields})
    with open(folder / "fits.jsonl", "a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock file of a project; write down where another living fit holds it."""
    lock = folder / "fit.lock"
    while True:
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            holder = lock.read_text()
            if holder and _alive(int(holder)):
                with open(folder / "overlaps", "a") as file:
                    file.write(f"{holder} {os.getpid()}\n")
                raise RuntimeError("another fit of this project is running") from None
            lock.unlink(missing_ok=True)
    os.write(descriptor, str(os.getpid()).encode())
    os.close(descriptor)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def behave(project_id: str, **fields: Any) -> None:
    """Do in a fit what the test wants."""
    folder = control(project_id)
    what = (folder / "do").read_text() if (folder / "do").exists() else "ok"
    with alone(folder):
        note(folder, "begin", **fields)
        while (folder / "gate").exists():
            time.sleep(0.01)
        _do(what, fields)
        note(folder, "end", **fields)


def _do(what: str, fields: dict[str, Any]) -> None:
    kind, _, detail = what.partition(":")
    if kind == "raise" and (not detail or detail == str(fields.get("annotation"))):
        raise ValueError("this fit was told to fail")
    if kind == "full disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights.bin")
    if kind == "sys.exit":
        sys.exit(3)
    if kind == "os._exit":
        os._exit(4)
    if kind == "kill" and (not detail or detail == str(fields.get("annotation"))):
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "end process":
        os.kill(int(detail), signal.SIGKILL)
        time.sleep(600)
    if kind == "real-time signal":
        os.kill(os.getpid(), 35)
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "fork and kill":
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "daemon":
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    if kind == "daemons":
        _start_daemons(control(detail))
        time.sleep(600)
    if kind == "fork" and os.fork() == 0:
        time.sleep(600)
        os._exit(0)


def _start_daemons(folder: Path) -> None:
    """Start what leaves the session of this process in all usual ways, and write down the process ids."""
    sleep = ["sleep", "600"]
    alone = subprocess.Popen(sleep, start_new_session=True)
    bare = subprocess.Popen(sleep, start_new_session=True, env={})
    reading, writing = os.pipe()
    first = os.fork()
    if first == 0:
        os.setsid()
        second = os.fork()
        if second == 0:
            time.sleep(600)
            os._exit(0)
        os.write(writing, str(second).encode())
        os._exit(0)
    os.waitpid(first, 0)
    note(folder, "daemons", started=[alone.pid, bare.pid, int(os.read(reading, 32))])
