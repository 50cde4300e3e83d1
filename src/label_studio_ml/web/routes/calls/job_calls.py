"""The calls about training jobs: requests, answers and errors."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from label_studio_ml import errors
from label_studio_ml.openapi.declarations.operation import Answer, Body, Operation, Parameter
from label_studio_ml.training.records.job_record import JobState

TAG = "Trainings"

#: Values that a model's code reports: numbers, or whatever else it passes.
Metrics = Annotated[dict[str, Any], msgspec.Meta(description="What the run has reported, by name")]
#: One report of a run: metrics by name, with the number of its step or the time.
Point = dict[str, Any]


class JobBody(TypedDict):
    """A job's id, in either field."""

    job: NotRequired[str]
    job_id: NotRequired[str]


class TrackerLink(TypedDict):
    """Where a tracker, such as MLflow, has a training: the URL of its page, or else a folder or database.

    If it lacks something of the training, `missing` says how much, `problem` why, `text` all of this in a sentence with
    the tracker's name, and `fix` what to do.
    """

    url: NotRequired[str]
    place: NotRequired[str]
    missing: NotRequired[Literal["part", "everything"]]
    problem: NotRequired[str]
    text: NotRequired[str]
    fix: NotRequired[str]


class JobAnswer(TypedDict):
    """A training job. Fields that are empty are missing. Times are ISO 8601 in UTC.

    `job_status` is "interrupted" if the run broke off and a later job has its events: `retried_by`, once that has
    begun; `retry_of` there names the interrupted job. `error_code` is explained by `label-studio-ml explain CODE`.
    `message` is the run's last message, or what a queued job waits for. `model_version` is the version that it made,
    `held_back` says why that is not served. `progress` is from 0 to 1. `log` has the last lines of its log,
    `trackers` says by name where trackers have the training, and what they lack.
    """

    job_status: JobState
    job: str
    project: str
    created: NotRequired[str]
    started: NotRequired[str]
    ended: NotRequired[str]
    message: NotRequired[str]
    metrics: NotRequired[Metrics]
    model_version: NotRequired[str]
    error: NotRequired[str]
    error_code: NotRequired[str]
    retried_by: NotRequired[str]
    retry_of: NotRequired[str]
    ending: NotRequired[str]
    cancel_requested: NotRequired[str]
    source: NotRequired[str]
    model_class: NotRequired[str]
    asked_by: NotRequired[str]
    held_back: NotRequired[str]
    comparison: NotRequired[str]
    trackers: NotRequired[dict[str, TrackerLink]]
    events: NotRequired[int]
    log: NotRequired[list[str]]
    progress: NotRequired[float]
    annotations: NotRequired[int]


class JobRemoved(TypedDict):
    """There is no such job, or its record was removed."""

    job_status: Literal["removed"]
    detail: str


class IsTrainingAnswer(TypedDict):
    """Whether a project is being trained, and the job that does; `model_version` is null if none is known."""

    is_training: bool
    model_version: str | None
    backend: Literal["redis"]
    job_id: NotRequired[str]


class RepredictionAnswer(TypedDict):
    """Progress of predicting a project's tasks again after a training, in tasks."""

    project: str
    model_version: NotRequired[str]
    state: NotRequired[str]
    began: NotRequired[str]
    tasks: int
    predicted: int
    failed: int
    error: NotRequired[str]


class JobsAnswer(TypedDict):
    """Jobs, newest first, and predictions after trainings."""

    jobs: list[JobAnswer]
    predictions: list[RepredictionAnswer]


class LogAnswer(TypedDict):
    """Lines of a log, without tracebacks. `next` is the value of `after` for the next call.

    `first` is the number of the first line, `current` the unfinished line.
    """

    job: str
    lines: list[str]
    next: int
    job_status: NotRequired[JobState]
    first: NotRequired[int]
    current: NotRequired[str]


class MetricsAnswer(TypedDict):
    """A job's metrics over time, oldest first."""

    job: str
    points: list[Point]


_JOB = Parameter("job", "Id of the job")

JOB_STATUS = Operation(
    method="POST",
    path="/job_status",
    tag=TAG,
    summary="Show a job",
    body=Body(JobBody),
    answers={
        200: Answer("The job", JobAnswer),
        410: Answer("There is no such job", JobRemoved),
    },
    errors=(errors.BrokerError,),
    viewer=True,
)
IS_TRAINING = Operation(
    method="GET",
    path="/is_training",
    tag=TAG,
    summary="Tell whether a project is being trained",
    parameters=(Parameter("project", "The project's uid or plain id", required=True),),
    answers={200: Answer("Whether it is", IsTrainingAnswer)},
    errors=(errors.UnknownProject, errors.BrokerError),
)
JOBS = Operation(
    method="GET",
    path="/jobs",
    tag=TAG,
    summary="List jobs",
    parameters=(
        Parameter("project", "The project's uid or plain id; all projects without it"),
        Parameter("limit", "The most jobs, from 1 on; 50 without it", int),
    ),
    answers={200: Answer("The jobs", JobsAnswer)},
    errors=(errors.UnknownProject, errors.BrokerError),
)
JOB = Operation(
    method="GET",
    path="/jobs/{job}",
    tag=TAG,
    summary="Show a job",
    parameters=(_JOB,),
    answers={200: Answer("The job", JobAnswer)},
    errors=(errors.UnknownJob, errors.BrokerError),
)
LOG = Operation(
    method="GET",
    path="/jobs/{job}/log",
    tag=TAG,
    summary="Read a job's log",
    parameters=(
        _JOB,
        Parameter("after", "Number of the first line, from 0; a negative number counts from the end", int),
    ),
    answers={200: Answer("Lines", LogAnswer)},
    errors=(errors.UnknownJob, errors.BrokerError),
)
METRICS = Operation(
    method="GET",
    path="/jobs/{job}/metrics",
    tag=TAG,
    summary="Read a job's metrics over time",
    parameters=(_JOB,),
    answers={200: Answer("Metrics", MetricsAnswer)},
    errors=(errors.UnknownJob, errors.BrokerError),
)
CANCEL = Operation(
    method="POST",
    path="/jobs/{job}/cancel",
    tag=TAG,
    summary="Cancel a job",
    parameters=(_JOB,),
    answers={202: Answer("The cancellation is requested", JobAnswer)},
    errors=(errors.UnknownJob, errors.JobEnded, errors.BrokerError),
)
