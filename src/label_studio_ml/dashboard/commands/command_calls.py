"""The calls of commands, and the values of their topics."""

from typing import Any, NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.dashboard.session_calls import TAG
from label_studio_ml.openapi.declarations.operation import Access, Answer, Body, Operation, Parameter
from label_studio_ml.reports.command_record import CommandState
from label_studio_ml.web.security.page_paths import API


class CommandRow(TypedDict):
    """A command, as in `CommandRecord`; `active`: it waits or runs. Times are in seconds since 1970."""

    id: str
    command: str
    project: str
    options: dict[str, Any]
    user: str
    server: str
    state: CommandState
    created: float
    started: float | None
    ended: float | None
    done: int | None
    total: int | None
    message: str
    title: str
    active: bool


class CommandAnswer(CommandRow):
    """A command with its last lines of output."""

    lines: list[str]


class OptionChoice(TypedDict):
    """A value of a choice, and its title."""

    value: str
    title: str


class OptionDescription(TypedDict):
    """An option of a command: `choices` if its kind is `choice`, `least` and `most` if it is `number`."""

    name: str
    title: str
    help: str
    kind: str
    placeholder: str
    choices: NotRequired[list[OptionChoice]]
    least: NotRequired[int]
    most: NotRequired[int]


class CommandDescription(TypedDict):
    """A command that can be started."""

    name: str
    title: str
    help: str
    options: list[OptionDescription]


class CommandsAnswer(TypedDict):
    """The newest commands, and those that can be started."""

    commands: list[CommandRow]
    available: list[CommandDescription]


class StartBody(TypedDict):
    """The command to start for a project, by uid; `options` as the command describes them."""

    command: str
    project: str
    options: NotRequired[dict[str, Any] | None]


#: The types of the topics' values, by name.
TOPICS = {"commands": list[CommandRow], "command": CommandAnswer}

_ID = Parameter("id", "Id of the command")

LIST_COMMANDS = Operation(
    method="GET",
    path=f"{API}commands",
    tag=TAG,
    summary="List commands",
    parameters=(
        Parameter("project", "The project's uid; all projects without it"),
        Parameter("limit", "The most commands, 1 to 50", int),
    ),
    answers={200: Answer("The commands", CommandsAnswer)},
    errors=(errors.BrokerError,),
    access=Access.SESSION,
)
START_COMMAND = Operation(
    method="POST",
    path=f"{API}commands",
    tag=TAG,
    summary="Start a command",
    body=Body(StartBody),
    answers={201: Answer("The command waits for its start", CommandRow)},
    errors=(errors.UnknownProject, errors.ProjectBusy, errors.BrokerError),
    access=Access.SESSION,
)
COMMAND = Operation(
    method="GET",
    path=f"{API}commands/{{id}}",
    tag=TAG,
    summary="Show a command with its output",
    parameters=(_ID,),
    answers={200: Answer("The command", CommandAnswer)},
    errors=(errors.UnknownJob, errors.BrokerError),
    access=Access.SESSION,
)
CANCEL_COMMAND = Operation(
    method="POST",
    path=f"{API}commands/{{id}}/cancel",
    tag=TAG,
    summary="Cancel a command",
    parameters=(_ID,),
    answers={202: Answer("The cancellation is requested", CommandRow)},
    errors=(errors.UnknownJob, errors.JobEnded, errors.BrokerError),
    access=Access.SESSION,
)
