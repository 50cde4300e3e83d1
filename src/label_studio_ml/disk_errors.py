"""What to do about an error of the disk, named by its cause: full, read-only, too many open files."""

import errno
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Free bytes below which a disk counts as full where SQLite does not say why it failed.
_FULL = 256 << 10
#: What SQLite says where it does not say that the disk is full.
_UNSAID = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def is_full(error: BaseException, place: Path | None = None) -> bool:
    """Tell whether an error comes of a full disk, or a used-up quota; `place` is a path on the disk, if known."""
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
    """Yield an error and the causes behind it, each once: user code may make an error its own cause."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def disk_fix(error: BaseException, place: Path, otherwise: str = "") -> str:
    """Return what to do about an error of the disk that `place` is on; `otherwise` where its cause says nothing."""
    number = error.errno if isinstance(error, OSError) else None
    if is_full(error, place):
        return f"The disk of {place} is full: make room on it"
    if number == errno.EROFS:
        return f"The disk of {place} is read-only: mount it so that it can be written to"
    if number in (errno.EMFILE, errno.ENFILE):
        return "Allow more open files (ulimit -n)"
    return otherwise or "Check MODEL_DIR, its rights and the disk"


def full_disk_fix(error: BaseException, places: Iterable[Path]) -> str:
    """Return which disk to make room on: the one of the file that the full-disk `error` names, else of a full place.

    What code of users was writing to is not known otherwise, and what it wrote may be removed again by now.
    """
    named = _file_of(error)
    for place in (*([named] if named is not None else []), *places):
        if place is named or free_bytes(place) < _FULL:
            return f"The disk of {place} is full: make room on it"
    return "A disk that fit writes to is full: make room on it"


def _file_of(error: BaseException) -> Path | None:
    """Return the file that the full-disk error among an error and its causes names, None if it names none."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and _says_full(cause, None) and isinstance(cause.filename, str):
            return Path(cause.filename)
    return None


def free_bytes(place: Path) -> int:
    """Return how many bytes are free on the disk that a path is on, or will be; very many if nobody can say."""
    for one in (place, *place.absolute().parents):
        if one.exists():
            try:
                return shutil.disk_usage(one).free
            except OSError:
                break
    return 1 << 62
