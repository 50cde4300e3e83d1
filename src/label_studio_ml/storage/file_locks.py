"""Locks on open files, which the operating system releases when the file is closed or its process ends.

With `fcntl` these are `flock` locks: on a file or a folder, shared or exclusive. Windows lacks `fcntl`. There, the lock
is `msvcrt`'s on one byte far behind the end of the file, and always exclusive; that code has been tested with a
stand-in for `msvcrt` only, never on Windows itself.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Whether the system can rename an open file, and open a folder; Windows can do neither.
RENAMES_OPEN_FILES = OPENS_FOLDERS = fcntl is not None

#: Position of the byte locked on Windows: no file is that long, and other processes cannot read locked bytes.
_LOCK_POSITION = 1 << 30
#: Seconds between two attempts; Windows itself would wait for a lock for at most 10 s.
_POLL_INTERVAL = 0.05


class OpenFile(Protocol):
    """A file object with a descriptor, which can be locked."""

    def fileno(self) -> int:
        """Return the file descriptor."""


def lock(file: int | OpenFile, *, shared: bool = False) -> None:
    """Take the lock of `file`, a file object or a descriptor; wait while it is held elsewhere."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    else:
        lock_within(file, float("inf"))


def try_lock(file: int | OpenFile, *, shared: bool = False) -> None:
    """Take the lock of `file`, a file object or a descriptor. Raises BlockingIOError if it is held elsewhere."""
    if fcntl is not None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    else:
        _lock_byte(file)


def lock_within(file: int | OpenFile, seconds: float, *, shared: bool = False) -> None:
    """Take the lock of `file`; wait for at most `seconds`. Raises BlockingIOError if it is still held elsewhere."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return try_lock(file, shared=shared)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_POLL_INTERVAL)


def open_locked(path: Path, *, shared: bool = False, seconds: float = 0.0) -> IO[str]:
    """Open the lock file `path`, created if it is missing, and return it locked: it is locked until it is closed.

    Waits for the lock for at most `seconds`. Raises BlockingIOError if it is still held elsewhere, OSError.
    """
    file = open(path, "w")  # noqa: SIM115 (the caller closes it)
    try:
        lock_within(file, seconds, shared=shared)
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the exclusive lock on the file `path`, created if it is missing, and hold it during the block."""
    with path.open("w") as file:
        lock(file)
        yield


def is_locked(path: Path) -> bool:
    """Tell whether the lock on the file `path` is held; False if there is no such file."""
    try:
        with path.open("r+") as file:
            try_lock(file)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def open_private(path: Path) -> int:
    """Open a file for reading and writing with mode 0600, and return its descriptor; create it if it is missing.

    Raises OSError, also if `path` is a symbolic link.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    return descriptor


@contextlib.contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` during the block; on Windows, the lock of the file `.lock` in it."""
    if OPENS_FOLDERS:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    else:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock_byte(file: int | OpenFile) -> None:
    """Lock the file with `msvcrt`. Raises BlockingIOError if the lock is held elsewhere."""
    import importlib

    msvcrt: Any = importlib.import_module("msvcrt")
    descriptor = file if isinstance(file, int) else file.fileno()
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, _LOCK_POSITION, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError(error.errno, "Another process holds the lock") from error
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)
