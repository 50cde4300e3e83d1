"""The calls of the view Errors, and the values of its topics."""

from typing import NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.dashboard.session_calls import TAG
from label_studio_ml.monitoring.error_groups import Kind
from label_studio_ml.openapi.declarations.operation import (
    DOWNLOAD,
    TEXT,
    Access,
    Answer,
    Body,
    Operation,
    Parameter,
)
from label_studio_ml.web.security.page_paths import API


class ErrorTask(TypedDict):
    """A task that an error was about, with its page in Label Studio, empty if that is not known."""

    id: str
    link: str


class ErrorRow(TypedDict):
    """Errors of the same cause: `count` of them, the `first` and the `last` at these times (seconds since 1970).

    `label-studio-ml explain CODE` says more about those with a `code`.
    """

    id: str
    kind: Kind
    message: str
    fix: str
    field: str
    code: str
    project: str
    title: str
    link: str
    version: str
    job: str
    server: str
    tasks: list[ErrorTask]
    count: int
    first: float
    last: float


class ErrorProject(TypedDict):
    """A project that the filter offers."""

    uid: str
    title: str


class ErrorsAnswer(TypedDict):
    """A page of errors from number `first` on: `total` fit the filter, `all` are known, `occurrences` happened.

    `kinds` counts all errors by kind; `problem` says why those of other servers are not known.
    """

    errors: list[ErrorRow]
    first: int
    total: int
    all: int
    occurrences: int
    kinds: dict[str, int]
    projects: list[ErrorProject]
    problem: str


class ClearBody(TypedDict):
    """The ids of the errors to remove, or `all`."""

    ids: NotRequired[list[str]]
    all: NotRequired[bool]


class ClearAnswer(TypedDict):
    """How many were removed."""

    removed: int


class LogRecord(TypedDict):
    """A record of a log: its position, its level (empty if it has none), and its text; `length` if that is cut."""

    at: str
    level: str
    text: str
    length: NotRequired[int]


class ServerLogAnswer(TypedDict):
    """Records of a log of this server. `next` is the position to follow from, `first` the one to read back from.

    `size` is in bytes. `skipped`: there were more records after the position. `tracebacks`: they are shown.
    """

    file: str
    records: list[LogRecord]
    next: str
    server: str
    files: list[str]
    tracebacks: bool
    first: NotRequired[str]
    size: NotRequired[int]
    skipped: NotRequired[bool]


class WholeRecord(TypedDict):
    """A record of a log in full, up to 1 MiB of it."""

    at: str
    text: str


class LogState(TypedDict):
    """How far a log reaches: the position behind its last byte, and its size in bytes."""

    file: str
    next: str
    size: int


#: The types of the topics' values, by name.
TOPICS = {"errors": ErrorsAnswer, "log": LogState}

_FILE = Parameter("file", "server.log, which is the default, or rq.log")

LIST_ERRORS = Operation(
    method="GET",
    path=f"{API}errors",
    tag=TAG,
    summary="List the last errors",
    parameters=(
        Parameter("project", "Only those of the project with this uid"),
        Parameter("kind", "Only those of this kind"),
        Parameter("search", "Only those with this text"),
        Parameter("first", "Number of the first one", int),
        Parameter("size", "The most errors, 1 to 200", int),
    ),
    answers={200: Answer("The errors", ErrorsAnswer)},
    errors=(errors.BrokerError,),
    access=Access.SESSION,
)
CLEAR_ERRORS = Operation(
    method="POST",
    path=f"{API}errors/clear",
    tag=TAG,
    summary="Remove errors from the list",
    body=Body(ClearBody),
    answers={200: Answer("They are removed", ClearAnswer)},
    errors=(errors.BrokerError,),
    access=Access.SESSION,
)
SERVER_LOG = Operation(
    method="GET",
    path=f"{API}errors/log",
    tag=TAG,
    summary="Read records of this server's log",
    parameters=(
        _FILE,
        Parameter("search", "Only records with this text"),
        Parameter("level", "Only records of at least this level"),
        Parameter("before", "Records before this position; the last ones without it"),
        Parameter("after", "Records after this position"),
    ),
    answers={200: Answer("Records", ServerLogAnswer)},
    access=Access.SESSION,
)
LOG_RECORD = Operation(
    method="GET",
    path=f"{API}errors/log/record",
    tag=TAG,
    summary="Read a record of this server's log in full",
    parameters=(_FILE, Parameter("at", "Its position", required=True)),
    answers={200: Answer("The record", WholeRecord)},
    access=Access.SESSION,
)
LOG_DOWNLOAD = Operation(
    method="GET",
    path=f"{API}errors/log/download",
    tag=TAG,
    summary="Download this server's log",
    parameters=(_FILE,),
    answers={200: Answer("Its last 16 MiB, without secrets", str, content=TEXT, headers=DOWNLOAD)},
    errors=(errors.ReadOnlyLogin,),
    access=Access.SESSION,
)
