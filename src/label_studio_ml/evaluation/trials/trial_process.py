"""Train the class on a part of the labelled tasks: `python -m label_studio_ml.evaluation.trials.trial_process FD FILE`.

The process reads one TrialRequest from standard input and writes one TrialOutcome to FILE. FD is the descriptor of the
guard's socket. What the user's code prints goes to standard error.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.evaluation.trials.trial_request import TrialOutcome, TrialRequest
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import generation, reason
from label_studio_ml.monitoring import logs
from label_studio_ml.processes.guard import fork_guarded
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.training.process.training_process import perform
from label_studio_ml.training.snapshots import SNAPSHOT, TasksFile
from label_studio_ml.user_code.loading import user_class

logger = logging.getLogger(__name__)


class _PartOfTasks:
    """The tasks at some positions of a file; `read` is the largest number of them that an iteration has yielded."""

    def __init__(self, path: Path, positions: list[int]) -> None:
        self._file = TasksFile(path)
        self._positions = frozenset(positions)
        self.read = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        count = 0
        for position, task in enumerate(self._file):
            if position in self._positions:
                count += 1
                self.read = max(self.read, count)
                yield task


def trained(
    request: TrialRequest, settings: Settings, load: Callable[[], type[LabelStudioMLBase]]
) -> TrialOutcome:
    """Train a model of the class that `load` returns, and return the outcome; an exception becomes an `error`."""
    part = _PartOfTasks(Path(request.tasks), request.positions)
    workdir = Path(request.workdir)
    try:
        cls = load()
        if (kind := generation(cls)) != "seed":
            return TrialOutcome(error=_untrainable(cls, kind), unusable=True)
        tasks = LabelledTasks(
            lambda: part,
            "a part of the labelled tasks",
            len(request.positions),
            project=request.spec.project.uid,
            snapshot=workdir / SNAPSHOT,
        )
        run = RunRequest(job=request.name, spec=request.spec, events=[], workdir=request.workdir)
        outcome = perform(cls, run, settings, tasks=tasks)
    except BaseException as error:
        logger.exception("The training failed")
        return TrialOutcome(error=reason(error), read=part.read)
    return TrialOutcome(
        error=outcome.error,
        read=part.read,
        version=outcome.version,
        train_output=outcome.train_output,
        state=outcome.state,
    )


def _untrainable(cls: type[LabelStudioMLBase], kind: str) -> str:
    if kind == "none":
        return f"{cls.__name__} has no fit method: there is nothing to train"
    return (
        f"{cls.__name__} has fit(event, data), which learns from one event at a time and may keep its weights in files "
        "of its own: it cannot be trained on a part of the tasks without a change of what is served. Give it "
        "fit(self, annotations, **kwargs)"
    )


def main() -> int:
    """Answer the request on standard input. Does not return: the process exits with status 0."""
    outcome_file = Path(sys.argv[2])  # loading the class changes sys.argv
    fork_guarded(int(sys.argv[1]), 0)
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=TrialRequest)
    outcome = trained(request, settings, lambda: user_class(settings))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # A surrogate in an error's text cannot be encoded.
    text = outcome.error.encode("utf-8", "backslashreplace").decode()
    outcome_file.write_bytes(msgspec.json.encode(msgspec.structs.replace(outcome, error=text)))
    os._exit(0)


if __name__ == "__main__":
    main()
