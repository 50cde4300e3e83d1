"""Disk cache of files that can be made again, bounded in size and shared by threads and processes.

A cached file is always complete: it is written as `.NAME.part`, under a lock that one writer at a time holds, and then
renamed. The operating system releases the lock of a killed process, so an aborted download blocks no other one.
Eviction removes the least recently used files first. Their last use is their access time, which reading a file on most
systems changes too; their modification time stays, so that it tells whether two reads saw the same content.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from label_studio_ml.storage import file_locks
from label_studio_ml.support.texts import whole_number

#: Names of our files. Only these are removed, because the folder may hold other files.
_NAME = re.compile(r"[0-9a-f]{32}(\.[A-Za-z0-9]{1,10}){0,2}")
_PART = re.compile(r"\.[0-9a-f]{32}(\.[A-Za-z0-9]{1,10}){0,2}\.part")

#: Files used within this many seconds are not evicted: the caller may not have opened the returned path yet.
GRACE = 60.0

#: Eviction goes down to this part of the limit, so that the next file does not start another eviction.
_EVICT_TO = 0.9


class StillBeingWritten(Exception):
    """Another thread or process did not finish writing the file in time."""


class FileCache:
    """A cache in `folder` of at most `limit` bytes, or twice that to spare files used in the last `GRACE` seconds."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def find(self, name: str) -> Path | None:
        """Return the path of a cached file and mark the file as used now; return None if it is not cached."""
        path = self.folder / name
        try:
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except FileNotFoundError:
            return None
        except OSError:  # the time cannot be set, for example in a read-only folder of another user
            return path if path.is_file() else None
        return path

    def fill(self, name: str, write: Callable[[BinaryIO], None], timeout: float) -> Path:
        """Return the path of a cached file; if it is missing, `write` is called first to write its content.

        While another thread or process writes the same file, this waits, `timeout` seconds at most. Raises what
        `write` raises, StillBeingWritten when the wait is too long, and OSError.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target, part = self.folder / name, self.folder / f".{name}.part"
        deadline = time.monotonic() + timeout
        while True:
            with open(file_locks.open_private(part), "r+b") as file:
                _lock(file, deadline)
                if not _is_at(file, part):
                    continue  # the previous holder of the lock has renamed or removed the file
                if self.find(name):
                    part.unlink()
                    return target
                try:
                    file.truncate()  # of a file that a killed process has left
                    write(file)
                    file.flush()
                    os.fsync(file.fileno())
                    size = os.fstat(file.fileno()).st_size
                    os.utime(part)
                    if not file_locks.RENAMES_OPEN_FILES:
                        file.close()
                    os.replace(part, target)
                except BaseException:
                    with contextlib.suppress(OSError):
                        part.unlink()
                    raise
            self._account(size, keep=name)
            return target

    def size(self) -> int:
        """Return the total size of the cached files in bytes."""
        return sum(size for _, size, _ in self._files())

    def _account(self, added: int, keep: str) -> None:
        """Add `added` bytes to the total in the file `.usage`, which all processes share; evict above the limit."""
        path = self.folder / ".usage"
        with contextlib.suppress(OSError), open(file_locks.open_private(path), "r+b") as usage:
            file_locks.lock(usage)
            previous = whole_number(usage.read().decode(errors="replace"))
            total = previous + added if previous is not None else self.size()
            if total > self.limit:
                total = self._evict(keep)
            usage.seek(0)
            usage.truncate()
            usage.write(str(total).encode())

    def _evict(self, keep: str) -> int:
        """Remove the least recently used files other than `keep`; return the total size that is left, in bytes."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self.limit:
            return total
        spared_since = time.time() - GRACE
        for used, size, path in files:
            if total <= self.limit * _EVICT_TO or (used > spared_since and total <= 2 * self.limit):
                break
            if path.name == keep:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
        self._remove_abandoned()
        return total

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return last use (seconds since 1970), size in bytes and path of each cached file."""
        files = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name):
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        used = max(status.st_atime, status.st_mtime)
                        files.append((used, status.st_size, Path(entry.path)))
        return files

    def _remove_abandoned(self) -> None:
        """Remove `.part` files that no process has locked."""
        for path in self.folder.glob(".*.part"):
            if _PART.fullmatch(path.name):
                with contextlib.suppress(OSError), path.open("r+b") as file:
                    file_locks.try_lock(file)
                    if _is_at(file, path):
                        path.unlink()


def _lock(file: BinaryIO, deadline: float) -> None:
    """Take the file's lock. Raises StillBeingWritten when it is still held at `deadline` (monotonic seconds)."""
    try:
        file_locks.lock_within(file, deadline - time.monotonic())
    except BlockingIOError:
        raise StillBeingWritten("Another process or thread writes the same file") from None


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Tell whether `path` still names the open `file`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
