"""A file of predicted regions by task, of which only a few are needed in the end."""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.errors import VersionError
from label_studio_ml.storage.disk_errors import disk_fix


class PredictedRegions:
    """Predicted regions in the file `path`, a line of JSON for each task.

    Every method raises VersionError if the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._explaining("written"):
            path.write_bytes(b"")

    def add(self, task: int, regions: list[Any]) -> None:
        """Add the regions of a task. Those that were added last count."""
        with self._explaining("written"), self._path.open("ab") as file:
            file.write(msgspec.json.encode((task, regions)) + b"\n")

    def of(self, tasks: Collection[int | None]) -> dict[int, list[Any]]:
        """Return the regions of these tasks, as far as they were added."""
        by_task: dict[int, list[Any]] = {}
        with self._explaining("read"), self._path.open("rb") as lines:
            for line in lines:
                task, regions = msgspec.json.decode(line, type=tuple[int, list[Any]])
                if task in tasks:
                    by_task[task] = regions
        return by_task

    @contextlib.contextmanager
    def _explaining(self, done: str) -> Iterator[None]:
        """Raise VersionError with what to do about the disk in the place of an OSError."""
        try:
            yield
        except OSError as error:
            fix = disk_fix(error, self._path.parent, f"Check the rights on {self._path.parent}, and its disk")
            raise VersionError(f"Predicted regions cannot be {done}: {error}", fix=fix) from error
