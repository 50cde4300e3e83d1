"""Run the evaluated model in its own process; on Windows in this one."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, ModelError, ModelLoadError, ModelProcessDied
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.processes.guard import is_supported
from label_studio_ml.serving.offline_model import SingleModel
from label_studio_ml.serving.requests.queue_item import RunnerClosed
from label_studio_ml.serving.runners.process_runner import ModelRunner, ProcessRunner
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.storage.private_files import make_folder, open_file

#: Timeout of a call of `predict` in seconds: in effect none, as no request waits for the result.
_CALL_TIMEOUT = 1e8
#: Fields of a task that are not shown to the model, because they contain labels or are not needed.
_HIDDEN_FIELDS = ("annotations", "predictions", "completions", "ground_truth", "drafts")


class ModelUnderTest:
    """Context manager for the process of an evaluated model, which starts and ends with the `with` block.

    The model is built from `spec`, with `state` as its project's key/value pairs; pairs that its code stores are not
    kept. `version` is the name that it is served under, `max_batch_size` the maximum number of tasks per call. Output
    of the user's code goes to the file `log`. If `log` is None, the process stays in the session of this one and writes
    to its standard error; so does a model in this process. Raises ModelLoadError when the model cannot be built,
    ModelProcessDied when the process ends.
    """

    version = ""
    max_batch_size = 1

    def __init__(self, settings: Settings, spec: ModelSpec, state: dict[str, str], log: Path | None) -> None:
        # What the setting refuses is measured, too: as wrong regions, not as missing ones.
        is_repaired = settings.invalid_predictions is InvalidPredictions.REPAIR
        mode = InvalidPredictions.REPAIR if is_repaired else InvalidPredictions.SEND
        self._settings = replace(settings, invalid_predictions=mode, log_json=False)
        self._spec = msgspec.structs.replace(spec, state=state)
        self._log = log if is_supported() else None
        self._exit_stack = contextlib.ExitStack()

    def __enter__(self) -> "ModelUnderTest":
        with contextlib.ExitStack() as stack:
            self._run = stack.enter_context(asyncio.Runner()).run
            self._model = self._run(self._start())
            stack.callback(lambda: self._run(self._model.close()))
            self._exit_stack = stack.pop_all()
        return self

    async def _start(self) -> SingleModel:
        """Start the model's process and build the model."""
        with contextlib.ExitStack() as files:
            output = 2
            if self._log is not None:
                make_folder(self._log.parent)
                output = files.enter_context(open_file(self._log, "ab")).fileno()
            model = SingleModel(self._runner(output), self._spec)
            try:
                await model.start()
            except ModelProcessDied as error:
                raise self._process_error(error) from error
            except ModelError as error:
                fix = error.fix or f"The traceback is in {self._log_name}"
                raise ModelLoadError(error.message, fix=fix, field=error.field) from error
        self.version, self.max_batch_size = model.version, model.info.max_batch_size
        return model

    def _runner(self, output: int) -> ModelRunner:
        if not is_supported():
            return ThreadRunner(self._settings)
        own_session = self._log is not None
        return ProcessRunner(
            self._settings, longest_call=_CALL_TIMEOUT, output=output, own_session=own_session
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit_stack.close()

    def predict(self, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return one entry for each task; the model does not see the annotations.

        An entry has `result`, or `error` if there is no prediction. Of several predictions, the first is used.
        """
        shown = [
            {
                **{name: task[name] for name in task if name not in _HIDDEN_FIELDS},
                "annotations": [],
                "predictions": [],
            }
            for task in tasks
        ]
        try:
            outcomes = self._run(self._model.predict(shown))
        except (ModelProcessDied, RunnerClosed) as error:
            raise self._process_error(error) from error
        return [
            {"error": outcome.error} if outcome.error else next(iter(outcome.predictions), {"result": []})
            for outcome in outcomes
        ]

    def _process_error(self, error: BackendError) -> ModelProcessDied:
        return ModelProcessDied(error.message, fix=f"Its output is in {self._log_name}")

    @property
    def _log_name(self) -> str:
        return "the log of this run" if self._log is None else str(self._log)
