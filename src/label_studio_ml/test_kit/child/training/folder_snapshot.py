"""Files that changed below the backend's folder, whoever wrote them: native code opens files unseen by Python."""

import os
from collections.abc import Collection
from pathlib import Path

from label_studio_ml.user_code.import_scan import INSTALLED

#: The most files that are looked at: a folder of data beside the model may have millions.
_MOST = 20_000

#: Time of the last change and size.
_Stamp = tuple[int, int]


class FolderSnapshot:
    """The files below `folder` at the time when this object is made, without those below `excluded`.

    Hidden files, caches of Python, log files and installed packages do not count.
    """

    def __init__(self, folder: Path, excluded: Collection[Path] = ()) -> None:
        self._folder = folder.resolve()
        self._excluded = {path.resolve() for path in excluded}
        self._before = self._stamps()

    def changed(self) -> list[str]:
        """Return the paths of files that are new, or were written, since; none in a folder with very many files."""
        if len(self._before) >= _MOST:
            return []
        now = self._stamps()
        return [path for path, stamp in now.items() if self._before.get(path) != stamp]

    def _stamps(self) -> dict[str, _Stamp]:
        stamps: dict[str, _Stamp] = {}
        for folder, names, files in os.walk(self._folder):
            names[:] = sorted(
                name for name in names if is_weight(name) and not self._is_left_out(folder, name)
            )
            for name in sorted(files):
                if len(stamps) >= _MOST:
                    return stamps
                if is_weight(name):
                    path = os.path.join(folder, name)
                    stamps |= _stamp(path)
        return stamps

    def _is_left_out(self, folder: str, name: str) -> bool:
        return name in INSTALLED or Path(folder, name) in self._excluded


def is_weight(name: str) -> bool:
    """Tell whether a file or folder of this name may hold what `fit` has learnt."""
    return not name.startswith(".") and name != "__pycache__" and not name.endswith(".log")


def _stamp(path: str) -> dict[str, _Stamp]:
    try:
        status = os.stat(path)
    except OSError:
        return {}
    return {path: (status.st_mtime_ns, status.st_size)}
