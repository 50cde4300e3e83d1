"""The calls of the view Trainings, and the values of its topics."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from label_studio_ml import errors
from label_studio_ml.dashboard.session_calls import TAG
from label_studio_ml.openapi.declarations.operation import (
    DOWNLOAD,
    TEXT,
    Access,
    Answer,
    Body,
    Operation,
    Parameter,
)
from label_studio_ml.training.overview.failure_advice import Advice
from label_studio_ml.training.overview.wait_reason import Wait
from label_studio_ml.training.records.job_record import JobState
from label_studio_ml.web.routes.calls.job_calls import Metrics, MetricsAnswer, Point, TrackerLink
from label_studio_ml.web.security.page_paths import API


class TrainingRecord(TypedDict):
    """A training. Fields that are empty are missing; times are ISO 8601 in UTC.

    `wait` says what a queued one waits for, `advice` why one has failed. Other fields are as in `JobAnswer`.
    """

    job: str
    project: str
    project_id: str
    state: JobState
    events: int
    created: NotRequired[str]
    started: NotRequired[str]
    ended: NotRequired[str]
    message: NotRequired[str]
    version: NotRequired[str]
    error: NotRequired[str]
    error_code: NotRequired[str]
    retried_by: NotRequired[str]
    retry_of: NotRequired[str]
    ending: NotRequired[str]
    held_back: NotRequired[str]
    comparison: NotRequired[str]
    source: NotRequired[str]
    asked_by: NotRequired[str]
    model_class: NotRequired[str]
    cancel_requested: NotRequired[str]
    progress: NotRequired[float]
    annotations: NotRequired[int]
    metrics: NotRequired[Metrics]
    trackers: NotRequired[dict[str, TrackerLink]]
    wait: NotRequired[Wait]
    advice: NotRequired[Advice]


class TrainingsAnswer(TypedDict):
    """A page of trainings from number `offset` on, newest first, and the titles of their projects by uid."""

    jobs: list[TrainingRecord]
    total: int
    offset: int
    titles: dict[str, str]


class TrainingCounts(TypedDict):
    """The number of trainings in each state, and of projects with events that were set aside."""

    queued: int
    started: int
    finished: int
    failed: int
    interrupted: int
    cancelled: int
    parked: int


class ParkedEvents(TypedDict):
    """Events that were set aside together: the cause, the time, their number, and what to do."""

    why: str
    since: str
    events: int
    advice: Advice | None


class ParkedRow(TypedDict):
    """A project with events that were set aside."""

    project: str
    project_id: str
    events: int
    sets: list[ParkedEvents]


class ParkedAnswer(TypedDict):
    """A page of projects with events that were set aside, and their titles by uid."""

    parked: list[ParkedRow]
    total: int
    offset: int
    titles: dict[str, str]


class LastLines(TypedDict):
    """The last lines of a log, null for those of tracebacks.

    `first` is the number of the first one, `next` that of the next line, `current` the unfinished line.
    """

    first: int
    next: int
    lines: list[str | None]
    current: str


class TrainingAnswer(TrainingRecord):
    """A training with its metrics over time, the last lines of its log, and its project's title by uid."""

    points: list[Point]
    log: LastLines
    titles: dict[str, str]


class TrainingLog(TypedDict):
    """Lines of a log with their numbers, null for hidden ones. `next` is the number of the line to go on with.

    `end` is the number after the last line; `complete`: the whole log is known here.
    """

    lines: list[tuple[int, str | None]]
    next: int
    end: int
    complete: bool


class LogMatches(TypedDict):
    """The first lines that contain a text, with their numbers; `more`: there are further ones."""

    matches: list[tuple[int, str]]
    more: bool
    complete: bool


class TrainNowBody(TypedDict):
    """The project, by uid or plain id; with `from_version`, it is trained on the annotations of that version."""

    project: str
    from_version: NotRequired[str | None]


class RetryParkedBody(TypedDict):
    """The project, by uid or plain id."""

    project: str


class TrainingBegun(TypedDict):
    """The training's id, null if the request waits on this server's disk: `message` says so."""

    job: str | None
    project: str
    message: NotRequired[str]


class ActiveTrainings(TypedDict):
    """Numbers of trainings, the newest that run and wait, workers (null without Redis), and events on this disk."""

    counts: TrainingCounts
    running: list[TrainingRecord]
    waiting: list[TrainingRecord]
    workers: int | None
    spooled: int
    titles: dict[str, str]


#: The types of the topics' values, by name.
TOPICS = {"trainings": ActiveTrainings, "training": TrainingAnswer}

