"""The tasks of a project, read from its Label Studio for the page. All methods block."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import RequestError, StudioError
from label_studio_ml.model_calls.project_login import studio_arguments
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.tasks import TASK_FIELDS, TaskResource
from label_studio_ml.studio.transport.api_client import ApiClient
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.support.texts import whole_number
from label_studio_ml.versions.state.project_state import Project

#: Tasks of one page of the list.
PAGE = 20
#: Seconds that Label Studio has for an answer: a person waits for it.
READ_TIMEOUT = 20.0
#: The most bytes of a task as JSON; of a larger one, annotations and predictions are left out.
MAX_TASK = 8 << 20
#: The longest text of a task in the list, in characters.
MAX_TEXT = 100

_INSTEAD = "paste a task instead"
T = TypeVar("T")


class ProjectTasks:
    """The tasks of one project. Methods raise StudioError if Label Studio cannot be used, RequestError for its id."""

    def __init__(self, project: Project, settings: Settings) -> None:
        self._project = project
        self._settings = settings

    def page(self, number: int, task_id: int | None = None) -> dict[str, Any]:
        """Return page `number` (from 1) of the tasks by id, or the task with the id alone: `tasks` and `total`."""
        conditions = [] if task_id is None else [task_filters.among([task_id])]
        with self._tasks() as (tasks, project):
            try:
                page = tasks.page(project, conditions, number=number, size=PAGE)
            except StudioError as error:
                if error.status != 404 or number == 1:
                    raise
                return {"tasks": [], "total": 0, "page": number, "size": PAGE}
        return {
            "tasks": [_entry(task) for task in page.tasks],
            "total": page.total,
            "page": number,
            "size": PAGE,
        }

    def task(self, task_id: int) -> dict[str, Any]:
        """Return a task with its annotations and predictions. Raises RequestError if the project has none of this id.

        Label Studio is not led to ask its backend for a prediction, as it would be by opening the task.
        """
        with self._tasks() as (tasks, project):
            task = tasks.first(project, [task_filters.among([task_id])])
        if task is None:
            raise RequestError(
                f"The project has no task {task_id}", fix="Choose one of its tasks", field="task"
            )
        return bounded(task)

    def neighbour(self, task_id: int, direction: str) -> int | None:
        """Return the id of the `next` or `previous` task, by id; None if there is none."""
        with self._tasks() as (tasks, project):
            if direction == "next":
                found = tasks.page(project, after=task_id, size=1).tasks
                return int(found[0]["id"]) if found else None
            before = [task_filters.upto(task_id - 1)]
            count = tasks.page(project, before, size=1).total
            return tasks.nth(project, before, count) if count else None

    def any_task(self, choose: Callable[[int], int] = random.randrange) -> int | None:
        """Return the id of any task, None if the project has no tasks. `choose(n)` returns a number from 0 to n-1."""
        with self._tasks() as (tasks, project):
            count = tasks.page(project, size=1).total
            return tasks.nth(project, [], choose(count) + 1) if count else None

    @contextmanager
    def _tasks(self) -> Iterator[tuple[TaskResource, int]]:
        """Yield the tasks of the project's Label Studio, and the project's id there."""
        number = whole_number(self._project.project_id)
        if number is None:
            raise RequestError(
                f"{self._project.uid!r} is not a project of Label Studio", fix=_INSTEAD, field="project"
            )
        arguments = studio_arguments(self._project, self._settings, instead=_INSTEAD)
        private = self._settings.files.private
        http = Http(**arguments, read_timeout=READ_TIMEOUT, private=private)
        try:
            yield TaskResource(ApiClient(http)), number
        finally:
            http.close()


def bounded(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task with the fields that a backend gets, without drafts.

    If it has more than `MAX_TASK` bytes, it has no annotations and no predictions, and `left_out` says so. Raises
    RequestError if it is too large even then.
    """
    names = ("id", "annotations", "predictions", *TASK_FIELDS)
    kept = {name: task[name] for name in names if name in task}
    if len(msgspec.json.encode(kept)) <= MAX_TASK:
        return kept
    kept |= {"annotations": [], "predictions": []}
    if len(msgspec.json.encode(kept)) > MAX_TASK:
        raise RequestError(
            f"Task {task.get('id')} is larger than {MAX_TASK >> 20} MiB",
            fix="Choose another task",
            field="task",
        )
    return {**kept, "left_out": "annotations and predictions, which are too large for this page"}


def _entry(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the list shows of a task."""
    counts = {name: task.get(name) or 0 for name in ("total_annotations", "total_predictions")}
    return {"id": task["id"], "text": _text(task.get("data")), **counts}


def _text(data: Any) -> str:
    """Return the first text or number in a task's data, cut."""
    values = data.values() if isinstance(data, Mapping) else ()
    for value in values:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            text = str(value)[: MAX_TEXT + 1] if isinstance(value, str) else repr(value)[: MAX_TEXT + 1]
            return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    return ""
