"""Tell whether files of a folder were read, by native code too: by the times of access that the file system keeps."""

import os
from collections.abc import Iterator
from pathlib import Path

#: Name of the file that tells whether the file system keeps times of access.
_PROBE = ".access-time-probe"


class FileReads:
    """The files below `folder`, whose times of access are set back when this object is made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_kept = _keeps_access_times(folder)
        for path in self._files():
            _set_back(path)

    def happened(self) -> bool | None:
        """Tell whether any of the files was read since; None if the file system does not keep that."""
        if not self._is_kept:
            return None
        return any(path.stat().st_atime_ns for path in self._files())

    def _files(self) -> Iterator[Path]:
        return (path for path in self._folder.rglob("*") if path.is_file() and not path.is_symlink())


def _keeps_access_times(folder: Path) -> bool:
    """Try it with a file: file systems may be mounted without times of access."""
    probe = folder / _PROBE
    probe.write_bytes(b"probe")
    try:
        _set_back(probe)
        probe.read_bytes()
        return probe.stat().st_atime_ns != 0
    finally:
        probe.unlink()


def _set_back(path: Path) -> None:
    """Set the time of access before that of the last change, so that the next read updates it (`relatime`)."""
    os.utime(path, ns=(0, path.stat().st_mtime_ns))
