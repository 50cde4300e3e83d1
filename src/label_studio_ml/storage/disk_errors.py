"""Explain disk errors (full, read-only, too many open files) and say what to do about them."""

import errno
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Free bytes below which a disk counts as full if SQLite's error does not say why a call failed.
_FULL = 256 << 10
#: SQLite's error codes that may come from a full disk without saying so.
_UNSAID = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def is_full(error: BaseException, place: Path | None = None) -> bool:
    """Tell whether an error is due to a full disk or an exceeded quota. `place` is a path on the disk, if known."""
    return any(_says_full(cause, place) for cause in _causes(error))


def _says_full(cause: BaseException, place: Path | None) -> bool:
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(cause, sqlite3.Error):
        return False
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return True
    return code in _UNSAID and place is not None and free_bytes(place) < _FULL


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its chain of causes, each once: user code may make an error its own cause."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def disk_fix(error: BaseException, place: Path, otherwise: str = "") -> str:
    """Return the fix for an error on the disk of `place`; for an unknown cause `otherwise`, or a general hint."""
    number = error.errno if isinstance(error, OSError) else None
    if is_full(error, place):
        return f"The disk of {place} is full: make room on it"
    if number == errno.EROFS:
        return f"The disk of {place} is read-only: mount it so that it can be written to"
    if number in (errno.EMFILE, errno.ENFILE):
        return "Allow more open files (ulimit -n)"
    return otherwise or "Check MODEL_DIR, its rights and the disk"


def full_disk_fix(error: BaseException, places: Iterable[Path]) -> str:
    """Return which full disk to free: that of the file named by `error`, else of the first full one of `places`.

    Where user code was writing is not known otherwise, and the files that it wrote may be deleted by now.
    """
    named = _file_of(error)
    for place in (*([named] if named is not None else []), *places):
        if place is named or free_bytes(place) < _FULL:
            return f"The disk of {place} is full: make room on it"
    return "A disk that fit writes to is full: make room on it"


def _file_of(error: BaseException) -> Path | None:
    """Return the file that a full-disk error names, among `error` and its causes; None if there is none."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and _says_full(cause, None) and isinstance(cause.filename, str):
            return Path(cause.filename)
    return None


def free_bytes(place: Path) -> int:
    """Return the free bytes on the disk of a path, which need not exist; 2**62 if they cannot be determined."""
    for folder in (place, *place.absolute().parents):
        if folder.exists():
            try:
                return shutil.disk_usage(folder).free
            except OSError:
                break
    return 1 << 62
