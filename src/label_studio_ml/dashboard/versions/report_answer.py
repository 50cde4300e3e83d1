"""The answer with an evaluation report, as `report_view` returns it."""

from typing import TypedDict

from label_studio_ml.dashboard.versions.metric_directions import Direction
from label_studio_ml.evaluation.metrics.results import Selection


class ReportMetric(TypedDict):
    """A metric of a control, null if it is not defined."""

    name: str
    value: float | None
    direction: Direction


class ReportConfusion(TypedDict):
    """How often each label (row) was predicted as each label (column)."""

    labels: list[str]
    matrix: list[list[int]]
    label_count: int


class ReportControl(TypedDict):
    """The metrics of a control, and of its labels: a label, then a value for each of the `columns`."""

    name: str
    kind: str
    tasks: int
    metrics: list[ReportMetric]
    columns: list[str]
    labels: list[list[str | float | None]]
    label_count: int
    confusion: ReportConfusion | None


class ReportTask(TypedDict):
    """A task whose prediction differs from its annotation, with its page in Label Studio and counts of labels."""

    task: int
    url: str
    agreement: float
    annotated: list[tuple[str, int]]
    predicted: list[tuple[str, int]]
    error: str


class ReportAnswer(TypedDict):
    """The newest evaluation of a version."""

    version: str
    created: str
    source: str
    tasks: Selection
    failed: int
    failures: list[str]
    controls: list[ReportControl]
    not_measured: list[tuple[str, str]]
    worst_tasks: list[ReportTask]
