"""The calls of the view Projects, and the values of its topics."""

from typing import NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.dashboard.projects.studio_state import StudioState
from label_studio_ml.dashboard.session_calls import TAG
from label_studio_ml.openapi.declarations.operation import Access, Answer, Body, Operation, Parameter
from label_studio_ml.web.routes.calls.label_studio_calls import Done
from label_studio_ml.web.security.page_paths import API
from label_studio_ml.web.webhook_receipts import WebhookReceipt


class StudioLinks(TypedDict):
    """Pages of a project in Label Studio; none if its address is not known."""

    data: NotRequired[str]
    model: NotRequired[str]
    webhooks: NotRequired[str]
    instructions: NotRequired[str]


class Heard(TypedDict):
    """When `/setup` was last called and when the last webhook arrived, in seconds since 1970."""

    setup: float | None
    webhook: float | None


class ProjectListRow(TypedDict):
    """A project: `number` is its id in Label Studio. `forgotten`: only its versions are left. `token`: there is one."""

    uid: str
    number: str
    title: str
    hostname: str
    token: bool
    forgotten: bool
    links: StudioLinks
    served: str
    heard: Heard


class ProjectListAnswer(TypedDict):
    """How many projects fit, and one page of them."""

    total: int
    projects: list[ProjectListRow]


class ProjectName(TypedDict):
    """A project to choose."""

    uid: str
    number: str
    title: str
    hostname: str


class ProjectNamesAnswer(TypedDict):
    """How many projects fit, and one page of them."""

    total: int
    projects: list[ProjectName]


class ProjectTraining(TypedDict):
    """A training that waits or runs."""

    job: str | None
    job_status: str | None
    progress: float | None
    message: str | None


class ProjectMoving(TypedDict):
    """What changes of a project by itself; `trainings` and `last_command_ended` are null if Redis does not answer."""

    served: str
    heard: Heard
    trainings: list[ProjectTraining] | None
    last_command_ended: float | None


class ProjectAnswer(ProjectMoving):
    """A project. Long label configs and extra params are cut; `label_config_size` is in characters.

    `learns`: its class has a `fit`. `login`: this backend needs a login.
    """

    uid: str
    number: str
    title: str
    hostname: str
    links: StudioLinks
    forgotten: bool
    label_config: str
    label_config_size: int
    extra_params: str
    events: dict[str, WebhookReceipt]
    login: bool
    model_class: str | None
    learns: bool


class ForgetBody(TypedDict):
    """Whether the project's versions are deleted, too."""

    versions: NotRequired[bool]


#: The types of the topics' values, by name.
TOPICS = {"project": ProjectMoving}

_UID = Parameter("uid", "The project's uid")
_PAGE = (
    Parameter("search", "Only projects with this text in title, uid or address"),
    Parameter("known", "1 to leave out projects of which only versions are left"),
    Parameter("first", "Number of the first one", int),
    Parameter("size", "The most projects, 1 to 100", int),
)

LIST_PROJECTS = Operation(
    method="GET",
    path=f"{API}projects",
    tag=TAG,
    summary="List projects",
    parameters=_PAGE,
    answers={200: Answer("Projects", ProjectListAnswer)},
    errors=(errors.StoreError,),
    access=Access.SESSION,
)
PROJECT_NAMES = Operation(
    method="GET",
    path=f"{API}project-names",
    tag=TAG,
    summary="List projects to choose from",
    parameters=_PAGE,
    answers={200: Answer("Projects", ProjectNamesAnswer)},
    errors=(errors.StoreError,),
    access=Access.SESSION,
)
PROJECT = Operation(
    method="GET",
    path=f"{API}projects/{{uid}}",
    tag=TAG,
    summary="Show a project",
    parameters=(_UID,),
    answers={200: Answer("The project", ProjectAnswer)},
    errors=(errors.UnknownProject,),
    access=Access.SESSION,
)
PROJECT_STUDIO = Operation(
    method="GET",
    path=f"{API}projects/{{uid}}/studio",
    tag=TAG,
    summary="Ask Label Studio about a project",
    parameters=(_UID, Parameter("fresh", "1 to use no answer of the last minute")),
    answers={200: Answer("What it says", StudioState)},
    errors=(errors.UnknownProject,),
    access=Access.SESSION,
)
FORGET_PROJECT = Operation(
    method="POST",
    path=f"{API}projects/{{uid}}/forget",
    tag=TAG,
    summary="Forget a project",
    parameters=(_UID,),
    body=Body(ForgetBody),
    answers={200: Answer("It is forgotten", Done)},
    errors=(errors.UnknownProject, errors.ProjectBusy, errors.BrokerError, errors.StoreError),
    access=Access.SESSION,
)
