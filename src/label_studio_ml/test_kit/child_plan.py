"""What the command sends to a child process that tests a model class, and what the child sends back."""

from enum import StrEnum
from typing import Any

import msgspec

from label_studio_ml.test_kit.check_catalogue import Phase
from label_studio_ml.test_kit.report import Failure


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one child.

    `checks` are the ids of the checks to run, in order; those in `failed` have failed before, and those in `skipped`
    are left out on the user's demand. `tasks` are sample tasks, `labelled` tasks with annotations. With `one_by_one`,
    the check `predict` calls predict for one task at a time. `workdir` is the folder of the version that `fit` makes or
    has made, and `train_output` and `state` what it returned and stored; `version` is the version's name, empty before
    any training.
    """

    phase: Phase
    label_config: str
    checks: list[str]
    failed: list[str] = []
    skipped: list[str] = []
    tasks: list[dict[str, Any]] = []
    labelled: list[dict[str, Any]] = []
    one_by_one: bool = False
    workdir: str = ""
    version: str = ""
    train_output: dict[str, Any] = {}
    state: dict[str, str] = {}


#: Exit status of a child that can no longer send events, because user code has closed the descriptor for them.
DESCRIPTOR_LOST = 117


class CallKind(StrEnum):
    """What is called in user code. The values are words for messages."""

    IMPORT = "the import of the model file"
    BUILD = "the constructor and setup()"
    PREDICT = "predict"
    FIT = "fit"
    #: A call of `fit` whose training has been cancelled.
    CANCELLED_FIT = "a cancelled fit"


class Call(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A call of user code that begins; `tasks` are the ids of the tasks of a `predict`.

    `parts` is the number of calls in which the server would give these tasks to `predict`: each has the time of one.
    A second Call with the number of a running one replaces it: its time limit begins again. `thread` identifies the
    thread in the stacks that `faulthandler` writes; 0 if it is not known.
    """

    number: int
    kind: CallKind
    tasks: list[str] = []
    parts: int = 1
    thread: int = 0


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A line that a child sends.

    `begins` and `ends` are ids of checks; with `ends` come the `failures`, and `skipped` if it could not be run.
    `call` begins within a check, `returned` is the number of a call that has ended. `values` are results for the
    command, by name. `finished` is the last line of a child that came to its end.
    """

    begins: str = ""
    ends: str = ""
    failures: list[Failure] = []
    skipped: str = ""
    seconds: float = 0.0
    call: Call | None = None
    returned: int = 0
    values: dict[str, Any] = {}
    finished: bool = False
