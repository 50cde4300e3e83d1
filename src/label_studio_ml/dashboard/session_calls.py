"""The dashboard's own calls: its page, login and session, and live topics."""

from typing import Any, Literal, NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.openapi.declarations.document import Problem, Redirect
from label_studio_ml.openapi.declarations.operation import (
    BYTES,
    EVENTS,
    HTML,
    Access,
    Answer,
    Body,
    Operation,
    Parameter,
)
from label_studio_ml.web.routes.calls.label_studio_calls import Done
from label_studio_ml.web.security.page_paths import API, DASHBOARD, LOGIN_PATH, SESSION_PATH, STATIC

#: The dashboard's section in the document.
TAG = "Dashboard"


class LoginBody(TypedDict):
    """The login of a session: user and password, or a token of TOKENS_FILE."""

    user: NotRequired[str]
    password: NotRequired[str]
    token: NotRequired[str]


class SessionAnswer(TypedDict):
    """A session. Requests that act carry `csrf` in X-CSRF-Token. `streams`: the server can send events.

    Without a session, `role` is empty, and there is nothing else but `login_required`.
    """

    role: Literal["operator", "viewer", ""]
    login_required: bool
    user: NotRequired[str]
    csrf: NotRequired[str]
    version: NotRequired[str]
    streams: NotRequired[bool]


class TopicFailed(TypedDict):
    """The topic cannot be read: the cause in words."""

    error: str


def events_operation(topics: dict[str, Any]) -> Operation:
    """Return the declaration of the events of all `topics`."""
    return Operation(
        method="GET",
        path=f"{API}events",
        tag=TAG,
        summary="Follow topics as server-sent events",
        description="Each event's name is the key of a topic, such as `now` or `training:JOB`; its data is the topic's "
        "value as JSON, see `x-events`.",
        parameters=(
            Parameter(
                "topics", "1 to 8 keys of topics, separated by commas, such as `training:JOB`", required=True
            ),
        ),
        answers={
            200: Answer("Events until the client leaves", str, content=EVENTS),
            501: Answer("This server, a WSGI server, sends no events", Problem),
        },
        errors=(errors.Overloaded,),
        access=Access.SESSION,
        events=topics,
    )


def topic_operation(topics: dict[str, Any]) -> Operation:
    """Return the declaration of the present value of any of all `topics`, by the types of their values."""
    return Operation(
        method="GET",
        path=f"{API}topic",
        tag=TAG,
        summary="Read the present value of a topic",
        parameters=(Parameter("key", f"A topic: {', '.join(topics)}; or `NAME:SUBJECT`", required=True),),
        answers={200: Answer("Its value", (*dict.fromkeys(topics.values()), TopicFailed))},
        access=Access.SESSION,
    )


PAGE = Operation(
    method="GET",
    path=DASHBOARD,
    tag=TAG,
    summary="Go to the dashboard's page",
    answers={303: Answer("The page has the address `/`", Redirect, headers={"Location": "The page"})},
    access=Access.OPEN,
)
FILE = Operation(
    method="GET",
    path=f"{STATIC}{{file}}",
    tag=TAG,
    summary="Read a file of the dashboard's page",
    parameters=(Parameter("file", "Path of the file"),),
    answers={
        200: Answer(
            "The file", content=BYTES, further=("text/javascript", "text/css", HTML, "image/svg+xml")
        ),
        304: Answer("The client has the file already", content=""),
        404: Answer("There is no such file", Problem),
    },
    access=Access.OPEN,
)
LOGIN = Operation(
    method="POST",
    path=LOGIN_PATH,
    tag=TAG,
    summary="Begin a session",
    body=Body(LoginBody),
    answers={200: Answer("The session", SessionAnswer, headers={"Set-Cookie": "The session, for 12 hours"})},
    errors=(errors.NotAuthorized,),
    access=Access.OPEN,
)
SESSION = Operation(
    method="GET",
    path=SESSION_PATH,
    tag=TAG,
    summary="Show the session",
    answers={200: Answer("The session", SessionAnswer)},
    access=Access.OPEN,
)
LOGOUT = Operation(
    method="POST",
    path=f"{API}logout",
    tag=TAG,
    summary="End the session",
    answers={200: Answer("It has ended", Done, headers={"Set-Cookie": "Removes the session"})},
    access=Access.SESSION,
    viewer=True,
)
