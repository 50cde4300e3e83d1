"""Fetch the files of many tasks in parallel."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.support import arguments

#: Default number of files that are fetched at the same time.
WORKERS = 8
#: How many entries `fetch_ahead` reads ahead, as a multiple of its workers.
_AHEAD = 2

EntryT = TypeVar("EntryT")


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


def fetch_ahead(
    files: FileAccess, entries: Iterable[tuple[EntryT, Any, Sequence[str]]], *, workers: int = WORKERS
) -> Iterator[tuple[EntryT, list[FetchedFile]]]:
    """Yield each entry with its files, in order, while the files of the next entries are fetched.

    An entry comes with the id of its task and the URLs of its files, of which there may be none. At most `workers`
    files are fetched at the same time, and at most twice as many entries are in memory. A file that cannot be fetched
    is reported in its result. An iteration that ends early starts no further fetches, and does not wait for those that
    are in progress. Raises ValueError if `workers` is invalid.
    """
    worker_count = arguments.count("workers", workers)
    pool = ThreadPoolExecutor(worker_count, "fetch")
    waiting: deque[tuple[EntryT, list[Future[FetchedFile]]]] = deque()
    try:
        for entry, task_id, urls in entries:
            waiting.append((entry, [pool.submit(_fetch_url, files, task_id, url) for url in urls]))
            del entry  # only `waiting` keeps what is not yielded yet
            if len(waiting) >= _AHEAD * worker_count:
                yield _finished(waiting.popleft())
        while waiting:
            yield _finished(waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _finished(entry: tuple[EntryT, list[Future[FetchedFile]]]) -> tuple[EntryT, list[FetchedFile]]:
    return entry[0], [future.result() for future in entry[1]]


def _fetch(files: FileAccess, task: Mapping[str, Any], key: str) -> FetchedFile:
    data = task.get("data")
    url = data.get(key) if isinstance(data, Mapping) else None
    if isinstance(url, str):
        return _fetch_url(files, task.get("id"), url)
    error = FileFetchError(f"It has no URL in its data under {key!r}", field=key)
    return FetchedFile(task.get("id"), "", error=error_of_task(error, task.get("id")))


def _fetch_url(files: FileAccess, task_id: Any, url: str) -> FetchedFile:
    try:
        return FetchedFile(task_id, url, files.local_path(url, task_id=task_id))
    except FileFetchError as error:
        return FetchedFile(task_id, url, error=error_of_task(error, task_id))


def error_of_task(error: FileFetchError, task_id: Any) -> FileFetchError:
    """Return the error with the task's id in its message."""
    of_task = FileFetchError(f"Task {task_id}: {error.message}", fix=error.fix, field=error.field)
    of_task.__cause__ = error
    return of_task
