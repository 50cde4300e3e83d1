"""Temporary folders that the next call removes if the process that made them was killed."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from label_studio_ml.storage import file_locks

#: The file in a folder that its process keeps locked, and its name until it is locked.
_IN_USE, _NOT_YET_LOCKED = ".in-use", ".in-use.new"


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Make a temporary folder whose name begins with `prefix`, and remove it at the end of the block.

    Folders of this prefix that ended processes of this user have left are removed first.
    """
    _remove_abandoned(prefix)
    directory = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    with contextlib.ExitStack() as closed_last, contextlib.ExitStack() as closed_first:
        closed_first.callback(directory.cleanup)
        file = _mark_as_used(Path(directory.name))
        # Another process that finds the folder half removed must find it locked. Windows does not remove open files.
        (closed_last if file_locks.RENAMES_OPEN_FILES else closed_first).enter_context(file)
        yield Path(directory.name)


def _mark_as_used(folder: Path) -> IO[str]:
    """Return the locked file of a folder; it gets its name when it is locked, so that none sees it unlocked."""
    if not file_locks.RENAMES_OPEN_FILES:
        return file_locks.open_locked(folder / _IN_USE)
    file = file_locks.open_locked(folder / _NOT_YET_LOCKED)
    (folder / _NOT_YET_LOCKED).rename(folder / _IN_USE)
    return file


def _remove_abandoned(prefix: str) -> None:
    """Remove folders of the prefix whose process has ended. Best effort: errors are ignored."""
    with contextlib.suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                if _is_own_folder(folder) and (folder / _IN_USE).is_file():
                    with file_locks.open_locked(folder / _IN_USE):
                        shutil.rmtree(folder, ignore_errors=True)


def _is_own_folder(folder: Path) -> bool:
    """Tell whether this user owns a folder; False for a symbolic link."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())
