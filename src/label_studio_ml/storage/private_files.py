"""Create and open files and folders for the current user only: they hold annotations, tokens and users' output."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from label_studio_ml.support.texts import whole_number

FOLDER_MODE, FILE_MODE = 0o700, 0o600


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents with mode 0700; existing folders are not changed.

    Raises OSError.
    """
    missing = []
    for path in (folder, *folder.parents):
        if path.is_dir():
            break
        missing.append(path)
    for path in reversed(missing):
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)


def open_file(path: Path, mode: str, *, buffering: int = -1) -> IO[bytes]:
    """Open a file in binary `mode`; a file that is created gets mode 0600. Raises OSError."""
    return open(path, mode, buffering=buffering, opener=lambda name, flags: os.open(name, flags, FILE_MODE))


#: Folders of this package in a model folder; those of `_MARKED` only count if they contain the named file.
_FOLDERS = ("agent", "broker", "predict", "stores", "transfers", "versions")
_MARKED = (("files", ".usage"), ("spool", "lock"))
_DATABASES = ("cache.db", "events.db", "projects.db", "state.db")
_SMALL_FILES = ("backend.json", "server.json")
_IN_FOLDERS = ("runs/*.progress", "versions/*", "versions/*/*", "versions/*/*/annotations.*")
_LOGS = ("agent.log", "evaluate.log", "rq.log", "server.log")

#: File names of job logs: the job's id and `.log`.
JOB_LOG = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}\.log")


def restrict_permissions(model_dir: Path, log_dir: Path, backend_dir: Path) -> None:
    """Remove other users' permissions from what earlier releases created, where it belongs to the current user.

    This covers what this package names itself: its files and folders in the model folder, the folders of projects and
    versions, the snapshots of annotations, and the logs. Files of other programs in both folders are not changed, nor
    are files written by `fit`, which their restricted parent folders protect. Of the log folder itself, permissions
    are changed only if it is `logs` in the backend's folder.
    """
    for path in _own_paths(model_dir):
        _restrict(path)
    if log_dir == backend_dir / "logs":
        _restrict(log_dir)
        _restrict(log_dir / "jobs")
    for name in _LOGS:
        _restrict(log_dir / name)
        for path in log_dir.glob(f"{name}.*"):
            if whole_number(path.suffix[1:]) is not None:
                _restrict(path)
    for path in log_dir.glob("jobs/*.log"):
        if JOB_LOG.fullmatch(path.name):
            _restrict(path)


def _own_paths(model_dir: Path) -> Iterator[Path]:
    """Yield the paths that this package may have created in a model folder; they need not exist."""
    for name in _FOLDERS:
        yield model_dir / name
    for name, marker in _MARKED:
        if os.path.exists(model_dir / name / marker):  # False where the folder cannot be read
            yield model_dir / name
    for name in _SMALL_FILES:
        yield model_dir / name
    for name in _DATABASES:
        for suffix in ("", "-wal", "-shm"):
            yield model_dir / f"{name}{suffix}"
        yield from model_dir.glob(f"{name}.damaged-*")
    for pattern in _IN_FOLDERS:
        yield from model_dir.glob(pattern)


def _restrict(path: Path) -> None:
    """Remove other users' permissions from a file or folder of the current user. Errors and links are ignored."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if is_own and plain and status.st_mode & 0o077:
            path.chmod(stat.S_IMODE(status.st_mode) & ~0o077)
