"""Results of an evaluation as they are saved, and the libraries that an evaluation needs."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

#: Import name -> distribution name: the `evaluate` extra.
LIBRARIES = {
    "sklearn": "scikit-learn",
    "nervaluate": "nervaluate",
    "faster_coco_eval": "faster-coco-eval",
    "jiwer": "jiwer",
    "matplotlib": "matplotlib",
}
#: How to install them: pip adds them to this package where it is installed.
INSTALL = 'pip install "label-studio-ml[evaluate]"'

#: Label of a missing prediction or annotation in a confusion matrix.
NONE = "(none)"


class Confusion(msgspec.Struct, frozen=True):
    """Confusion matrix: how often each label (row) was predicted as each label (column)."""

    labels: list[str]
    matrix: list[list[int]]


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Metrics of one control; the value None means that a metric is not defined.

    `kind` is the name of the metric: boxes, spans, areas, … `tasks` is the number of tasks with an
    annotated or predicted region of the control. `labels` has the metrics of each label, among them `support` (how
    often it was annotated). `picture` is the file name of the confusion matrix.
    """

    kind: str
    tasks: int
    metrics: dict[str, float | None]
    labels: dict[str, dict[str, float | None]] = {}
    confusion: Confusion | None = None
    picture: str = ""


class Selection(msgspec.Struct, kw_only=True):
    """The tasks of an evaluation.

    `how` is "held out", "test split" or "all". `annotated` is the number of candidates, `used` that of chosen tasks,
    and `seen` that of chosen tasks that the version was trained on, None if that is not known.
    """

    how: str
    annotated: int = 0
    used: int = 0
    seen: int | None = None
    ground_truth_only: bool = False


class WorstTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task whose prediction differs from the annotation.

    `task` is its id in Label Studio, `agreement` is from 0 to 1. `annotated` and `predicted` count the labels of both
    sides. `error` is the cause if the task has no prediction.
    """

    task: int
    agreement: float
    annotated: dict[str, int] = {}
    predicted: dict[str, int] = {}
    error: str = ""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Result of measuring one version.

    `source` says where the annotations came from. `failed` is the number of tasks without a prediction, `failures`
    are reasons for it. `not_measured` maps controls to the reason why they have no metric. `created` is an ISO 8601
    time. `worst_tasks` are the tasks whose prediction agrees least with the annotation, the worst first.
    """

    project: str
    version: str
    created: str
    source: str
    tasks: Selection
    failed: int
    failures: list[str]
    controls: dict[str, Measured]
    not_measured: dict[str, str]
    worst_tasks: list[WorstTask] = []

    def to_json(self) -> bytes:
        """Return the evaluation as an indented JSON document."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def ratio(part: float, total: float) -> float:
    """Return `part / total`, or 0 if `total` is 0."""
    return part / total if total else 0.0


def f1(precision: float, recall: float) -> float:
    """Return the harmonic mean of precision and recall, or 0 if both are 0."""
    return ratio(2 * precision * recall, precision + recall)


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are defined; None if there are none."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def ordered(labels: set[str], config_labels: list[str]) -> list[str]:
    """Return `labels` in the order of the label config, followed by unknown labels by name."""
    position = {label: number for number, label in enumerate(config_labels)}
    return sorted(labels, key=lambda label: (position.get(label, len(position)), label))


def number(value: Any) -> float | None:
    """Return a metric as a float, or None if it is not finite."""
    metric = float(value)
    return metric if math.isfinite(metric) else None
