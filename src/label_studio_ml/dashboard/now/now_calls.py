"""The calls of the view Now, and the values of its topics."""

from typing import TypedDict

from label_studio_ml.dashboard.now.attention import Attention
from label_studio_ml.dashboard.now.served_projects import ProjectRow
from label_studio_ml.dashboard.session_calls import TAG
from label_studio_ml.monitoring.counter_history import Series, Summary
from label_studio_ml.openapi.declarations.operation import Access, Answer, Operation
from label_studio_ml.reports.server_report import ModelProcess
from label_studio_ml.reports.shared_checks import Finding
from label_studio_ml.training.overview.current_trainings import RepredictionRow, TrainingOverview
from label_studio_ml.training.overview.worker_list import WorkerReport
from label_studio_ml.web.security.page_paths import API


class ServerRow(TypedDict):
    """A server's report of itself, as in `ServerReport`; `models` is the number of models that it has loaded.

    `at` is the time of the report in seconds since 1970, 0 for the server that answers. `silent`: it no longer reports.
    """

    id: str
    host: str
    pid: int
    address: str
    started: float
    at: int
    version: str
    model_class: str
    processes: list[ModelProcess]
    problem: str
    spool: int
    spool_bytes: int
    ended: bool
    models: int
    silent: bool


class NowProjects(TypedDict):
    """The numbers of projects that are known, served, and in need of a person; `rows` has some of them."""

    known: int
    served: int
    failing: int
    rows: list[ProjectRow]


class NowRepredictions(TypedDict):
    """The number of projects whose tasks are predicted again, and some of them."""

    projects: int
    rows: list[RepredictionRow]


class NowWorkers(TypedDict):
    """The numbers of workers and of busy ones, and some of them."""

    total: int
    busy: int
    rows: list[WorkerReport]


class NowChecks(TypedDict):
    """Failures and warnings among the findings of `doctor`; `made` is the number of checks. As in `Checks`."""

    at: float
    host: str
    findings: list[Finding]
    error: str
    made: int


class NowAnswer(TypedDict):
    """What is served by which servers, the trainings, the workers, and what `doctor` found. `titles` are by uid.

    `redis`: trainings are in Redis. `problem` says why it cannot be asked. `parked` is the number of events that were
    set aside.
    """

    version: str
    model_class: str
    connect_command: str
    redis: bool
    problem: str
    servers: list[ServerRow]
    projects: NowProjects
    trainings: TrainingOverview
    parked: int
    repredictions: NowRepredictions
    workers: NowWorkers
    titles: dict[str, str]
    checks: NowChecks | None


class NowSeries(TypedDict):
    """The figures of all servers over the last hour, and over the last minute."""

    series: Series
    recent: Summary


#: The types of the topics' values, by name.
TOPICS = {"now": NowAnswer, "now-series": NowSeries, "attention": Attention}

NOW = Operation(
    method="GET",
    path=f"{API}now",
    tag=TAG,
    summary="Show what runs now",
    answers={200: Answer("The state of all servers", NowAnswer)},
    access=Access.SESSION,
)
