"""Explain disk errors (full, read-only, too many open files) and say what to do about them."""

import errno
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from label_studio_ml.support.causes import causes

#: Free bytes below which a disk counts as full if SQLite's error does not say why a call failed.
_MIN_FREE_BYTES = 256 << 10
#: SQLite's error codes that may come from a full disk without saying so.
_AMBIGUOUS_CODES = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def is_full(error: BaseException, path: Path | None = None) -> bool:
    """Tell whether an error is due to a full disk or an exceeded quota. `path` is a path on the disk, if known."""
    return any(_means_full(cause, path) for cause in causes(error))


def _means_full(cause: BaseException, path: Path | None) -> bool:
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(cause, sqlite3.Error):
        return False
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return True
    return code in _AMBIGUOUS_CODES and path is not None and free_bytes(path) < _MIN_FREE_BYTES


def disk_fix(error: BaseException, path: Path, otherwise: str = "") -> str:
    """Return the fix for an error on the disk of `path`; for an unknown cause `otherwise`, or a general hint."""
    number = error.errno if isinstance(error, OSError) else None
    if is_full(error, path):
        return f"The disk of {path} is full: make room on it"
    if number == errno.EROFS:
        return f"The disk of {path} is read-only: mount it so that it can be written to"
    if number in (errno.EMFILE, errno.ENFILE):
        return "Allow more open files (ulimit -n)"
    return otherwise or "Check MODEL_DIR, its rights and the disk"


def full_disk_fix(error: BaseException, paths: Iterable[Path]) -> str:
    """Return which full disk to free: that of the file named by `error`, else of the first full one of `paths`.

    Where user code was writing is not known otherwise, and the files that it wrote may be deleted by now.
    """
    named_file = _file_of(error)
    for path in (*([named_file] if named_file is not None else []), *paths):
        if path is named_file or free_bytes(path) < _MIN_FREE_BYTES:
            return f"The disk of {path} is full: make room on it"
    return "A disk that fit writes to is full: make room on it"


def _file_of(error: BaseException) -> Path | None:
    """Return the file that a full-disk error names, among `error` and its causes; None if there is none."""
    for cause in causes(error):
        if isinstance(cause, OSError) and _means_full(cause, None) and isinstance(cause.filename, str):
            return Path(cause.filename)
    return None


def free_bytes(path: Path) -> int:
    """Return the free bytes on the disk of a path, which need not exist; 2**62 if they cannot be determined."""
    for folder in (path, *path.absolute().parents):
        if folder.exists():
            try:
                return shutil.disk_usage(folder).free
            except OSError:
                break
    return 1 << 62
