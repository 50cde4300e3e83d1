"""One loaded model, and the states that it passes through."""

import asyncio
import enum
import logging
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from label_studio_ml.errors import (
    BackendError,
    ModelError,
    ModelFileError,
    ModelLoadError,
    ModelProcessDied,
    NoLabelConfig,
    Overloaded,
    ParamsError,
)
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.serving.registry.serving_process import ServingProcess
from label_studio_ml.serving.requests.queue_item import RunnerClosed
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)


class ModelState(enum.Enum):
    """States of a loaded model; `TRANSITIONS` lists the changes between them.

      LOADING ──▶ LOADED ──▶ SUPERSEDED ──▶ WITHDRAWN ──▶ REMOVED
         └──────▶ FAILED ────────┴──────────────▲

    A model may also be superseded or withdrawn while it loads, and withdrawn without being superseded.
    """

    #: Its process builds it; the requests for it wait.
    LOADING = enum.auto()
    #: It answers requests.
    LOADED = enum.auto()
    #: It could not be built; a later request loads it again.
    FAILED = enum.auto()
    #: Its process is to end: the next request loads its successor, and it answers until that is loaded.
    SUPERSEDED = enum.auto()
    #: No further request is sent to it; those that wait or run are answered, then it is removed.
    WITHDRAWN = enum.auto()
    #: Its process was sent Unload, ends, or removes it when it loads the successor.
    REMOVED = enum.auto()


TRANSITIONS: dict[ModelState, tuple[ModelState, ...]] = {
    ModelState.LOADING: (
        ModelState.LOADED,
        ModelState.FAILED,
        ModelState.SUPERSEDED,
        ModelState.WITHDRAWN,
    ),
    ModelState.LOADED: (ModelState.SUPERSEDED, ModelState.WITHDRAWN),
    ModelState.FAILED: (ModelState.SUPERSEDED, ModelState.WITHDRAWN),
    ModelState.SUPERSEDED: (ModelState.WITHDRAWN,),
    ModelState.WITHDRAWN: (ModelState.REMOVED,),
    ModelState.REMOVED: (),
}


@dataclass(slots=True, eq=False)
class LoadedModel:
    """One model that is loaded or loading. `ready` gets the outcome of loading: the version's name or an error.

    `number` identifies it in its process. `retried`: its process died when it was loaded before. `renamed` is the
    name that `predict` has given to the version since it was loaded, if any. `in_flight` is the number of requests
    that wait for it or run; `idle` is set when the last of them ends. `holds` is the number of tasks that it tracks
    something for (see `held_models`). `loaded_at` is the Unix time when loading ended well, 0.0 before; `last_request`
    that of the end of its last request.
    """

    number: int
    key: Hashable
    project: Project
    manifest: Manifest | None
    process: ServingProcess
    retried: bool = False
    state: ModelState = ModelState.LOADING
    ready: "asyncio.Future[str]" = field(default_factory=lambda: _future(), repr=False)
    in_flight: int = 0
    holds: int = 0
    failed_at: float = 0.0
    renamed: str = ""
    loaded_at: float = 0.0
    last_request: float = 0.0
    idle: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def enter(self, state: ModelState) -> bool:
        """Change the state and return True; return False, and keep the state, if there is no such transition."""
        if state not in TRANSITIONS[self.state]:
            return False
        self.state = state
        return True

    @property
    def loaded(self) -> bool:
        """Whether its process has built it."""
        return self.ready.done() and self.ready.exception() is None

    @property
    def usable(self) -> bool:
        """Whether its process has built it and accepts requests."""
        return self.loaded and self.process.usable

    @property
    def version(self) -> str:
        """The version's name; only valid for a loaded model."""
        return self.renamed or self.ready.result()

    @property
    def failure(self) -> BaseException | None:
        """The error that loading ended with, or None."""
        return self.ready.exception() if self.ready.done() else None

    @property
    def lost_its_process(self) -> bool:
        """Whether loading ended with the process and is to be retried at once.

        It is whenever the process was ended for another one, but only once if the process died.
        """
        died = isinstance(self.failure, ModelProcessDied) and not self.retried
        return died or isinstance(self.failure, RunnerClosed)

    def to_retry(self, after: float) -> bool:
        """Return whether to load the model again: its process ended, or loading failed `after` seconds ago."""
        if self.failure is None:
            return self.loaded and not self.process.usable
        return self.lost_its_process or time.monotonic() - self.failed_at > after

    def succeed(self, version: str) -> None:
        """Settle `ready` with the version's name, unless it is settled."""
        if not self.ready.done():
            self.enter(ModelState.LOADED)
            self.loaded_at = time.time()
            self.ready.set_result(version)

    def fail(self, error: Exception) -> None:
        """Settle `ready` with `error`, unless it is settled."""
        if not self.ready.done():
            self.enter(ModelState.FAILED)
            self.failed_at = time.monotonic()
            self.ready.set_exception(error)
            self.ready.exception()  # marks it as retrieved: there may be no waiter

    async def wait_until_idle(self) -> None:
        """Return when no request is in flight."""
        while self.in_flight:
            self.idle.clear()
            await self.idle.wait()


def _future() -> "asyncio.Future[str]":
    return asyncio.get_running_loop().create_future()


def key_of(project: Project, manifest: Manifest | None) -> Hashable:
    """Return the key of a loaded model: models with equal keys are interchangeable."""
    return (
        project.uid,
        manifest.id if manifest else "",
        project.label_config,
        project.hostname,
        project.access_token,
        project.private,
        repr(project.extra_params),
    )


def load_failure(model: LoadedModel, error: Exception) -> Exception:
    """Return the error for requests that wait for a model that did not load.

    Unexpected errors are logged, and so are a missing label config and wrong parameters, because `/setup` does not wait
    for a slow load.
    """
    if not isinstance(error, BackendError):
        logger.error("A model cannot be loaded", exc_info=error)
    if model.process.retired and isinstance(error, ModelProcessDied | ModelFileError):
        return RunnerClosed(str(error))  # the process was ended for another one: load this model elsewhere
    if not isinstance(error, ModelError | ModelProcessDied):
        error = ModelError(str(error))  # not a fault of the version or its process
    if isinstance(error, ParamsError):
        logger.warning("Project %s: %s", model.project.uid, error)
    elif isinstance(error, ModelLoadError) and not parse_label_config(model.project.label_config):
        error = NoLabelConfig(str(error), field="label_config")
        logger.warning("%s", error)
    return error


def shutting_down() -> Overloaded:
    """Return the error for requests during the shutdown."""
    return Overloaded("The backend is shutting down", fix="Send the request again in a moment")
