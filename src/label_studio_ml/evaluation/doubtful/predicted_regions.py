"""A file of predicted regions by task, of which only a few are needed in the end."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec


class PredictedRegions:
    """Predicted regions in the file `path`, a line of JSON for each task."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_bytes(b"")

    def add(self, task: int, regions: list[Any]) -> None:
        """Add the regions of a task. Those that were added last count."""
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode((task, regions)) + b"\n")

    def of(self, tasks: Collection[int | None]) -> dict[int, list[Any]]:
        """Return the regions of these tasks, as far as they were added."""
        found: dict[int, list[Any]] = {}
        with self._path.open("rb") as lines:
            for line in lines:
                task, regions = msgspec.json.decode(line, type=tuple[int, list[Any]])
                if task in tasks:
                    found[task] = regions
        return found
