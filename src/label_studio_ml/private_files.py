"""Folders and files for this user alone: they hold annotations, tokens and what user code prints."""

import contextlib
import os
import stat
from pathlib import Path
from typing import IO

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


def mend(model_dir: Path, log_dir: Path) -> None:
    """Take the rights of others from what earlier releases made, where it is this user's.

    That is everything at the top of the model folder that is this package's, the folders of projects and versions, the
    snapshots of annotations, and the logs. What fit wrote stays as it is: the folders above keep others out.
    """
    for name in ("agent", "broker", "files", "predict", "runs", "spool", "stores", "transfers", "versions"):
        _restrict(model_dir / name)
    for pattern in ("*.db*", "*.json", "runs/*", "versions/*", "versions/*/*", "versions/*/*/annotations.*"):
        for path in model_dir.glob(pattern):
            _restrict(path)
    for pattern in ("*.log", "*.log.*", "jobs", "jobs/*.log"):
        for path in log_dir.glob(pattern):
            _restrict(path)
    _restrict(log_dir)


def _restrict(path: Path) -> None:
    """Take the rights of others from one file or folder of this user's, as far as that is possible; links stay."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if is_ours and plain and status.st_mode & 0o077:
            path.chmod(stat.S_IMODE(status.st_mode) & ~0o077)
