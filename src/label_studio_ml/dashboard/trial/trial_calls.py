"""The calls of the view "Try it"."""

from typing import Any, NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.dashboard.session_calls import TAG
from label_studio_ml.openapi.declarations.document import Problem
from label_studio_ml.openapi.declarations.operation import BYTES, Access, Answer, Body, Operation, Parameter
from label_studio_ml.web.security.page_paths import API


class ConfigChannel(TypedDict):
    """A channel of a time series."""

    column: str
    legend: str
    units: str


class ConfigObject(TypedDict):
    """An object of a label config. `field` is the field of the data that it shows, empty for a text of its own."""

    name: str
    tag: str
    field: str
    attributes: dict[str, str]
    channels: list[ConfigChannel]


class ConfigLabel(TypedDict):
    """A label: regions have its `value`, annotators read its `title`."""

    value: str
    title: str
    background: str


class ConfigControl(TypedDict):
    """A control of a label config; `smart`: people prompt with it."""

    name: str
    tag: str
    type: str
    to_name: list[str]
    labels: list[ConfigLabel]
    attributes: dict[str, str]
    per_region: bool
    smart: bool


class ConfigView(TypedDict):
    """A label config; `interactive`: it has controls with which people prompt."""

    objects: list[ConfigObject]
    controls: list[ConfigControl]
    relation_labels: list[ConfigLabel]
    interactive: bool


class TrialProject(TypedDict):
    """The project, with the address of its Label Studio."""

    uid: str
    id: str
    title: str
    url: str


class TrialVersion(TypedDict):
    """A version to choose."""

    id: str
    name: str
    state: str
    note: str
    created: NotRequired[str]


class TrialModel(TypedDict):
    """A model on trial: its memory in bytes, null if that is not known, and for how many seconds it was not used."""

    project: str
    version: str
    memory: int | None
    unused: int


class TrialProjectAnswer(TypedDict):
    """A project to try: its label config, its newest versions, the models on trial, and the number of sample tasks."""

    project: TrialProject
    config: ConfigView
    has_config: bool
    served: str
    models: list[TrialModel]
    samples: int
    versions: list[TrialVersion]
    more_versions: bool
    versions_problem: NotRequired[str]


class TrialConfigAnswer(TypedDict):
    """A pasted label config."""

    config: ConfigView
    samples: int
    has_config: bool


class TrialTaskRow(TypedDict):
    """A task of the list: the first text in its data, and the numbers of its annotations and predictions."""

    id: int
    text: str
    total_annotations: int
    total_predictions: int


class TrialTasksAnswer(TypedDict):
    """A page of a project's tasks."""

    tasks: list[TrialTaskRow]
    total: int
    page: int
    size: int


class NeighbourAnswer(TypedDict):
    """The id of the task, null if there is none."""

    task: int | None


class ObjectContent(TypedDict):
    """What an object shows of a task: a value of its data, and the address of the file, empty if it is none.

    Of a list of values, a list of addresses. `error` says what the task lacks.
    """

    data: Any
    file: str | list[str]
    error: NotRequired[str]


class TrialTaskAnswer(TypedDict):
    """A task in Label Studio's format, what each object shows of it, and what was left out because it is too large."""

    task: dict[str, Any]
    objects: dict[str, ObjectContent]
    left_out: str


class TrialPredictAnswer(TypedDict):
    """Predictions of a version, in Label Studio's format, or the error; the time it took, and what the model logged."""

    served: bool
    version: str
    predictions: list[Any]
    error: str
    fix: str
    seconds: float
    log: list[str]
    models: list[TrialModel]


class TrialFinding(TypedDict):
    """What is wrong with a region (its number, null for the prediction), how bad that is, and which package says so."""

    region: int | None
    from_name: str
    severity: str
    text: str
    detail: str
    field: str
    fix: str
    by: str


class TrialCheckAnswer(TypedDict):
    """Findings, the number of those left out, and the version of the SDK that has checked, empty without it."""

    findings: list[TrialFinding]
    more: int
    sdk: str
    checked: bool


class SubjectBody(TypedDict):
    """A project's uid, or a label config of the page's own."""

    project: NotRequired[str | None]
    label_config: NotRequired[str | None]


class TaskBody(SubjectBody):
    """A task: of the project by its id, a sample by its number, or one of the page's own."""

    task_id: NotRequired[int | None]
    sample: NotRequired[int | None]
    task: NotRequired[Any]


class TrialPredictBody(TaskBody):
    """The version to ask, the served one if it is empty; `context` is that of an interactive request."""

    version: NotRequired[str | None]
    context: NotRequired[dict[str, Any] | None]
    params: NotRequired[dict[str, Any] | None]


