"""A folder of fetched files, bounded in size and shared by threads and processes.

A file is there whole or not at all: it is written under another name, which one writer at a time holds the lock
of, and then renamed. The lock goes with its process, so a download that was killed blocks nobody. What was not
used for longest is removed first.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from label_studio_ml import file_locks
from label_studio_ml.errors import FileFetchError
from label_studio_ml.texts import whole_number

#: Only files of such names are ours to remove: a folder may hold others'.
_NAME = re.compile(r"[0-9a-f]{32}(\.[A-Za-z0-9]{1,10}){0,2}")
_PART = re.compile(r"\.[0-9a-f]{32}(\.[A-Za-z0-9]{1,10}){0,2}\.part")

#: A file used within this many seconds is spared: whoever asked for it may not have opened it yet.
GRACE = 60.0

#: After an eviction, this much of the limit is in use, so that the next file does not start another.
_LOW = 0.9

_POLL = 0.05


class FileCache:
    """Files below `folder`, `limit` bytes in all; twice that where files were used less than `GRACE` seconds ago."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def find(self, name: str) -> Path | None:
        """Return the path of a file, which counts as used now; None when it is not there."""
        path = self.folder / name
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError:  # somebody else's folder, read only
            return path if path.is_file() else None
        return path

    def fill(self, name: str, write: Callable[[BinaryIO], None], patience: float) -> Path:
        """Return the path of a file, having `write` write it unless it is there.

        While another thread or process writes it, this waits, `patience` seconds at most. Raises what `write`
        raises, FileFetchError when the wait was too long, and OSError.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target, part = self.folder / name, self.folder / f".{name}.part"
        end = time.monotonic() + patience
        while True:
            with open(file_locks.open_private(part), "r+b") as file:
                _lock(file, end)
                if not _is_at(file, part):
                    continue  # whoever had the lock has finished or given up
                if self.find(name):
                    part.unlink()
                    return target
                try:
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
        """Return how many bytes the files have together."""
        return sum(size for _, size, _ in self._files())

    def _account(self, added: int, keep: str) -> None:
        """Count a new file in, and make room when there is too much. The count is on disk, for all processes."""
        with contextlib.suppress(OSError), open(self.folder / ".usage", "a+b") as usage:
            os.chmod(self.folder / ".usage", 0o600)
            file_locks.lock(usage)
            usage.seek(0)
            before = whole_number(usage.read().decode(errors="replace"))
            total = before + added if before is not None else self.size()
            if total > self.limit:
                total = self._evict(keep)
            usage.truncate(0)
            usage.write(str(total).encode())

    def _evict(self, keep: str) -> int:
        """Remove what was used longest ago until there is room; return how many bytes are left."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self.limit:
            return total
        spared = time.time() - GRACE
        for used, size, path in files:
            if total <= self.limit * _LOW or (used > spared and total <= 2 * self.limit):
                break
            if path.name == keep:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
        self._remove_abandoned()
        return total

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return last use, size and path of each file."""
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name):
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime, status.st_size, Path(entry.path)))
        return found

    def _remove_abandoned(self) -> None:
        """Remove unfinished files that nobody writes."""
        for path in self.folder.glob(".*.part"):
            if _PART.fullmatch(path.name):
                with contextlib.suppress(OSError), path.open("r+b") as file:
                    file_locks.try_lock(file)
                    if _is_at(file, path):
                        path.unlink()


def _lock(file: BinaryIO, end: float) -> None:
    """Take the file's lock. Raises FileFetchError when that takes beyond `end`."""
    while True:
        try:
            file_locks.try_lock(file)
        except BlockingIOError:
            if time.monotonic() > end:
                raise FileFetchError(
                    "Another process fetches the same file and does not get it in time",
                    fix="Raise FILES_TIMEOUT, or correct the URL in the task",
                    field="FILES_TIMEOUT",
                ) from None
            time.sleep(_POLL)
        else:
            return


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Tell whether `path` still names this file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
