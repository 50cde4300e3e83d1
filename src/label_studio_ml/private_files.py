"""Folders and files for this user alone: they hold annotations, tokens and what user code prints."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from label_studio_ml.texts import whole_number

FOLDER, FILE = 0o700, 0o600


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone; one that is there stays as it is.

    Raises OSError.
    """
    missing = []
    for path in (folder, *folder.parents):
        if path.is_dir():
            break
        missing.append(path)
    for path in reversed(missing):
        path.mkdir(mode=FOLDER, exist_ok=True)


def open_file(path: Path, mode: str, *, buffering: int = -1) -> IO[bytes]:
    """Open a file in binary `mode`; one that is made is this user's alone. Raises OSError."""
    return open(path, mode, buffering=buffering, opener=lambda name, flags: os.open(name, flags, FILE))


#: Folders in a model folder that are this package's; and those that are where they have this file.
_FOLDERS = ("agent", "broker", "predict", "stores", "transfers", "versions")
_MARKED = (("files", ".usage"), ("spool", "lock"))
_DATABASES = ("cache.db", "events.db", "projects.db", "state.db")
_SMALL_FILES = ("backend.json", "server.json")
_IN_FOLDERS = ("runs/*.progress", "versions/*", "versions/*/*", "versions/*/*/annotations.*")
_LOGS = ("agent.log", "evaluate.log", "rq.log", "server.log")

#: The log of a job, which is named after the job's id.
JOB_LOG = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}\.log")


def mend(model_dir: Path, log_dir: Path, backend_dir: Path) -> None:
    """Take the rights of others from what earlier releases made, where it is this user's.

    That is what this package names itself: its files and folders in the model folder, the folders of projects and
    versions, the snapshots of annotations, and the logs. Both folders may hold other programs' files, which stay as
    they are, and so does what fit wrote: the folders above keep others out. Of the folders themselves, only a folder
    `logs` of the backend's own is closed.
    """
    for path in _ours(model_dir):
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


def _ours(model_dir: Path) -> Iterator[Path]:
    """Yield what this package may have made in a model folder, whether or not it is there."""
    for name in _FOLDERS:
        yield model_dir / name
    for name, mark in _MARKED:
        if (model_dir / name / mark).exists():
            yield model_dir / name
    for name in _SMALL_FILES:
        yield model_dir / name
    for name in _DATABASES:
        for ending in ("", "-wal", "-shm"):
            yield model_dir / f"{name}{ending}"
        yield from model_dir.glob(f"{name}.damaged-*")
    for pattern in _IN_FOLDERS:
        yield from model_dir.glob(pattern)


def _restrict(path: Path) -> None:
    """Take the rights of others from one file or folder of this user's, as far as that is possible; links stay."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if is_ours and plain and status.st_mode & 0o077:
            path.chmod(stat.S_IMODE(status.st_mode) & ~0o077)
