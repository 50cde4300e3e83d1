"""Noticing that a folder has changed."""

import os
from collections.abc import Collection
from pathlib import Path

#: Files looked at, at most.
MOST_FILES = 5000

_SKIPPED = frozenset(("__pycache__", ".git", "logs", "data", "node_modules", ".venv"))

Snapshot = dict[str, tuple[int, int]]


def snapshot(folder: Path, without: Collection[Path] = ()) -> Snapshot:
    """Return size in bytes and time of last change in ns for each file below `folder`.

    Our own folders, and the folders `without`, are left out.
    """
    found: Snapshot = {}
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED and Path(path, name) not in without]
        if Path(path) == folder:
            folders[:] = [name for name in folders if name not in ("versions", "broker", "files", "runs")]
            files = [name for name in files if not name.startswith(("state.db", "projects.db"))]
        for name in files:
            try:
                status = os.stat(os.path.join(path, name))
            except OSError:
                continue
            found[os.path.join(path, name)] = (status.st_size, status.st_mtime_ns)
            if len(found) >= MOST_FILES:
                return found
    return found
