"""Models of versions that are not served, each in a process of its own, loaded while somebody tries them."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import DeadlineExceeded, Overloaded
from label_studio_ml.processes.process_table import resident_memory
from label_studio_ml.serving.offline_model import OfflineModel, Outcome
from label_studio_ml.serving.registry.loaded_model import key_of
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)

#: The most such models, and the seconds after which an unused one is closed: each takes the memory of a served model.
MAX_MODELS, IDLE = 2, 300.0
#: Seconds that the page waits for a model to be built and to answer. It goes on loading after that.
PATIENCE = 90.0

MakeModel = Callable[[Settings, Project, Manifest | None], OfflineModel]


@dataclass(eq=False)
class _Trial:
    """A model on trial. `users` are the calls that run; `used` is the time of the last one, by `time.monotonic`."""

    project: Project
    model: OfflineModel
    users: int = 0
    used: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None


class TrialModels:
    """At most `most` models, each closed after `idle` seconds without use. All who try a version share its model.

    Lives on one event loop.
    """

    def __init__(
        self,
        settings: Settings,
        make: MakeModel = OfflineModel,
        *,
        most: int = MAX_MODELS,
        idle: float = IDLE,
        patience: float = PATIENCE,
    ) -> None:
        self._settings = dataclasses.replace(settings, model_workers=1)
        self._make = make
        self._most, self._idle, self._patience = most, idle, patience
        self._trials: dict[Hashable, _Trial] = {}
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def is_loaded(self, project: Project, manifest: Manifest | None) -> bool:
        """Return whether a version has a model here."""
        return key_of(project, manifest) in self._trials

    def describe(self) -> list[dict[str, Any]]:
        """Return the models as JSON values: project, version, memory in bytes (None if unknown), seconds unused."""
        now = time.monotonic()
        return [
            {
                "project": trial.project.uid,
                "version": trial.model.version,
                "memory": resident_memory(trial.model.pid) if trial.model.pid else None,
                "unused": 0 if trial.users else round(now - trial.used),
            }
            for trial in self._trials.values()
        ]

    async def ask(
        self,
        project: Project,
        manifest: Manifest | None,
        task: Mapping[str, Any],
        params: bytes,
        *,
        interactive: bool = False,
    ) -> tuple[str, Outcome]:
        """Return the version's name and its outcome for a task, loading the version if need be.

        Raises Overloaded if all models are in use, DeadlineExceeded if the answer takes too long, ModelError or
        ModelProcessDied if the model cannot be built.
        """
        work = asyncio.create_task(self._ask(project, manifest, task, params, interactive=interactive))
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)
        work.add_done_callback(_retrieve)
        done, _ = await asyncio.wait([work], timeout=self._patience)
        if not done:
            raise DeadlineExceeded(
                f"The version did not answer within {self._patience:.0f} s",
                fix="It goes on loading: try again in a minute",
            )
        return work.result()

    async def close(self) -> None:
        """End all models."""
        self._closed = True
        for work in list(self._tasks):
            work.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        for key in list(self._trials):
            await self._remove(key)

    async def _ask(
        self,
        project: Project,
        manifest: Manifest | None,
        task: Mapping[str, Any],
        params: bytes,
        *,
        interactive: bool,
    ) -> tuple[str, Outcome]:
        key = key_of(project, manifest)
        trial = await self._enter(key, project, manifest)
        try:
            (outcome,) = await trial.model.ask([task], params, interactive=interactive)
            return trial.model.version, outcome
        finally:
            await self._leave(key, trial)

    async def _enter(self, key: Hashable, project: Project, manifest: Manifest | None) -> _Trial:
        """Return the model of `key` with one more user, after closing another one if there are too many."""
        async with self._opening:
            trial = self._trials.get(key)
            if trial is None:
                if self._closed:
                    raise Overloaded("The backend is shutting down")
                await self._make_room()
                trial = self._trials[key] = _Trial(project, self._make(self._settings, project, manifest))
            trial.users += 1
            if trial.timer is not None:
                trial.timer.cancel()
                trial.timer = None
            return trial

    async def _make_room(self) -> None:
        """Close the model that was not used for the longest time if there are `most`. Raises Overloaded."""
        if len(self._trials) < self._most:
            return
        idle = [(trial.used, key) for key, trial in self._trials.items() if not trial.users]
        if not idle:
            raise Overloaded(
                f"{self._most} other versions are being tried on this server",
                fix="Try again when they are done",
            )
        await self._remove(min(idle, key=lambda pair: pair[0])[1])

    async def _leave(self, key: Hashable, trial: _Trial) -> None:
        """Record the end of a call. A model that could not be built is forgotten at once, others after a while."""
        trial.users -= 1
        trial.used = time.monotonic()
        if trial.users or self._trials.get(key) is not trial:
            return
        if trial.model.info is None:
            await self._remove(key)
            return
        loop = asyncio.get_running_loop()
        trial.timer = loop.call_later(self._idle, self._expire, key, trial)

    def _expire(self, key: Hashable, trial: _Trial) -> None:
        if self._trials.get(key) is trial and not trial.users:
            logger.info("Version %s is no longer tried: its model process is ended", trial.model.version)
            work = asyncio.get_running_loop().create_task(self._remove(key))
            self._tasks.add(work)
            work.add_done_callback(self._tasks.discard)

    async def _remove(self, key: Hashable) -> None:
        trial = self._trials.pop(key, None)
        if trial is not None:
            if trial.timer is not None:
                trial.timer.cancel()
            await trial.model.close()


def _retrieve(work: "asyncio.Task[Any]") -> None:
    """Take a task's exception, which nobody may be waiting for any more."""
    if not work.cancelled():
        work.exception()
