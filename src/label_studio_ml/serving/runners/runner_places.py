"""Tell where a runner computes: its processes and their devices."""

import os
from typing import NamedTuple

from label_studio_ml.serving.runners.process_runner import ModelRunner, ProcessRunner
from label_studio_ml.serving.runners.runner_group import RunnerGroup


class RunnerPlace(NamedTuple):
    """A process that runs a model: its id, 0 while it starts, and its device, "" if that is not known."""

    pid: int
    device: str


def places(runner: ModelRunner) -> list[RunnerPlace]:
    """Return the processes of a runner; for one that runs in threads, this process."""
    if isinstance(runner, ProcessRunner):
        return [RunnerPlace(runner.pid or 0, runner.device)]
    if isinstance(runner, RunnerGroup):
        return [place for member in runner.members for place in places(member)]
    return [RunnerPlace(os.getpid(), "")]
