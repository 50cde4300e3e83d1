"""What the command sends to a child process that tests a model class, and what the child sends back."""

from typing import Any

import msgspec

from label_studio_ml.test_kit.check_catalogue import Phase
from label_studio_ml.test_kit.report import Failure


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one child.

    `checks` are the ids of the checks to run, in order; those in `failed` have failed before. `tasks` are sample tasks,
    `labelled` tasks with annotations. `workdir` is the folder of the version that `fit` makes or has made, and
    `train_output` and `state` what it returned and stored; `version` is the version's name, empty before any training.
    """

    phase: Phase
    label_config: str
    checks: list[str]
    failed: list[str] = []
    tasks: list[dict[str, Any]] = []
    labelled: list[dict[str, Any]] = []
    workdir: str = ""
    version: str = ""
    train_output: dict[str, Any] = {}
    state: dict[str, str] = {}


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A line that a child sends.

    `begins` and `ends` are ids of checks; with `ends` come the `failures`, and `skipped` if it could not be run.
    `values` are results for the command, by name. `finished` is the last line of a child that came to its end.
    """

    begins: str = ""
    ends: str = ""
    failures: list[Failure] = []
    skipped: str = ""
    seconds: float = 0.0
    values: dict[str, Any] = {}
    finished: bool = False
