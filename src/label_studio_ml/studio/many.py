"""Fetching the files of many tasks at once."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from label_studio_ml import arguments
from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.files import FileAccess

#: Files that are fetched at the same time, unless said otherwise.
WORKERS = 8


@dataclass(frozen=True, slots=True)
class FetchedFile(os.PathLike[str]):
    """The local copy of one task's file, or why there is none.

    `path` is the copy's path, empty where `error` says what went wrong. It can be passed where a path can
    (`open`, `Image.open`); that raises `error` if there is one.
    """

    task_id: Any
    url: str
    path: str = ""
    error: FileFetchError | None = None

    @property
    def ok(self) -> bool:
        """Whether the file is there."""
        return self.error is None

    def __fspath__(self) -> str:
        if self.error is not None:
            raise self.error
        return self.path


def fetch_all(
    files: FileAccess, tasks: Sequence[Mapping[str, Any]], key: str, *, workers: int = WORKERS
) -> list[FetchedFile]:
    """Fetch `task["data"][key]` of each task, `workers` at a time; one result per task, in order.

    Raises ValueError if an argument is of the wrong kind.
    """
    several = arguments.tasks("tasks", tasks)
    name = arguments.text("key", key, "the name of a field of the tasks' data").removeprefix("$")
    at_once = arguments.count("workers", workers)
    if not several:
        return []
    with ThreadPoolExecutor(min(at_once, len(several)), "fetch") as pool:
        return list(pool.map(lambda task: _fetch(files, task, name), several))


def _fetch(files: FileAccess, task: Mapping[str, Any], key: str) -> FetchedFile:
    task_id = task.get("id")
    data = task.get("data")
    url = data.get(key) if isinstance(data, Mapping) else None
    try:
        if not isinstance(url, str):
            raise FileFetchError(f"It has no URL in its data under {key!r}", field=key)
        return FetchedFile(task_id, url, files.local_path(url, task_id=task_id))
    except FileFetchError as error:
        named = FileFetchError(f"Task {task_id}: {error.message}", fix=error.fix, field=error.field)
        return FetchedFile(task_id, url if isinstance(url, str) else "", error=named)
