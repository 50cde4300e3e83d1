"""Detect the files that `fit` writes below the working folder, outside the folders that are compared before and after.

Model files keep weights at paths like `./results`, relative to the folder where the command was started. That folder
may be a large home folder, so it is not searched: Python's audit events report which files this process opens for
writing. Files that native code opens without Python, or that a subprocess writes, are not detected.
"""

import contextlib
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
#: Names of folders, and suffix of log files, that contain no weights.
_NOT_WEIGHTS = frozenset(("__pycache__", "node_modules", "logs"))
_LOG_SUFFIX = ".log"

#: The watchers whose `watching` block is active.
_watchers: list["WrittenFiles"] = []
_hooked = False


class WrittenFiles:
    """A watcher of the files below `folder` that this process opens for writing, except those below `excluded`."""

    def __init__(self, folder: Path, excluded: Collection[Path]) -> None:
        self._folder = Path(os.path.abspath(folder))
        self._excluded = [Path(os.path.abspath(path)) for path in excluded]
        self.opened: set[str] = set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Record the files that this process opens for writing, or renames, during the block."""
        _install()
        _watchers.append(self)
        try:
            yield
        finally:
            _watchers.remove(self)

    def files(self) -> list[Path]:
        """Return the recorded files that exist and may be weights, sorted by path."""
        paths = map(Path, sorted(self.opened))
        return [path for path in paths if self._may_be_weights(path) and path.is_file()]

    def _may_be_weights(self, path: Path) -> bool:
        if not path.is_relative_to(self._folder) or path.suffix == _LOG_SUFFIX:
            return False
        parts = path.relative_to(self._folder).parts
        if any(part.startswith(".") or part in _NOT_WEIGHTS for part in parts):
            return False
        return not any(path.is_relative_to(folder) for folder in self._excluded)


def _install() -> None:
    """Add the audit hook, once in a process, because a hook cannot be removed."""
    global _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(_record_open)


def _record_open(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watchers or event not in ("open", "os.rename"):
        return
    path = arguments[0] if event == "open" else arguments[1]
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITE_FLAGS):
        return
    if not isinstance(path, str | bytes | os.PathLike):
        return  # a file descriptor
    absolute = os.path.abspath(os.fsdecode(path))
    for watcher in _watchers:
        watcher.opened.add(absolute)
