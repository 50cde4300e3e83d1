"""The calls about versions: requests, answers and errors."""

from typing import Literal, NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.openapi.declarations.operation import Answer, Body, Operation, Parameter
from label_studio_ml.versions.listing import Entry
from label_studio_ml.web.routes.calls.label_studio_calls import ProjectBody

TAG = "Versions"


class VersionsBody(TypedDict):
    """The project's uid or plain id, as Label Studio sends it; all projects without it."""

    project: NotRequired[str | int | None]


class VersionsAnswer(TypedDict):
    """Names of versions, newest first, for Label Studio's list.

    If they are those of one project, `model_version` is the served one, null before the model class is imported;
    `problem` says why the choice of a version cannot be read, `failed` maps ids of versions that do not load to the
    causes. `details` describe the versions of a project that the request names.
    """

    versions: list[str]
    model_version: NotRequired[str | None]
    problem: NotRequired[str]
    failed: NotRequired[dict[str, str]]
    details: NotRequired[list[Entry]]


class PromoteBody(TypedDict):
    """The version to serve, by name or id. With `pin`, newer versions do not replace it."""

    project: str | int
    version: str
    pin: NotRequired[bool]


class ServedAnswer(TypedDict):
    """The version that is served from now on, null for the untrained model; `instead_of` is the one before."""

    status: Literal["ok"]
    model_version: str | None
    instead_of: NotRequired[str]


_PROJECT = Parameter("project", "The project's uid or plain id; all projects without it")
_LIST_ERRORS = (errors.UnknownProject, errors.VersionError, errors.StoreError)
_CHOICE_ERRORS = (
    errors.UnknownProject,
    errors.UnknownVersion,
    errors.VersionError,
    errors.StoreError,
    errors.DecisionError,
)

VERSIONS = Operation(
    method="GET",
    path="/versions",
    tag=TAG,
    summary="List versions",
    parameters=(_PROJECT,),
    answers={
        200: Answer(
            "The versions", VersionsAnswer, example={"versions": ["INITIAL"], "model_version": "INITIAL"}
        )
    },
    errors=_LIST_ERRORS,
)
POSTED_VERSIONS = Operation(
    method="POST",
    path="/versions",
    tag=TAG,
    summary="List versions",
    description="As GET, for clients that name the project in the body.",
    parameters=(_PROJECT,),
    body=Body(VersionsBody, required=False),
    answers={200: Answer("The versions", VersionsAnswer)},
    errors=_LIST_ERRORS,
    viewer=True,
)
PROMOTE = Operation(
    method="POST",
    path="/versions/promote",
    tag=TAG,
    summary="Serve a version",
    body=Body(PromoteBody),
    answers={200: Answer("It is served within a second", ServedAnswer)},
    errors=_CHOICE_ERRORS,
)
ROLLBACK = Operation(
    method="POST",
    path="/versions/rollback",
    tag=TAG,
    summary="Serve the version before the served one",
    body=Body(ProjectBody),
    answers={200: Answer("It is served within a second", ServedAnswer)},
    errors=_CHOICE_ERRORS,
)
UNPIN = Operation(
    method="POST",
    path="/versions/unpin",
    tag=TAG,
    summary="Let newer versions replace a pinned one",
    body=Body(ProjectBody),
    answers={200: Answer("The served version", ServedAnswer)},
    errors=_CHOICE_ERRORS,
)
