"""Detect changes of a folder by comparing two snapshots of its files' sizes and times."""

import os
from collections.abc import Collection
from pathlib import Path

#: Largest number of files in a snapshot.
MAX_FILES = 5000

_SKIPPED = frozenset(("__pycache__", ".git", "logs", "data", "node_modules", ".venv"))
#: The backend's folders and prefixes of its files, left out at the top of every folder, which may be a model folder.
_FOLDERS, _FILES = ("versions", "broker", "files", "runs"), ("state.db", "projects.db")
#: More names of the backend's files, left out in the model folder only: elsewhere they may be the user's.
_MODEL_FOLDERS = ("spool", "predict", "agent", "transfers", "stores", "once")
_MODEL_FILES = ("events.db", "server.json", ".server.json", "backend.json", ".backend.json")

Snapshot = dict[str, tuple[int, int]]


def snapshot(folder: Path, excluded: Collection[Path] = ()) -> Snapshot:
    """Return (size in bytes, time of last change in ns) for each file below `folder`, at most MAX_FILES of them.

    The backend's own folders and files and the folders `excluded` are left out. If `folder` itself is in `excluded`, it
    is the model folder: its files are included, except those of the backend.
    """
    states: Snapshot = {}
    is_model_folder = folder in excluded
    backend_folders = (*_FOLDERS, *_MODEL_FOLDERS) if is_model_folder else _FOLDERS
    backend_files = (*_FILES, *_MODEL_FILES) if is_model_folder else _FILES
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED and Path(path, name) not in excluded]
        if Path(path) == folder:
            folders[:] = [name for name in folders if name not in backend_folders]
            files = [name for name in files if not name.startswith(backend_files)]
        for name in files:
            try:
                status = os.stat(os.path.join(path, name))
            except OSError:
                continue
            states[os.path.join(path, name)] = (status.st_size, status.st_mtime_ns)
            if len(states) >= MAX_FILES:
                return states
    return states
