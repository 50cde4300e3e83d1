"""What a request of the view is about: a project or a pasted label config, and a task."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from label_studio_ml import samples
from label_studio_ml.config.settings import Settings
from label_studio_ml.controls import Controls, controls_of
from label_studio_ml.dashboard.page_request import PageRequest
from label_studio_ml.dashboard.trial.project_tasks import MAX_TASK, ProjectTasks
from label_studio_ml.dashboard.trial.trial_files import file_references
from label_studio_ml.errors import BodyTooLarge, ReadOnlyLogin, RequestError, UnknownProject
from label_studio_ml.model_calls.project_login import studio_login
from label_studio_ml.protocol.requests import ANONYMOUS, parse_object
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.web.large_bodies import Limit, check
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.threads import Threads

#: The largest body of a request in bytes, and the most values in it.
MAX_BODY, VALUES = 2 * MAX_TASK, Limit(200_000, 2_000_000)
#: Bodies up to this size are parsed at once, larger ones in a thread.
_SMALL = 64 << 10
#: The most sample tasks that are made from a label config: making number n makes those before it, too.
MAX_SAMPLES = 20

_OWN_TASK = 'Give the data of a task, such as {"text": "…"}, or the whole task, {"data": {…}}'


@dataclass(frozen=True, slots=True)
class Subject:
    """A project with its controls. `pasted`: the label config comes from the page, not from Label Studio."""

    project: Project
    controls: Controls
    pasted: bool = False


class TrialSubjects:
    """Finds projects, label configs and tasks that requests name. `threads` are those for calls of Label Studio."""

    def __init__(self, settings: Settings, projects: ProjectRegistry, threads: Threads) -> None:
        self._settings = settings
        self._projects = projects
        self._threads = threads

    async def project(self, uid: str) -> Project:
        """Return the project with a uid. Raises UnknownProject."""
        project = await self._projects.find(uid) if uid else None
        if project is None:
            raise UnknownProject(
                f"The project {uid!r:.100} is not known here",
                fix="Connect it with label-studio-ml connect",
                field="project",
            )
        return project

    async def subject(self, uid: str, label_config: str = "") -> Subject:
        """Return the project `uid` with its label config, else `label_config` with no project. Raises BackendError."""
        project = await self.project(uid) if uid else Project(uid=ANONYMOUS)
        pasted = bool(label_config) and not project.label_config
        if pasted:
            project = msgspec.structs.replace(project, label_config=label_config)
        controls = await asyncio.to_thread(controls_of, project.label_config)
        return Subject(project, controls, pasted)

    async def subject_of(self, fields: dict[str, Any]) -> Subject:
        """Return the subject of a request's fields `project` and `label_config`. Raises BackendError."""
        return await self.subject(_text(fields, "project"), _text(fields, "label_config"))

    async def task(self, request: PageRequest, fields: dict[str, Any], subject: Subject) -> dict[str, Any]:
        """Return the task that a request's fields name: `task_id`, `sample` (from 1) or `task`. Raises BackendError.

        A task or label config of the page's own may name no files unless its user is an operator: this server would
        fetch them, and with Label Studio's token.
        """
        task, own = await self._task(fields, subject)
        if not request.session.operator and (own or subject.pasted):
            url, _ = studio_login(subject.project, self._settings)
            if await asyncio.to_thread(_names_files, subject.controls, task, url, own=own):
                raise ReadOnlyLogin(
                    f"{request.session.name} may not try own tasks or label configs that name files or addresses",
                    fix="Choose a task of the project, or log in as the user in BASIC_AUTH_USER",
                    field="task",
                )
        return task

    async def _task(self, fields: dict[str, Any], subject: Subject) -> tuple[dict[str, Any], bool]:
        """Return the task that a request's fields name, and whether it comes from the page. Raises BackendError."""
        if (task_id := fields.get("task_id")) is not None:
            number = _number(task_id, "task_id", 1 << 53)
            tasks = ProjectTasks(subject.project, self._settings)
            return await self._threads.run(tasks.task, number), False
        if (sample := fields.get("sample")) is not None:
            number = _number(sample, "sample", MAX_SAMPLES)
            return await self._threads.run(_sample, subject.project.label_config, number), False
        return _own_task(fields.get("task")), True


async def fields_of(request: PageRequest) -> dict[str, Any]:
    """Return the JSON object of a request's body; large ones are parsed in a thread. Raises RequestError."""
    body = request.call.body
    if len(body) <= _SMALL:
        return parse_object(body)
    if len(body) > MAX_BODY:
        raise BodyTooLarge(
            f"The task is larger than {MAX_TASK >> 20} MiB", fix="Try a smaller one", field="task"
        )
    return await asyncio.to_thread(_parse, body)


def _parse(body: bytes) -> dict[str, Any]:
    check(body, VALUES)
    return parse_object(body)


def _names_files(controls: Controls, task: Mapping[str, Any], studio_url: str, *, own: bool) -> bool:
    """Return whether the data of an `own` task, or a text that the label config makes of any task, may name a file."""
    if own and file_references(task["data"], studio_url):
        return True
    for item in controls.objects:
        if item.field:  # it shows a field of the data as it is
            continue
        with contextlib.suppress(KeyError):
            if file_references(item.value(task), studio_url):
                return True
    return False


def _own_task(value: Any) -> dict[str, Any]:
    """Return a pasted task with id, data, annotations and predictions. Raises RequestError."""
    if not isinstance(value, dict):
        raise RequestError("task must be a JSON object", fix=_OWN_TASK, field="task")
    if "data" not in value:
        value = {"data": value}
    if not isinstance(value["data"], dict):
        raise RequestError("task.data must be a JSON object", fix=_OWN_TASK, field="task.data")
    for name in ("annotations", "predictions"):
        entries = value.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise RequestError(f"task.{name} must be a list of objects", fix=_OWN_TASK, field=f"task.{name}")
    return {"id": 1, "annotations": [], "predictions": [], **value}


def _sample(label_config: str, number: int) -> dict[str, Any]:
    return {**samples.tasks(label_config, number)[-1], "annotations": [], "predictions": []}


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name) or ""
    if not isinstance(value, str):
        raise RequestError(f"{name} must be a text", field=name)
    return value


def _number(value: Any, name: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise RequestError(f"{name} must be a whole number from 1 to {most}", field=name)
    return value
