"""One live model, and the lane that it lives in."""

import asyncio
import logging
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from label_studio_ml.code_identity import CodeIdentity
from label_studio_ml.errors import (
    BackendError,
    ModelError,
    ModelLoadError,
    ModelProcessDied,
    NoLabelConfig,
    Overloaded,
)
from label_studio_ml.labels import parse_label_config
from label_studio_ml.predictor import Answer, Request
from label_studio_ml.serving.batching import Batcher, LaneClosed
from label_studio_ml.serving.lanes import Lane
from label_studio_ml.versions.manifest import Manifest
from label_studio_ml.versions.state import Project

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Home:
    """A lane with its queue. `retired` tells that another has taken its place.

    `group` is the label config that it is for, once it is `placed`: empty where all share one. `started` and `asked`
    say when it began and when it last began to predict, on the monotonic clock.
    """

    lane: Lane
    batcher: Batcher[Request, Answer]
    started: float
    retired: bool = False
    group: str = ""
    placed: bool = False
    asked: float = 0.0

    @property
    def code(self) -> CodeIdentity:
        """The code that it imported; one without a hash where that is not known."""
        info = self.lane.info
        return info.result().code if info.done() and info.exception() is None else CodeIdentity()

    def import_failed(self, ago: float) -> bool:
        """Tell whether the model file could not be imported there, `ago` seconds or more after the start."""
        info = self.lane.info
        return info.done() and info.exception() is not None and time.monotonic() - self.started > ago


@dataclass(slots=True, eq=False)
class Live:
    """One model that is loaded, or loading.

    `again` tells that its process died when it loaded the time before. `renamed` is the name that its `predict` has
    given its version since it was loaded, if it has.
    """

    number: int
    key: Hashable
    project: Project
    manifest: Manifest | None
    home: Home
    ready: "asyncio.Future[str]" = field(repr=False)
    under_way: int = 0
    dropped: bool = False
    failed_at: float = 0.0
    again: bool = False
    renamed: str = ""
    idle: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def loaded(self) -> bool:
        """Whether the model can answer."""
        return self.ready.done() and self.ready.exception() is None

    @property
    def version(self) -> str:
        """The version's name; only for a model that is loaded."""
        return self.renamed or self.ready.result()

    @property
    def failure(self) -> BaseException | None:
        """Why the model did not load, or None."""
        return self.ready.exception() if self.ready.done() else None

    def to_retry(self, after: float) -> bool:
        """Tell whether it is to be loaded again: its process ended, or it failed to load `after` seconds ago.

        One whose process died while it loaded is tried again at once, once; one whose process was ended for another
        model, whenever that is so.
        """
        if self.failure is None:
            return self.loaded and (self.home.retired or self.home.lane.ended.done())
        died = isinstance(self.failure, ModelProcessDied) and not self.again
        return died or isinstance(self.failure, LaneClosed) or time.monotonic() - self.failed_at > after

    def fail(self, error: Exception) -> None:
        """Say why the model cannot be had, to those who wait for it (nobody has to), unless that is settled."""
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()


def key_of(project: Project, manifest: Manifest | None) -> Hashable:
    """Return what tells one live model from another."""
    return (
        project.uid,
        manifest.id if manifest else "",
        project.label_config,
        project.hostname,
        project.access_token,
        project.private,
        repr(project.extra_params),
    )


def load_failure(live: Live, error: Exception) -> Exception:
    """Return the error to tell those who wait for a model that did not load.

    Logs an error that nobody expects, and that a class needs a label config: `/setup` does not wait for a slow load.
    """
    if not isinstance(error, BackendError):
        logger.error("A model cannot be loaded", exc_info=error)
    if live.home.retired and isinstance(error, ModelProcessDied):
        return LaneClosed(str(error))  # the process was ended for another model: this one loads elsewhere
    if not isinstance(error, ModelError | ModelProcessDied):
        error = ModelError(str(error))  # neither the version nor its process is to blame
    if isinstance(error, ModelLoadError) and not parse_label_config(live.project.label_config):
        error = NoLabelConfig(str(error), field="label_config")
        logger.warning("%s", error)
    return error


def shutting_down() -> Overloaded:
    """Return the error of what comes too late."""
    return Overloaded("The backend is shutting down", fix="Ask again in a moment")
