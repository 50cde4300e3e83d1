"""Locks on open files, which the system gives back when the file is closed or its process ends.

With `fcntl` they are `flock` locks: on a file or a folder, shared or exclusive. Windows has none of them. There, the
lock is `msvcrt`'s on one byte far behind the end of the file, always exclusive; it was tried with a stand-in for
`msvcrt` only, never on Windows itself.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: What Windows cannot do: rename a file that is open, and open a folder.
RENAMES_OPEN_FILES = OPENS_FOLDERS = fcntl is not None

#: The byte that stands for a file on Windows: no file is that long, and locked bytes cannot be read.
_BYTE = 1 << 30
#: Seconds between two tries on Windows, where one cannot wait for a lock for longer than 10 s.
_POLL = 0.05


class OpenFile(Protocol):
    """What can be locked: a file object."""

    def fileno(self) -> int:
        """Return its descriptor."""


def lock(file: int | OpenFile, *, shared: bool = False) -> None:
    """Take the lock of `file`, a file object or a descriptor, as soon as nobody else holds it."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        return None
    while True:
        with contextlib.suppress(BlockingIOError):
            return _lock_byte(file)
        time.sleep(_POLL)


def try_lock(file: int | OpenFile, *, shared: bool = False) -> None:
    """Take the lock of `file`, a file object or a descriptor. Raises BlockingIOError if somebody else holds it."""
    if fcntl is not None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    else:
        _lock_byte(file)


def open_private(path: Path) -> int:
    """Open a file of this user's alone for reading and writing, and return its descriptor; make it if it is missing.

    Raises OSError, also where `path` is a link.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    return descriptor


@contextlib.contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`; where folders cannot be opened, that of the file `.lock` in it."""
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
    """Lock the file as Windows can. Raises BlockingIOError if somebody else holds it."""
    import importlib

    msvcrt: Any = importlib.import_module("msvcrt")
    descriptor = file if isinstance(file, int) else file.fileno()
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, _BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError(error.errno, "Another process holds the lock") from error
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)
