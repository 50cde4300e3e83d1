"""Reading the small files that this package writes, also where one is damaged or not UTF-8."""

import errno
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

#: Errors that say nothing of the file: the same call may work a moment later.
_PASSING = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT)
)


class DamagedFile(ValueError):
    """A file holds something else than was written to it, or is a folder."""


def is_passing(error: BaseException) -> bool:
    """Tell whether an error, such as too many open files, says that a file cannot be read now, and nothing of it."""
    return isinstance(error, OSError) and error.errno in _PASSING


def read_text(path: Path) -> str | None:
    """Return the text of a file, bytes that are not UTF-8 replaced; None if there is no such file.

    Raises DamagedFile if it is a folder, OSError if it cannot be read.
    """
    data = _read(path)
    return None if data is None else data.decode("utf-8", "replace")


def read_json(path: Path, kind: type[T]) -> T | None:
    """Return the JSON value of type `kind` in a file; None if there is no such file.

    Raises DamagedFile if it holds anything else, OSError if it cannot be read.
    """
    data = _read(path)
    return None if data is None else parse_json(data, kind)


def parse_json(data: bytes, kind: type[T]) -> T:
    """Return the JSON value of type `kind` in the bytes of a file. Raises DamagedFile if they are anything else."""
    if not data.strip(b"\0 \t\r\n"):
        raise DamagedFile("it is empty")
    try:
        return msgspec.json.decode(data, type=kind)
    except UnicodeDecodeError:
        raise DamagedFile("it is not UTF-8") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DamagedFile(f"it is damaged ({error})") from None


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if there is no such file. Raises DamagedFile and OSError."""
    return read_json(path, dict[str, Any])


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise DamagedFile("it is a folder") from None
