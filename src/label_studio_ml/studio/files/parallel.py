"""Fetch the files of many tasks in parallel."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.support import arguments

#: Default number of files that are fetched at the same time.
WORKERS = 8


@dataclass(frozen=True, slots=True)
class FetchedFile(os.PathLike[str]):
    """The local copy of one task's file, or the error if it could not be fetched.

    `path` is the copy's path, empty if there is an `error`. The object is path-like (for `open`, `Image.open`); using
    it as a path raises `error` if there is one.
    """

    task_id: Any
    url: str
    path: str = ""
    error: FileFetchError | None = None

    @property
    def ok(self) -> bool:
        """Whether the file was fetched."""
        return self.error is None

    def __fspath__(self) -> str:
        if self.error is not None:
            raise self.error
        return self.path


def fetch_all(
    files: FileAccess, tasks: Sequence[Mapping[str, Any]], key: str, *, workers: int = WORKERS
) -> list[FetchedFile]:
    """Fetch `task["data"][key]` of each task, `workers` at a time; return one result per task, in order.

    A file that cannot be fetched is reported in its result. Raises ValueError if an argument is invalid.
    """
    checked_tasks = arguments.tasks("tasks", tasks)
    name = arguments.text("key", key, "the name of a field of the tasks' data").removeprefix("$")
    worker_count = arguments.count("workers", workers)
    if not checked_tasks:
        return []
    with ThreadPoolExecutor(min(worker_count, len(checked_tasks)), "fetch") as pool:
        return list(pool.map(lambda task: _fetch(files, task, name), checked_tasks))


def _fetch(files: FileAccess, task: Mapping[str, Any], key: str) -> FetchedFile:
    task_id = task.get("id")
    data = task.get("data")
    url = data.get(key) if isinstance(data, Mapping) else None
    try:
        if not isinstance(url, str):
            raise FileFetchError(f"It has no URL in its data under {key!r}", field=key)
        return FetchedFile(task_id, url, files.local_path(url, task_id=task_id))
    except FileFetchError as error:
        error_of_task = FileFetchError(f"Task {task_id}: {error.message}", fix=error.fix, field=error.field)
        error_of_task.__cause__ = error
        return FetchedFile(task_id, url if isinstance(url, str) else "", error=error_of_task)
