"""Run the evaluated model in its own process; on Windows in this one."""

import contextlib
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelLoadError, ModelProcessDied
from label_studio_ml.evaluation.evaluation_process import Answers, Build, Built, Predicted
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.guard import is_supported
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.orphans import GuardedProcess
from label_studio_ml.protocol.prediction_json import NOTHING
from label_studio_ml.storage.private_files import make_folder, open_file

#: Seconds that the process has to exit by itself.
_GRACE = 5.0
#: Fields of a task that are not shown to the model, because they contain labels or are not needed.
_LEFT_OUT = ("annotations", "predictions", "completions", "ground_truth", "drafts")

Answer = TypeVar("Answer", bound=msgspec.Struct)


class ModelUnderTest:
    """Context manager for the process of an evaluated model, which starts and ends with the `with` block.

    `version` is the name that the model is served under, `max_batch_size` the most tasks per call. Output of the
    user's code goes to the file `log`. If `log` is None, the process stays in the session of this one and writes to
    its standard error; so does a model in this process. Raises ModelLoadError when the model cannot be built,
    ModelProcessDied when the process ends.
    """

    version = ""
    max_batch_size = 1

    def __init__(self, settings: Settings, spec: ModelSpec, state: dict[str, str], log: Path | None) -> None:
        self._settings = settings
        self._build = Build(spec, state)
        self._log = log if is_supported() else None
        self._here: Answers | None = None

    def __enter__(self) -> "ModelUnderTest":
        if is_supported():
            self._start()
        else:
            self._here = Answers(self._settings)
        try:
            built = self._ask(msgspec.json.encode(self._build), Built)
            if built.error:
                raise ModelLoadError(built.error, fix=built.fix or f"The traceback is in {self._where}")
        except BaseException:
            self._end()
            raise
        self.version, self.max_batch_size = built.version, built.max_batch_size
        return self

    def _start(self) -> None:
        """Start the model's process. Raises OSError."""
        ours, theirs = socket.socketpair()
        self._guard, guards = socket.socketpair()
        ends = [theirs.fileno(), guards.fileno()]
        with contextlib.ExitStack() as stack, contextlib.ExitStack() as failed:
            failed.enter_context(ours)
            failed.enter_context(self._guard)
            stack.enter_context(theirs)
            stack.enter_context(guards)
            output: int | IO[bytes] = 2
            if self._log is not None:
                make_folder(self._log.parent)
                output = stack.enter_context(open_file(self._log, "ab"))
            self._guarded = GuardedProcess(
                command(self._settings, "label_studio_ml.evaluation.evaluation_process", *ends),
                pass_fds=ends,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self._settings.child_env(), "PYTHONUNBUFFERED": "1"},
                start_new_session=self._log is not None,
            )
            failed.pop_all()  # from here on, `_end` closes them
        self._process = self._guarded.popen
        self._connection = ours
        self._stream = ours.makefile("rwb")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def predict(self, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return one entry for each task; the model does not see the annotations.

        An entry has `result`, or `error` if there is no prediction. Of several predictions, the first is used.
        """
        shown = [
            {
                **{name: task[name] for name in task if name not in _LEFT_OUT},
                "annotations": [],
                "predictions": [],
            }
            for task in tasks
        ]
        answer = self._ask(msgspec.json.encode(shown), Predicted)
        if answer.error:
            return [{"error": answer.error} for _ in tasks]
        entries = msgspec.json.decode(answer.results)
        if not entries:
            return [{"error": NOTHING} for _ in tasks]
        return [_first(entry) for entry in entries]

    def _ask(self, line: bytes, kind: type[Answer]) -> Answer:
        if self._here is not None:
            return msgspec.json.decode(msgspec.json.encode(self._here.answer(line)), type=kind)
        try:
            self._stream.write(line + b"\n")
            self._stream.flush()
            answer = self._stream.readline()
        except OSError:
            answer = b""
        if not answer.endswith(b"\n"):
            raise ModelProcessDied(
                f"The model's process {describe_exit(self._status())}", fix=f"Its output is in {self._where}"
            )
        return msgspec.json.decode(answer, type=kind)

    @property
    def _where(self) -> str:
        return "the log of this run" if self._log is None else str(self._log)

    def _status(self) -> int | None:
        """Return the exit status of the process, None if it has not ended after `_GRACE` seconds."""
        try:
            return self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            return None

    def _end(self) -> None:
        if self._here is not None:
            return
        with contextlib.suppress(OSError):
            self._stream.close()
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self._guard.close()  # the guard then kills remaining processes
        self._process.wait()
        self._guarded.ended()


def _first(entry: Any) -> dict[str, Any]:
    if isinstance(entry, list):
        entry = entry[0] if entry else {"result": []}
    return entry if isinstance(entry, dict) else {"error": "the prediction is no object"}
