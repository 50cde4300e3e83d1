"""The calls about the server itself: probes, metrics, connection, problem pages, and the OpenAPI document."""

from typing import Any, Literal, NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.openapi.declarations.document import Problem
from label_studio_ml.openapi.declarations.operation import TEXT, Access, Answer, Operation, Parameter
from label_studio_ml.web.webhook_receipts import WebhookReceipt

TAG = "Server"


class LivezAnswer(TypedDict):
    """The server runs."""

    status: Literal["UP"]
    version: str


class ReadyzAnswer(TypedDict):
    """Whether the server is ready, and the fault of each part, "ok" if it has none.

    Without the login, each fault is only said to be "failing". `spool`, `training` and `server` are there if they have
    a fault.
    """

    status: Literal["READY", "NOT READY"]
    model: str
    store: str
    broker: str
    spool: NotRequired[str]
    training: NotRequired[str]
    server: NotRequired[str]


class StudioSettings(TypedDict):
    """Which settings of the login for Label Studio are set."""

    LABEL_STUDIO_URL: bool
    LABEL_STUDIO_API_KEY: bool


class ConnectedProject(TypedDict):
    """A project: whether `/setup` has sent a token, the served version, and the last event of each action."""

    uid: str
    hostname: str
    token: bool
    model_version: str | None
    heard: dict[str, WebhookReceipt]


class ConnectionAnswer(TypedDict):
    """What `connect` and `doctor` need to know. `events` are the actions that start a training.

    `model_class`, `learns` and `initial_version` are null before the class is imported. `time` is in seconds since
    1970. `invalid_predictions` counts kinds of predictions that Label Studio cannot show.
    """

    version: str
    model_class: str | None
    learns: bool | None
    initial_version: str | None
    events: list[str]
    login: bool
    studio: StudioSettings
    time: float
    invalid_predictions: dict[str, int]
    project: NotRequired[ConnectedProject]


LIVEZ = Operation(
    method="GET",
    path="/livez",
    tag=TAG,
    summary="Probe whether the process runs",
    answers={200: Answer("The server runs", LivezAnswer)},
    access=Access.OPEN,
)
READYZ = Operation(
    method="GET",
    path="/readyz",
    tag=TAG,
    summary="Probe whether predictions can be made",
    answers={200: Answer("It is ready", ReadyzAnswer), 503: Answer("It is not ready", ReadyzAnswer)},
    access=Access.PARTLY,
)
METRICS = Operation(
    method="GET",
    path="/metrics",
    tag=TAG,
    summary="Read the metrics for Prometheus",
    answers={200: Answer("Metrics in Prometheus' text format", str, content=TEXT)},
)
CONNECTION = Operation(
    method="GET",
    path="/connection",
    tag=TAG,
    summary="Read what connect and doctor need to know",
    parameters=(Parameter("project", "The project's uid or plain id"),),
    answers={200: Answer("The backend, and the project", ConnectionAnswer)},
    errors=(errors.StoreError,),
)
DOCUMENT = Operation(
    method="GET",
    path="/openapi.json",
    tag=TAG,
    summary="Read this document",
    answers={200: Answer("The OpenAPI document", dict[str, Any])},
)
PROBLEM = Operation(
    method="GET",
    path="/problem/{status}/{cause}",
    tag=TAG,
    summary="Answer with the status and the cause in the address",
    description="Label Studio is redirected here when a call has failed, and shows the address.",
    parameters=(
        Parameter("status", "The status", int),
        Parameter("cause", "The cause, with a hyphen for each blank"),
    ),
    answers={
        "4XX": Answer("The status and the cause in the address", Problem),
        "5XX": Answer("The status and the cause in the address", Problem),
    },
    access=Access.OPEN,
)