_JOB = Parameter("job", "Id of the training")
_PROJECT = Parameter("project", "The project's uid or plain id; all projects without it")
_PAGE = (
    Parameter("offset", "Number of the first one", int),
    Parameter("count", "The most entries, 1 to 200", int),
)
_BEGUN: Mapping[int | str, Answer] = {
    201: Answer("The training", TrainingBegun),
    202: Answer("The request waits on this server's disk", TrainingBegun),
}
_TRAIN_ERRORS = (
    errors.UnknownProject,
    errors.UnknownVersion,
    errors.FitError,
    errors.BrokerError,
    errors.StoreError,
)
_READ_ERRORS = (errors.UnknownJob, errors.BrokerError)

LIST_TRAININGS = Operation(
    method="GET",
    path=f"{API}trainings",
    tag=TAG,
    summary="List trainings",
    parameters=(Parameter("state", "Only those in these states, separated by commas"), _PROJECT, *_PAGE),
    answers={200: Answer("Trainings", TrainingsAnswer)},
    errors=(errors.UnknownProject, errors.BrokerError),
    access=Access.SESSION,
)
TRAINING_COUNTS = Operation(
    method="GET",
    path=f"{API}trainings/counts",
    tag=TAG,
    summary="Count trainings by state",
    parameters=(_PROJECT,),
    answers={200: Answer("Numbers", TrainingCounts)},
    errors=(errors.UnknownProject, errors.BrokerError),
    access=Access.SESSION,
)
PARKED = Operation(
    method="GET",
    path=f"{API}trainings/parked",
    tag=TAG,
    summary="List projects with events that were set aside",
    parameters=(_PROJECT, *_PAGE),
    answers={200: Answer("Projects", ParkedAnswer)},
    errors=(errors.UnknownProject, errors.BrokerError),
    access=Access.SESSION,
)
TRAIN_NOW = Operation(
    method="POST",
    path=f"{API}trainings/train",
    tag=TAG,
    summary="Train a project now",
    body=Body(TrainNowBody),
    answers=_BEGUN,
    errors=_TRAIN_ERRORS,
    access=Access.SESSION,
)
RETRY_PARKED = Operation(
    method="POST",
    path=f"{API}trainings/retry-parked",
    tag=TAG,
    summary="Train a project on its events that were set aside",
    body=Body(RetryParkedBody),
    answers=_BEGUN,
    errors=_TRAIN_ERRORS,
    access=Access.SESSION,
)
TRAINING = Operation(
    method="GET",
    path=f"{API}trainings/{{job}}",
    tag=TAG,
    summary="Show a training",
    parameters=(_JOB,),
    answers={200: Answer("The training", TrainingAnswer)},
    errors=_READ_ERRORS,
    access=Access.SESSION,
)
TRAINING_METRICS = Operation(
    method="GET",
    path=f"{API}trainings/{{job}}/metrics",
    tag=TAG,
    summary="Read a training's metrics over time",
    parameters=(_JOB,),
    answers={200: Answer("Metrics", MetricsAnswer)},
    errors=_READ_ERRORS,
    access=Access.SESSION,
)
TRAINING_LOG = Operation(
    method="GET",
    path=f"{API}trainings/{{job}}/log",
    tag=TAG,
    summary="Read a training's log",
    parameters=(
        _JOB,
        Parameter("after", "Number of the first line", int),
        Parameter("count", "The most lines, 1 to 1000", int),
    ),
    answers={200: Answer("Lines", TrainingLog)},
    errors=_READ_ERRORS,
    access=Access.SESSION,
)
SEARCH_LOG = Operation(
    method="GET",
    path=f"{API}trainings/{{job}}/log/search",
    tag=TAG,
    summary="Search a training's log",
    parameters=(_JOB, Parameter("text", "1 to 200 characters", required=True)),
    answers={200: Answer("Lines", LogMatches)},
    errors=_READ_ERRORS,
    access=Access.SESSION,
)
DOWNLOAD_LOG = Operation(
    method="GET",
    path=f"{API}trainings/{{job}}/log.txt",
    tag=TAG,
    summary="Download a training's log",
    parameters=(_JOB,),
    answers={200: Answer("The log", str, content=TEXT, headers=DOWNLOAD)},
    errors=_READ_ERRORS,
    access=Access.SESSION,
)
CANCEL_TRAINING = Operation(
    method="POST",
    path=f"{API}trainings/{{job}}/cancel",
    tag=TAG,
    summary="Cancel a training",
    parameters=(_JOB,),
    answers={202: Answer("The cancellation is requested", TrainingAnswer)},
    errors=(*_READ_ERRORS, errors.JobEnded),
    access=Access.SESSION,
)
RETRY_TRAINING = Operation(
    method="POST",
    path=f"{API}trainings/{{job}}/retry",
    tag=TAG,
    summary="Train the project of a job again",
    parameters=(_JOB,),
    answers=_BEGUN,
    errors=(*_TRAIN_ERRORS, errors.UnknownJob),
    access=Access.SESSION,
)
