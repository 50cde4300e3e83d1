"""Write files atomically: after a crash, a file has all of its old content or all of the new content.

Unless `durable` is false, the data and the folder's entry are flushed to the disk, so that this also holds if the
machine stops.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from label_studio_ml.storage.file_locks import OPENS_FOLDERS
from label_studio_ml.storage.private_files import FILE_MODE


def temporary_path(path: Path) -> Path:
    """Return an unused hidden path beside `path`, on which its new content can be written."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def replace_file(
    path: Path,
    data: bytes | str,
    *,
    temporary: Path | None = None,
    mode: int = FILE_MODE,
    durable: bool = True,
) -> None:
    """Replace the file `path` by one with the content `data`; arguments as for `replacing`. Raises OSError."""
    with replacing(path, temporary=temporary, mode=mode, durable=durable) as file:
        file.write(_encoded(data))


@contextlib.contextmanager
def replacing(
    path: Path, *, temporary: Path | None = None, mode: int = FILE_MODE, durable: bool = True
) -> Iterator[BinaryIO]:
    """Yield a new file for writing, which replaces `path` at the end of the block; an error leaves `path` as it was.

    `temporary` is a path on the same disk where the file is written first; a file that a killed process left there is
    overwritten. By default it is an unused path in the same folder. `mode` is that of the file, less the umask.
    Raises OSError.
    """
    new_path = temporary or temporary_path(path)
    try:
        with _opened(new_path, "wb" if temporary else "xb", mode) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        new_path.replace(path)
    except BaseException:
        _remove(new_path)
        raise
    if durable:
        flush_folder(path.parent)


def move_into_place(temporary: Path, path: Path) -> None:
    """Flush the finished file `temporary` to the disk, and rename it to `path`. Raises OSError."""
    with temporary.open("r+b") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    flush_folder(path.parent)


def create_file(path: Path, data: bytes | str, *, temporary: Path | None = None) -> None:
    """Create a file: readers see all of `data` or no file. Raises FileExistsError if it exists, OSError.

    Of several machines that share the disk, one succeeds. `temporary` is an unused path on the same disk where the
    file is written first, by default in the same folder. On a disk without hard links, readers may see a part of
    `data`.
    """
    new_path = temporary or temporary_path(path)
    try:
        _write_flushed(new_path, _encoded(data))
        try:
            os.link(new_path, path)
        except FileExistsError:
            raise
        except OSError:  # no hard links on this disk
            _write_flushed(path, _encoded(data))
    finally:
        _remove(new_path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Flush the entries of `folder` (new files, renames) to the disk, on systems that can open folders."""
    if not OPENS_FOLDERS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_flushed(path: Path, data: bytes) -> None:
    """Create a file with `data` and flush it to the disk; after a disk error the file is removed.

    Raises FileExistsError if the file exists already, else OSError.
    """
    with _opened(path, "xb", FILE_MODE) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            _remove(path)
            raise


def _opened(path: Path, mode: str, rights: int) -> BinaryIO:
    no_follow = getattr(os, "O_NOFOLLOW", 0)
    return open(path, mode, opener=lambda name, flags: os.open(name, flags | no_follow, rights))  # type: ignore[return-value]


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _encoded(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data
