"""The labelled tasks that a `fit` iterates over."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.studio.client import StudioClient


class LabelledTasks:
    """A project's labelled tasks: iterate over it as often as you like, nothing is held in memory.

    Each item is a task as in Label Studio's JSON export: `id`, `data`, `annotations` (those that were not skipped, each
    with `result`). `source` says where they are read from.
    """

    def __init__(
        self, read: Callable[[], Iterator[dict[str, Any]]], source: str, count: int | None = None
    ) -> None:
        self._read = read
        self._count = count
        self.source = source

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for task in self._read():
            kept = [one for one in task.get("annotations") or [] if not one.get("was_cancelled")]
            if kept:
                # The oldest helpers call annotations "completions".
                yield {**task, "annotations": kept, "completions": kept}

    def __len__(self) -> int:
        if self._count is None:
            self._count = sum(1 for _ in self)
        return self._count

    def __bool__(self) -> bool:
        return len(self) > 0


def from_studio(client: StudioClient, project_id: str) -> LabelledTasks:
    """Return the project's labelled tasks, read page by page from Label Studio. Raises StudioError if it says no."""
    count = client.count_labelled(project_id)
    return LabelledTasks(lambda: client.labelled_tasks(project_id), "Label Studio", count)


def from_delivered(path: Path) -> LabelledTasks:
    """Return the labelled tasks in the file `path`, one JSON object a line, that webhooks delivered."""

    def read() -> Iterator[dict[str, Any]]:
        with path.open("rb") as lines:
            for line in lines:
                yield msgspec.json.decode(line)

    return LabelledTasks(read, "webhook events")
