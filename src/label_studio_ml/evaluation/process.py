"""The process that runs the user's code for an evaluation. Its arguments are FD and GUARD_FD.

It reads lines from the socket with descriptor FD: first what to build, then arrays of tasks. Each is answered with
one line. It ends when the socket closes.
"""

import logging
import socket
import sys
from typing import cast

import msgspec

from label_studio_ml import logs
from label_studio_ml.adapter import ModelSpec, build, describe_class, reason
from label_studio_ml.errors import BackendError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.predictor import Predictor, Request
from label_studio_ml.process_guard import stand_guard
from label_studio_ml.settings import Settings
from label_studio_ml.source import user_class
from label_studio_ml.versions.state import MemoryState

logger = logging.getLogger(__name__)


class Build(msgspec.Struct, frozen=True):
    """What to build: the version, and the key/value pairs of its project as they were when it was new."""

    spec: ModelSpec
    state: dict[str, str]


class Built(msgspec.Struct, frozen=True):
    """The name that the model is served under and the most tasks it takes at a time; or why it cannot be built."""

    version: str = ""
    max_batch_size: int = 1
    error: str = ""
    fix: str = ""


class Predicted(msgspec.Struct, frozen=True):
    """One entry for each task, as the server would send them; or why there are none."""

    results: msgspec.Raw = msgspec.Raw(b"[]")
    error: str = ""


class Answers:
    """Answers lines in this process: the first one with the model that it builds, the others with its predictions."""

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
        """Build the model. What its code stores with `set` is forgotten with this process."""
        cls = cast("type[LabelStudioMLBase]", user_class(self._settings))
        model = build(cls, request.spec, self._settings, MemoryState(request.state))
        self._predictor = Predictor(model, request.spec, refuse=False)
        return Built(self._predictor.version, describe_class(cls).max_batch_size)


def main() -> int:
    """Answer on the socket whose descriptor is the first argument; the second is the guard's."""
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
