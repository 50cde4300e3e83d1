"""Prepare the next tasks of a project while the models are idle: call the class's `prewarm` for each of them.

The tasks that follow the one of the last interactive request are prepared one after the other, in a model process, as
long as no request is in flight. A call that has begun is not interrupted: with a single process, a request that arrives
meanwhile waits for its end.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, ModelProcessDied
from label_studio_ml.model_calls.predictor import Request
from label_studio_ml.model_calls.project_login import studio_arguments
from label_studio_ml.serving.registry.daemon_thread import in_daemon_thread
from label_studio_ml.serving.registry.loaded_model import LoadedModel
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.serving.requests.queue_item import RunnerClosed
from label_studio_ml.versions.state.project_state import Project

logger = logging.getLogger(__name__)

#: Seconds without a request in flight after which the models count as idle, and seconds between two looks.
IDLE_AFTER, INTERVAL = 1.0, 0.1
#: Tasks that are remembered as prepared.
REMEMBERED = 10_000

#: Returns at most so many tasks of a project that follow the task with this id.
NextTasks = Callable[[Project, int, int], list[dict[str, Any]]]


class _TaskId(msgspec.Struct):
    id: int | None = None


class Prewarming:
    """Prepares `count` tasks (0: none) after the one that was asked for last; `next_tasks` runs in a daemon thread."""

    def __init__(self, registry: ModelRegistry, count: int, next_tasks: NextTasks) -> None:
        self._registry = registry
        self._count = count
        self._next_tasks = next_tasks
        self._wanted: tuple[LoadedModel, int] | None = None
        self._running: asyncio.Task[None] | None = None
        self._prepared: OrderedDict[Hashable, None] = OrderedDict()
        self._last: tuple[Hashable, int] | None = None
        self._logged: set[str] = set()

    def after(self, model: LoadedModel, task: bytes) -> None:
        """Prepare the tasks after `task` (a JSON object), which an interactive request was about, by `model`."""
        info = self._registry.info
        if not self._count or info is None or not info.prewarms:
            return
        try:
            task_id = msgspec.json.decode(task, type=_TaskId).id
        except msgspec.MsgspecError:
            return
        if task_id is None or (model.key, task_id) == self._last:
            return
        self._wanted = (model, task_id)
        if self._running is None or self._running.done():
            self._running = self._registry.processes.spawn(self._run())

    async def close(self) -> None:
        """Stop; a call in progress is left to its process."""
        self._wanted = None
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        while (wanted := self._wanted) is not None:
            model, task_id = wanted
            try:
                await self._prepare_after(model, task_id)
            except (BackendError, OSError) as error:
                self._log(f"Project {model.project.uid}: tasks are not prepared: {error}")
            if self._wanted == wanted:
                self._last, self._wanted = (model.key, task_id), None

    async def _prepare_after(self, model: LoadedModel, task_id: int) -> None:
        """Prepare the tasks after `task_id`, until another task is asked for or `model` is replaced.

        Raises BackendError and OSError.
        """
        await self._idle()
        # Label Studio may take minutes to answer, and a shutdown must not wait for it.
        next_tasks = await in_daemon_thread(
            "next tasks", self._next_tasks, model.project, task_id, self._count
        )
        for task in next_tasks:
            while (model.key, task["id"]) not in self._prepared:
                await self._idle()
                if (
                    self._wanted != (model, task_id)
                    or self._registry.current_model(model.project) is not model
                ):
                    return
                await self._prepare(model, task)

    async def _idle(self) -> None:
        """Wait until no request has been in flight for `IDLE_AFTER` seconds."""
        quiet = 0.0
        while quiet < IDLE_AFTER:
            await asyncio.sleep(INTERVAL)
            quiet = 0.0 if self._registry.in_flight else quiet + INTERVAL

    async def _prepare(self, model: LoadedModel, task: dict[str, Any]) -> None:
        """Let the model prepare a task, unless a request comes first. Raises BackendError."""
        payload = Request(msgspec.json.encode([task]), b"{}", prewarm=True)
        model.in_flight += 1
        try:
            answer = await model.process.batcher.submit(
                (model.number, b"{}", None),
                payload,
                weight=len(payload.tasks),
                bulk=True,
                gone=lambda: self._registry.in_flight > 1,
            )
        except RunnerClosed:
            return
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return
        except ModelProcessDied:
            if model.process.runner.ended.done():
                self._registry.models.withdraw(model)
            self._remember(model, task)  # not to end another process
            raise
        finally:
            self._registry.models.leave(model)
        self._remember(model, task)
        if answer.error:
            cause = f"Project {model.project.uid}: prewarm failed: {answer.error}"
            self._log(cause, f"{cause} (task {task['id']})")

    def _remember(self, model: LoadedModel, task: dict[str, Any]) -> None:
        self._prepared[(model.key, task["id"])] = None
        if len(self._prepared) > REMEMBERED:
            self._prepared.popitem(last=False)

    def _log(self, cause: str, message: str = "") -> None:
        """Log `message`, by default `cause`, as a warning, once for each cause, of at most 100 causes."""
        if cause not in self._logged and len(self._logged) < 100:
            self._logged.add(cause)
            logger.warning("%s", message or cause)


def unlabelled_tasks(settings: Settings, project: Project, after: int, count: int) -> list[dict[str, Any]]:
    """Return at most `count` tasks of a project without annotations and with ids above `after`, by ascending id.

    Label Studio hands out tasks in this order if the project has sequential sampling. Raises StudioError.
    """
    from label_studio_ml.studio.resources import task_filters
    from label_studio_ml.studio.resources.tasks import TaskResource
    from label_studio_ml.studio.transport.api_client import ApiClient
    from label_studio_ml.studio.transport.http import Http
    from label_studio_ml.support.texts import whole_number

    number = whole_number(project.project_id)
    if number is None:
        return []
    login = studio_arguments(project, settings, instead="set PREWARM=0")
    api = ApiClient(Http(**login))
    try:
        conditions = [task_filters.parse("total_annotations = 0")]
        return TaskResource(api).page(number, conditions, after=after, size=count).tasks[:count]
    finally:
        api.close()