class TrialCheckBody(TaskBody):
    """The prediction to check."""

    prediction: dict[str, Any]
    interactive: NotRequired[bool]


_PROJECT = Parameter("project", "The project's uid", required=True)
#: Headers of files, of which a part may be asked for, and those of a part.
_RANGES = {"Accept-Ranges": "The unit of ranges: bytes."}
_RANGE = {"Content-Range": "The part, and the size of the file."}
_CONFIG_ERRORS = (errors.UnknownProject, errors.LabelConfigError)
_STUDIO_ERRORS = (errors.UnknownProject, errors.StudioError)
_TASK_ERRORS = (*_STUDIO_ERRORS, errors.LabelConfigError, errors.ReadOnlyLogin)

TRIAL_PROJECT = Operation(
    method="GET",
    path=f"{API}trial/project",
    tag=TAG,
    summary="Show a project to try",
    parameters=(_PROJECT, Parameter("search", "Only versions with this text in name or id")),
    answers={200: Answer("The project", TrialProjectAnswer)},
    errors=_CONFIG_ERRORS,
    access=Access.SESSION,
)
TRIAL_TASKS = Operation(
    method="GET",
    path=f"{API}trial/tasks",
    tag=TAG,
    summary="List a project's tasks",
    parameters=(
        _PROJECT,
        Parameter("page", "Number of the page, from 1", int),
        Parameter("task", "Only the task with this id", int),
    ),
    answers={200: Answer("Tasks", TrialTasksAnswer)},
    errors=_STUDIO_ERRORS,
    access=Access.SESSION,
)
TRIAL_NEIGHBOUR = Operation(
    method="GET",
    path=f"{API}trial/neighbour",
    tag=TAG,
    summary="Find the task next to a task, or any task",
    parameters=(
        _PROJECT,
        Parameter("direction", "next, previous or any", required=True),
        Parameter("task", "Id of the task", int),
    ),
    answers={200: Answer("The task", NeighbourAnswer)},
    errors=_STUDIO_ERRORS,
    access=Access.SESSION,
)
TRIAL_FILE = Operation(
    method="GET",
    path=f"{API}trial/file",
    tag=TAG,
    summary="Read a file of a task",
    description="`/trial/task` answers the addresses of files, which are signed.",
    parameters=(
        Parameter("ref", "The reference", required=True),
        Parameter("sig", "Its signature", required=True),
    ),
    answers={
        200: Answer(
            "The file, with a media type of its content", content=BYTES, further=("*/*",), headers=_RANGES
        ),
        206: Answer(
            "The part that the header Range asks for",
            content=BYTES,
            further=("*/*",),
            headers={**_RANGES, **_RANGE},
        ),
        416: Answer("The file has no such part", Problem, headers={**_RANGES, **_RANGE}),
    },
    errors=(errors.FileFetchError, errors.StudioError),
    access=Access.SESSION,
)
TRIAL_CONFIG = Operation(
    method="POST",
    path=f"{API}trial/config",
    tag=TAG,
    summary="Read a label config",
    body=Body(SubjectBody),
    answers={200: Answer("Its objects and controls", TrialConfigAnswer)},
    errors=_CONFIG_ERRORS,
    access=Access.SESSION,
    viewer=True,
)
TRIAL_TASK = Operation(
    method="POST",
    path=f"{API}trial/task",
    tag=TAG,
    summary="Show a task",
    body=Body(TaskBody),
    answers={200: Answer("The task", TrialTaskAnswer)},
    errors=_TASK_ERRORS,
    access=Access.SESSION,
    viewer=True,
)
TRIAL_PREDICT = Operation(
    method="POST",
    path=f"{API}trial/predict",
    tag=TAG,
    summary="Predict a task with a version",
    body=Body(TrialPredictBody),
    answers={200: Answer("The prediction, or why there is none", TrialPredictAnswer)},
    errors=(
        *_TASK_ERRORS,
        errors.UnknownVersion,
        errors.NoLabelConfig,
        errors.ParamsError,
        errors.StoreError,
        errors.VersionError,
    ),
    access=Access.SESSION,
    viewer=True,
)
TRIAL_CHECK = Operation(
    method="POST",
    path=f"{API}trial/check",
    tag=TAG,
    summary="Check a prediction",
    body=Body(TrialCheckBody),
    answers={200: Answer("Findings", TrialCheckAnswer)},
    errors=_TASK_ERRORS,
    access=Access.SESSION,
    viewer=True,
)
