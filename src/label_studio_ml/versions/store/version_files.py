"""File operations of the version store: atomic writes, file names, locks, and the files of a version."""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from label_studio_ml.storage import file_locks
from label_studio_ml.storage.private_files import open_file
from label_studio_ml.versions.store.manifest import MANIFEST, TOMBSTONE


def file_name(text: str, keep: str = "") -> str:
    """Return `text`, percent-encoded, as a safe name of one file or folder; characters in `keep` stay as they are."""
    name = quote(text, safe=keep)
    return name.replace(".", "%2E") if set(name) <= {"."} else name


def is_there(path: Path) -> bool:
    """Tell whether a path exists; False if its folder cannot be read."""
    try:
        return path.exists()
    except OSError:
        return False


def files_in(folder: Path) -> list[str]:
    """Return the sorted paths of a version's files, relative to its folder and without the manifest."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [name for name in names if name not in (MANIFEST, TOMBSTONE)]


def sha256(path: Path) -> str:
    """Flush a file to the disk, and return its sha256 in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, text: str) -> None:
    """Write a file atomically: after a crash it has all of the old content or all of `text`. Raises OSError."""
    replace_durably(path, text.encode(), path.with_name(f".{path.name}.{secrets.token_hex(4)}"))


def create_durably(path: Path, data: bytes, temporary: Path | None = None) -> None:
    """Create a file atomically: readers see all of `data` or no file. Raises FileExistsError if it exists, OSError.

    Of several machines that share the disk, one succeeds. `temporary` is a path on the same disk where the file is
    written first, by default in the same folder. On a disk without hard links, readers may see a part of `data`.
    """
    temporary = temporary or path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_flushed(temporary, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # no hard links on this disk
            _write_flushed(path, data)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    flush(path.parent)


def replace_durably(path: Path, data: bytes, temporary: Path) -> None:
    """Replace a file atomically: readers see all of the old content or all of `data`. Raises OSError.

    `temporary` is a path on the same disk where the file is written first.
    """
    try:
        _write_flushed(temporary, data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    flush(path.parent)


def _write_flushed(path: Path, data: bytes) -> None:
    """Create a file with `data` and flush it to the disk; after a disk error the file is removed.

    Raises FileExistsError if the file exists already, else OSError.
    """
    with open_file(path, "xb", buffering=0) as file:
        try:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise


def flush(folder: Path) -> None:
    """Flush the entries of `folder` (new files, renames) to the disk, on systems that can open folders."""
    if not file_locks.OPENS_FOLDERS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def empty(folder: Path, *, keep: str) -> None:
    """Remove everything in `folder` but the file `keep`; entries that cannot be removed stay."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != keep:
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the exclusive lock on the file `path` and hold it; the system releases it if the process ends."""
    with path.open("w") as lock:
        file_locks.lock(lock)
        yield


def is_locked(path: Path) -> bool:
    """Tell whether the lock on the file `path` is held; False if there is no such file."""
    try:
        with path.open("r+") as lock:
            file_locks.try_lock(lock)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
