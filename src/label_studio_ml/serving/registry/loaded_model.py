"""Loaded models, and the runners that they run in."""

import asyncio
import logging
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from label_studio_ml.errors import (
    BackendError,
    ModelError,
    ModelLoadError,
    ModelProcessDied,
    NoLabelConfig,
    Overloaded,
)
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.serving.requests.batching import Batcher, RunnerClosed
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class ProcessGroup:
    """A runner with its queue. `retired`: another runner has replaced it.

    `group` is the label config that the runner is for, once it is `placed`; empty if all label configs share one.
    `started` and `asked` are the times of its start and of its last prediction call, on the monotonic clock.
    """

    runner: ModelRunner
    batcher: Batcher[Request, Answer]
    started: float
    retired: bool = False
    group: str = ""
    placed: bool = False
    asked: float = 0.0

    @property
    def code(self) -> CodeIdentity:
        """The identity of the code that the runner imported; without a hash if it is not known."""
        info = self.runner.info
        return info.result().code if info.done() and info.exception() is None else CodeIdentity()

    def import_failed(self, ago: float) -> bool:
        """Return whether the import of the model file failed, and the runner started more than `ago` seconds ago."""
        info = self.runner.info
        return info.done() and info.exception() is not None and time.monotonic() - self.started > ago


@dataclass(slots=True, eq=False)
class LoadedModel:
    """One model that is loaded or loading.

    `again`: its process died when it was loaded before. `renamed` is the name that `predict` has given to the
    version since it was loaded, if any. `under_way` is the number of requests in flight.
    """

    number: int
    key: Hashable
    project: Project
    manifest: Manifest | None
    process_group: ProcessGroup
    ready: "asyncio.Future[str]" = field(repr=False)
    under_way: int = 0
    dropped: bool = False
    failed_at: float = 0.0
    again: bool = False
    renamed: str = ""
    idle: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def loaded(self) -> bool:
        """Whether the model has loaded."""
        return self.ready.done() and self.ready.exception() is None

    @property
    def version(self) -> str:
        """The version's name; only valid for a loaded model."""
        return self.renamed or self.ready.result()

    @property
    def failure(self) -> BaseException | None:
        """The error that loading ended with, or None."""
        return self.ready.exception() if self.ready.done() else None

    def to_retry(self, after: float) -> bool:
        """Return whether to load the model again: its process ended, or loading failed `after` seconds ago.

        Loading is retried at once if the process died during it, but only once, and whenever the runner was closed.
        """
        if self.failure is None:
            return self.loaded and (self.process_group.retired or self.process_group.runner.ended.done())
        died = isinstance(self.failure, ModelProcessDied) and not self.again
        return died or isinstance(self.failure, RunnerClosed) or time.monotonic() - self.failed_at > after

    def fail(self, error: Exception) -> None:
        """Settle `ready` with `error`, unless it is settled."""
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()


def key_of(project: Project, manifest: Manifest | None) -> Hashable:
    """Return the key of a live model: models with equal keys are interchangeable."""
    return (
        project.uid,
        manifest.id if manifest else "",
        project.label_config,
        project.hostname,
        project.access_token,
        project.private,
        repr(project.extra_params),
    )


def load_failure(live: LoadedModel, error: Exception) -> Exception:
    """Return the error for requests that wait for a model that did not load.

    Unexpected errors are logged, and so is a missing label config, because `/setup` does not wait for a slow load.
    """
    if not isinstance(error, BackendError):
        logger.error("A model cannot be loaded", exc_info=error)
    if live.process_group.retired and isinstance(error, ModelProcessDied):
        return RunnerClosed(str(error))  # the process was ended for another model: load this one elsewhere
    if not isinstance(error, ModelError | ModelProcessDied):
        error = ModelError(str(error))  # not a fault of the version or its process
    if isinstance(error, ModelLoadError) and not parse_label_config(live.project.label_config):
        error = NoLabelConfig(str(error), field="label_config")
        logger.warning("%s", error)
    return error


def shutting_down() -> Overloaded:
    """Return the error for requests during the shutdown."""
    return Overloaded("The backend is shutting down", fix="Ask again in a moment")
