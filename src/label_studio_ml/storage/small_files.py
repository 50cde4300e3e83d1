"""Read small files of this package: distinguish missing, damaged and temporarily unreadable ones; name damaged ones."""

import errno
import time
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

#: Temporary errors, which say nothing about the file: a later call may succeed.
_PASSING = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT)
)


class DamagedFile(ValueError):
    """A file is a folder, or its content is not what this package writes."""


def unused_damaged_path(path: Path) -> Path:
    """Return an unused path beside `path` for a damaged file or folder, named by the current time in UTC."""
    damaged = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
    unused, number = damaged, 1
    while unused.exists():
        number += 1
        unused = damaged.with_name(f"{damaged.name}-{number}")
    return unused


def is_passing(error: BaseException) -> bool:
    """Tell whether an error, such as too many open files, is temporary and says nothing about the file."""
    return isinstance(error, OSError) and error.errno in _PASSING


def read_text(path: Path) -> str | None:
    """Return the text of a file, with bytes that are not UTF-8 replaced; None if there is no such file.

    Raises DamagedFile if it is a folder, OSError if it cannot be read.
    """
    data = _read(path)
    return None if data is None else data.decode("utf-8", "replace")


def read_json(path: Path, kind: type[T]) -> T | None:
    """Return the JSON value of type `kind` in a file; None if there is no such file.

    Raises DamagedFile if it is a folder or has other content, OSError if it cannot be read.
    """
    data = _read(path)
    return None if data is None else parse_json(data, kind)


def parse_json(data: bytes, kind: type[T]) -> T:
    """Return the JSON value of type `kind` in `data`. Raises DamagedFile if it is empty or anything else."""
    if not data.strip(b"\0 \t\r\n"):
        raise DamagedFile("it is empty")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # also UnicodeDecodeError
        raise DamagedFile(f"it is damaged ({error})" if _is_utf8(data) else "it is not UTF-8") from None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise DamagedFile("it is a folder") from None
