"""A runner of models with its queue of requests, as the registry sees it."""

import time
from dataclasses import dataclass

from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.serving.requests.batching import Batcher
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.user_code.code_identity import CodeIdentity


@dataclass(slots=True, eq=False)
class ServingProcess:
    """A runner with its queue: a model process, a group of several with `--model-workers`, a thread with `--debug`.

    `retired`: it has been replaced, and its queue refuses requests. `group` is the label config that it is for, once it
    is `assigned`; empty if all label configs share one. `started` and `last_call` are the times of its start and of its
    last prediction call, on the monotonic clock.
    """

    runner: ModelRunner
    batcher: Batcher[Request, Answer]
    started: float
    retired: bool = False
    group: str = ""
    assigned: bool = False
    last_call: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether it accepts requests: it has neither ended nor been replaced."""
        return not self.retired and not self.runner.ended.done()

    @property
    def code(self) -> CodeIdentity:
        """The identity of the code that the runner imported; without a hash if it is not known."""
        info = self.runner.info
        return info.result().code if info.done() and info.exception() is None else CodeIdentity()

    def import_failed(self, ago: float) -> bool:
        """Return whether the import of the model file failed, and the runner started more than `ago` seconds ago."""
        info = self.runner.info
        return info.done() and info.exception() is not None and time.monotonic() - self.started > ago
