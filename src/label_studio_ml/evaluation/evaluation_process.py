"""Process that runs the user's code for an evaluation. Its arguments are FD and GUARD_FD.

It reads lines from the socket with descriptor FD: first a Build, then arrays of tasks. It answers each with one line
and exits when the socket closes, or after a failed build with status 1.
"""

import logging
import socket
import sys
from typing import cast

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, build, describe_class, reason
from label_studio_ml.model_calls.predictor import Predictor, Request
from label_studio_ml.monitoring import logs
from label_studio_ml.processes.guard import stand_guard
from label_studio_ml.user_code.loading import user_class
from label_studio_ml.versions.state.key_values import MemoryState

logger = logging.getLogger(__name__)


class Build(msgspec.Struct, frozen=True):
    """The version to build, and its project's key/value pairs as they were when the version was made."""

    spec: ModelSpec
    state: dict[str, str]


class Built(msgspec.Struct, frozen=True):
    """The name that the model is served under and the most tasks per call; or why the model cannot be built."""

    version: str = ""
    max_batch_size: int = 1
    error: str = ""
    fix: str = ""


class Predicted(msgspec.Struct, frozen=True):
    """One entry for each task in the format of the server's responses; or why there are none."""

    results: msgspec.Raw = msgspec.Raw(b"[]")
    error: str = ""


class Answers:
    """Answers lines: the first by building a model, the others with the model's predictions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._predictor: Predictor | None = None

    def answer(self, line: bytes) -> Built | Predicted:
        """Return the answer to a line."""
        if self._predictor is None:
            return self._try_build(msgspec.json.decode(line, type=Build))
        (answer,) = self._predictor.answer([Request(line, b"{}")])
        return Predicted(msgspec.Raw(answer.results or b"[]"), answer.error)

    def _try_build(self, request: Build) -> Built:
        try:
            return self._build(request)
        except BackendError as error:
            logger.exception("The model cannot be built")
            return Built(error=error.message, fix=error.fix)
        except BaseException as error:  # user code may raise anything
            logger.exception("The model cannot be built")
            return Built(error=reason(error))

    def _build(self, request: Build) -> Built:
        """Build the model. Values that its code stores with `set` are not kept after this process."""
        cls = cast("type[LabelStudioMLBase]", user_class(self._settings))
        model = build(cls, request.spec, self._settings, MemoryState(request.state))
        self._predictor = Predictor(model, request.spec, refuse=False)
        return Built(self._predictor.version, describe_class(cls).max_batch_size)


def main() -> int:
    """Answer on the socket of the first argument; the second is the descriptor of the guard's socket."""
    stand_guard(int(sys.argv[2]), 0)
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    stream = socket.socket(fileno=int(sys.argv[1])).makefile("rwb")
    answers = Answers(settings)
    for line in stream:
        answer = answers.answer(line)
        stream.write(msgspec.json.encode(answer) + b"\n")
        stream.flush()
        if isinstance(answer, Built) and answer.error:
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
