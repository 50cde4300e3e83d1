"""Declaration of one route: what a request sends, and what each status answers.

The tables of routes consist of declarations and their handlers, so a route cannot exist without one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import Any, TypeVar

from label_studio_ml.errors import BackendError

JSON, TEXT, HTML, EVENTS, BYTES = (
    "application/json",
    "text/plain",
    "text/html",
    "text/event-stream",
    "application/octet-stream",
)

#: Headers of an answer that browsers save as a file.
DOWNLOAD = {"Content-Disposition": "The name of the file."}

T = TypeVar("T", bound=type)

#: Typed dicts of which an answer may have more fields than they declare.
_with_more_fields: set[type] = set()


class Access(Enum):
    """Who may call a route, if the backend has a login."""

    #: Clients with the login or a token.
    LOGIN = "login"
    #: Everybody; requests without the login have less effect, or get less.
    PARTLY = "partly"
    #: Everybody.
    OPEN = "open"
    #: The dashboard with its session, and clients with the login or a token.
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the query, or in the path if it is a `{name}` there. `type` is a Python type."""

    name: str
    description: str
    type: Any = str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON body of a request. `examples` are names of captured requests, see `captured`."""

    type: Any
    examples: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `type` is the type of a JSON body, or a tuple of types, any of which it may have.

    `content` is the media type, empty without a body; `further` are other media types of the same status. `example` is
    a JSON value.
    """

    description: str
    type: Any = None
    content: str = JSON
    further: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """A route: `path` may contain `{names}`. `answers` are by status, or by a range of them such as "4XX".

    `errors` are the errors that the route's handler may raise, besides those that all routes raise; their statuses
    follow from the table of statuses. `viewer`: a route that is not a GET, for which the login that may only read is
    enough. `events` has the types of the data of server-sent events, as JSON, by the events' names.
    """

    method: str
    path: str
    tag: str
    summary: str
    answers: Mapping[int | str, Answer]
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    errors: tuple[type[BackendError], ...] = ()
    access: Access = Access.LOGIN
    viewer: bool = False
    events: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Method and path."""
        return self.method, self.path


def more_fields(declared: T) -> T:
    """Mark a typed dict whose JSON objects may have further fields, such as those that a model adds."""
    _with_more_fields.add(declared)
    return declared


def types_with_more_fields() -> list[type]:
    """Return the types that `more_fields` has marked."""
    return sorted(_with_more_fields, key=lambda declared: declared.__name__)


def operations_of(*modules: ModuleType) -> list[Operation]:
    """Return the operations that modules declare, in their order."""
    return [value for module in modules for value in vars(module).values() if isinstance(value, Operation)]


def named(operations: Iterable[Operation]) -> dict[str, Operation]:
    """Return operations by id, such as `get_jobs_job_log`."""
    return {operation_id(operation): operation for operation in operations}


def operation_id(operation: Operation) -> str:
    """Return the id of an operation, made from method and path."""
    words = [word.strip("{}").replace("-", "_").replace(".", "_") for word in operation.path.split("/")]
    return "_".join([operation.method.lower(), *filter(None, words)])
