"""Run one version of a model in its own processes, independent of the served models, for work on many tasks."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, ModelProcessDied
from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec
from label_studio_ml.model_calls.predictor import Request
from label_studio_ml.protocol.prediction_json import NOTHING
from label_studio_ml.serving.requests.queue_item import RunnerClosed
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.serving.runners.runner_choice import processes
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)

#: The number by which the runner identifies the model.
_NUMBER = 1
#: Tasks of the first call, when their duration is not known yet, and the longest duration of a later call in seconds.
FIRST_BATCH = 16
MAX_CALL_DURATION = 60.0


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of one task: its predictions (nearly always one), or the reason why there is none."""

    predictions: list[dict[str, Any]] = []
    error: str = ""


class SingleModel:
    """The only model of `runner`. Once it has started, `info` describes its class and `version` is its name."""

    info: ClassInfo
    version = ""

    def __init__(self, runner: ModelRunner, spec: ModelSpec) -> None:
        self._runner = runner
        self._spec = spec

    async def start(self) -> None:
        """Start the runner and build the model. Raises ModelError or ModelProcessDied, and OSError."""
        try:
            await self._runner.start()
            self.info = await asyncio.shield(self._runner.info)
            self.version = await self._runner.load(_NUMBER, self._spec)
        except BaseException:
            await self._runner.close(0)
            raise

    @property
    def ended(self) -> bool:
        """Whether the runner has ended."""
        return self._runner.ended.done()

    @property
    def pid(self) -> int | None:
        """The id of the model's process, None if it is not known or there are several."""
        return getattr(self._runner, "pid", None)

    async def predict(
        self, tasks: Sequence[Mapping[str, Any]], params: bytes = b"{}", *, interactive: bool = False
    ) -> list[Outcome]:
        """Return one outcome for each task. `interactive`: `params` has the context of an interactive request.

        Raises ModelProcessDied if the process ends during the call, RunnerClosed if it ends before.
        """
        request = Request(msgspec.json.encode(tasks), params, interactive)
        try:
            (answer,) = await self._runner.predict(_NUMBER, [request])
        except (RunnerClosed, ModelProcessDied):
            raise
        except BackendError as error:
            return [Outcome(error=str(error))] * len(tasks)
        if answer.error:
            return [Outcome(error=answer.error)] * len(tasks)
        return outcomes(answer.results, len(tasks))

    async def close(self, grace: float = 5.0) -> None:
        """End the runner, after a running call or `grace` seconds."""
        await self._runner.close(grace)


class OfflineModel:
    """The model of `project` at one version (`manifest`; None: untrained), in processes that `start` creates.

    `version` is the name of the version, `info` describes its class, `batch` is the number of tasks of the next
    call, `at_once` the number of concurrent calls that keep the model busy. Calls are sized to take at most
    `call_duration` seconds. A warning is logged if the code on the disk differs from the code that trained the version.

    A process that ends is replaced, and the tasks of its call are repeated one by one. A task that then ends the
    process again gets no prediction.
    """

    def __init__(
        self,
        settings: Settings,
        project: Project,
        manifest: Manifest | None,
        *,
        call_duration: float = MAX_CALL_DURATION,
    ) -> None:
        self._settings = settings
        self._manifest = manifest
        self._spec = ModelSpec.of(project, manifest)
        self._call_duration = call_duration
        self._model: SingleModel | None = None
        self._starting = asyncio.Lock()
        self.version = ""
        self.info: ClassInfo | None = None
        self.batch = 1
        self.at_once = 1
        self._max_batch = 1
        self._code = ""

    async def start(self) -> str:
        """Build the model and return its version's name. Raises ModelError or ModelProcessDied."""
        await self._started()
        return self.version

    @property
    def pid(self) -> int | None:
        """The id of the model's process, None if there is none, or several."""
        return self._model.pid if self._model is not None else None

    async def ask(
        self, tasks: Sequence[Mapping[str, Any]], params: bytes = b"{}", *, interactive: bool = False
    ) -> list[Outcome]:
        """Return one outcome for each of at most `batch` tasks. Raises ModelError when no model can be built.

        `interactive`: `params` has the context of an interactive request, which is for one task.
        """
        while True:
            model = await self._started()
            began = time.monotonic()
            try:
                task_outcomes = await model.predict(tasks, params, interactive=interactive)
            except RunnerClosed:  # another call ended the process before this one began
                continue
            except ModelProcessDied as death:
                if len(tasks) == 1:
                    return [Outcome(error=f"{death.message} while it had this task")]
                logger.warning(
                    "%s: its %s are predicted one by one", death.message, plural(len(tasks), "task")
                )
                return [outcome for task in tasks for outcome in await self.ask([task], params)]
            self._adapt(len(tasks), time.monotonic() - began)
            return task_outcomes

    async def close(self) -> None:
        """End the processes."""
        if self._model is not None:
            await self._model.close(0)

    def _adapt(self, tasks: int, seconds: float) -> None:
        """Set `batch` to the tasks that take `call_duration` seconds, at most the class's batch size."""
        estimate = int(tasks / max(seconds, 1e-6) * self._call_duration)
        self.batch = max(1, min(self._max_batch, estimate))

    async def _started(self) -> SingleModel:
        """Return the model, built in a new runner if there is none or it has ended."""
        async with self._starting:
            if self._model is None or self._model.ended:
                self._model = None
                model = SingleModel(processes(self._settings), self._spec)
                await model.start()
                self.info, self.version = model.info, model.version
                self._warn_of_other_code(model.info)
                self._max_batch = model.info.max_batch_size
                self.batch = min(self._max_batch, FIRST_BATCH)
                self.at_once = self._settings.model_workers * model.info.concurrency + 1
                self._model = model
            return self._model

    def _warn_of_other_code(self, info: ClassInfo) -> None:
        """Warn if the version is built with other code than it was trained with, once for each code."""
        note = self._manifest.other_code(info.code) if self._manifest is not None else ""
        if note and self._code != info.code.hash:
            logger.warning("Project %s: %s", self._spec.project.uid, note)
        self._code = info.code.hash


def outcomes(results: bytes, count: int) -> list[Outcome]:
    """Return the outcomes of the entries in a response to `count` tasks.

    An empty response means that the model has no prediction for any of the tasks.
    """
    entries = msgspec.json.decode(results)
    if not entries:
        return [Outcome(error=NOTHING)] * count
    return [_outcome(entry) for entry in entries]


def _outcome(entry: Any) -> Outcome:
    predictions = entry if isinstance(entry, list) else [entry]
    if len(predictions) == 1 and "result" not in predictions[0]:
        return Outcome(error=str(predictions[0].get("error") or "the prediction has no 'result'"))
    return Outcome(predictions=predictions)
