"""The request for a training on a part of the labelled tasks, and its outcome."""

from typing import Any

import msgspec

from label_studio_ml.model_calls.adapter import ModelSpec


class TrialRequest(msgspec.Struct, frozen=True):
    """A request to train an untrained model on the tasks at `positions` of the file `tasks`, a snapshot.

    `spec` builds the model; its fit writes to the folder `workdir`. `name` is the id of the job that fit gets.
    """

    spec: ModelSpec
    tasks: str
    positions: list[int]
    workdir: str
    name: str


class TrialOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a training.

    `error` is empty if it succeeded; `unusable` tells that no training of the class can succeed. `read` is the number
    of tasks that fit has read. `version`, `train_output` and `state` are those of the version that fit made.
    """

    error: str = ""
    unusable: bool = False
    read: int = 0
    version: str = ""
    train_output: dict[str, Any] = {}
    state: dict[str, str] = {}
