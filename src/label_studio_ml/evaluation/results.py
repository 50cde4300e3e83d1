"""What an evaluation found, as it is saved, and the libraries that it takes."""

import importlib.util
from typing import Any

import msgspec

from label_studio_ml.errors import SettingsError

#: Import name -> what pip calls it: the `evaluate` extra.
LIBRARIES = {
    "sklearn": "scikit-learn",
    "nervaluate": "nervaluate",
    "faster_coco_eval": "faster-coco-eval",
    "jiwer": "jiwer",
    "matplotlib": "matplotlib",
}

#: How a missing prediction, or a missing annotation, is called in a confusion matrix.
NONE = "(none)"


class Confusion(msgspec.Struct, frozen=True):
    """How often a label (row) was predicted as each label (column)."""

    labels: list[str]
    matrix: list[list[int]]


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One control's metrics; None where a metric is not defined.

    `kind` is choices, multiple choices, spans, boxes, text or numbers. `tasks` is how many tasks had something for this
    control, annotated or predicted. `labels` has the metrics of each label, `support` (how often it was annotated)
    among them. `picture` is the file with the confusion matrix.
    """

    kind: str
    tasks: int
    metrics: dict[str, float | None]
    labels: dict[str, dict[str, float | None]] = {}
    confusion: Confusion | None = None
    picture: str = ""


class Selection(msgspec.Struct, kw_only=True):
    """Which tasks were used.

    `how` is "held out", "test split" or "all". `annotated` counts the tasks to choose from, `used` those chosen, `seen`
    those of them that the version was trained on, None if that is not known.
    """

    how: str
    annotated: int = 0
    used: int = 0
    seen: int | None = None
    ground_truth_only: bool = False


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One version measured on some tasks.

    `source` says where the annotations came from. `failed` counts the tasks that the model gave no prediction for, and
    `failures` are causes of that. `not_measured` maps controls to why they have no metric. `created` is ISO 8601.
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

    def to_json(self) -> bytes:
        """Return it as a JSON document."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def require_libraries() -> None:
    """Raise SettingsError, saying how to install it, when a library is missing."""
    missing = [name for module, name in LIBRARIES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise SettingsError(
            f"Evaluating needs {', '.join(missing)}",
            fix='Install it with: pip install "label-studio-ml[evaluate]"',
        )


def ratio(part: float, whole: float) -> float:
    """Return `part / whole`, 0 of nothing."""
    return part / whole if whole else 0.0


def f1(precision: float, recall: float) -> float:
    """Return the harmonic mean of precision and recall, 0 when both are."""
    return ratio(2 * precision * recall, precision + recall)


def ordered(labels: set[str], known: list[str]) -> list[str]:
    """Return `labels` in the order of the label config, others behind it by name."""
    place = {label: number for number, label in enumerate(known)}
    return sorted(labels, key=lambda label: (place.get(label, len(place)), label))


def number(value: Any) -> float | None:
    """Return a metric as a plain number, None where it is not finite."""
    plain = float(value)
    return plain if plain - plain == 0 else None
