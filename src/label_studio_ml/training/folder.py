"""Noticing that a folder has changed."""

import os
from collections.abc import Collection
from pathlib import Path

#: Files looked at, at most.
MOST_FILES = 5000

_SKIPPED = frozenset(("__pycache__", ".git", "logs", "data", "node_modules", ".venv"))
#: Folders of ours, and beginnings of names of our files, in a folder that may be the model folder.
_FOLDERS, _FILES = ("versions", "broker", "files", "runs"), ("state.db", "projects.db")
#: What else is ours in the model folder itself; anywhere else these names are the user's.
_MODEL_FOLDERS = ("spool", "predict", "agent", "transfers", "stores")
_MODEL_FILES = ("events.db", "server.json", ".server.json", "backend.json", ".backend.json")

Snapshot = dict[str, tuple[int, int]]


def snapshot(folder: Path, without: Collection[Path] = ()) -> Snapshot:
    """Return size in bytes and time of last change in ns for each file below `folder`.

    Our own folders, and the folders `without`, are left out. Where `folder` itself is one of these, it is the model
    folder, and what we keep there is left out.
    """
    found: Snapshot = {}
    is_model_folder = folder in without
    ours = (*_FOLDERS, *_MODEL_FOLDERS) if is_model_folder else _FOLDERS
    files_of_ours = (*_FILES, *_MODEL_FILES) if is_model_folder else _FILES
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED and Path(path, name) not in without]
        if Path(path) == folder:
            folders[:] = [name for name in folders if name not in ours]
            files = [name for name in files if not name.startswith(files_of_ours)]
        for name in files:
            try:
                status = os.stat(os.path.join(path, name))
            except OSError:
                continue
            found[os.path.join(path, name)] = (status.st_size, status.st_mtime_ns)
            if len(found) >= MOST_FILES:
                return found
    return found
