"""File operations of the version store: names of files, and the files of a version."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path
from urllib.parse import quote

from label_studio_ml.versions.store.manifest import MANIFEST, TOMBSTONE


def file_name(text: str, keep: str = "") -> str:
    """Return `text`, percent-encoded, as a safe name of one file or folder; characters in `keep` stay as they are."""
    name = quote(text, safe=keep)
    return name.replace(".", "%2E") if set(name) <= {"."} else name


def exists(path: Path) -> bool:
    """Tell whether a path exists; False if its folder cannot be read."""
    try:
        return path.exists()
    except OSError:
        return False


def files_in(folder: Path) -> list[str]:
    """Return the sorted paths of a version's files, relative to its folder and without the manifest."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    return [name for name in names if name not in (MANIFEST, TOMBSTONE)]


def sha256(path: Path) -> str:
    """Flush a file to the disk, and return its sha256 in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def clear_folder(folder: Path, *, keep: str) -> None:
    """Remove everything in `folder` but the file `keep`; entries that cannot be removed stay."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != keep:
            with contextlib.suppress(OSError):
                path.unlink()
