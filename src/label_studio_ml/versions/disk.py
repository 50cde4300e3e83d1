"""Files that are there in full or not at all, and what is in a version's folder."""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from label_studio_ml import file_locks
from label_studio_ml.private_files import open_file
from label_studio_ml.versions.manifest import MANIFEST, TOMBSTONE


def file_name(text: str, keep: str = "") -> str:
    """Return `text` as a safe name of one folder; the characters in `keep` stay as they are."""
    name = quote(text, safe=keep)
    return name.replace(".", "%2E") if set(name) <= {"."} else name


def is_there(path: Path) -> bool:
    """Tell whether there is a file; one in a folder that cannot be read counts as none."""
    try:
        return path.exists()
    except OSError:
        return False


def files_in(folder: Path) -> list[str]:
    """Return the paths of a version's files inside its folder, sorted; the manifest is none of them."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [name for name in names if name not in (MANIFEST, TOMBSTONE)]


def sha256(path: Path) -> str:
    """Return a file's sha256, after seeing to it that its bytes are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, text: str) -> None:
    """Write a file so that after a crash it is there in full or not at all."""
    replace_durably(path, text.encode(), path.with_name(f".{path.name}.{secrets.token_hex(4)}"))


def create_durably(path: Path, data: bytes, temporary: Path | None = None) -> None:
    """Write a file that is not there yet, so that readers see all of it or none. Raises FileExistsError if it exists.

    Of several machines that share the disk one succeeds. `temporary` is a path on the same disk for the file while it
    is written. Where the disk has no hard links, a reader may see the file before all of `data` is in it.
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
    """Write a file so that readers see all of the old content or all of `data`; `temporary` is on the same disk."""
    try:
        _write_flushed(temporary, data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    flush(path.parent)


def _write_flushed(path: Path, data: bytes) -> None:
    """Write a file that is not there yet and flush it to the disk; no part of it stays where the disk refuses.

    Raises FileExistsError if it is there.
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
    """See to it that what was named or renamed in `folder` is on the disk, where the system lets us."""
    if not file_locks.OPENS_FOLDERS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def empty(folder: Path, *, keep: str) -> None:
    """Remove everything in `folder` but the file `keep`, as far as the disk lets us."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != keep:
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that the file `path` stands for; the system gives it back when the process ends."""
    with path.open("w") as lock:
        file_locks.lock(lock)
        yield


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock that the file `path` stands for."""
    try:
        with path.open("r+") as lock:
            file_locks.try_lock(lock)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
