"""Metrics of choices, taxonomies and pairwise comparisons, where a task has one label or several."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from label_studio_ml.evaluation.metrics.matching import scores
from label_studio_ml.evaluation.metrics.results import NONE, Confusion, Measured, number, ordered

#: A task's annotated labels and its predicted ones.
Pair = tuple[Sequence[str], Sequence[str]]

#: A label of a taxonomy with those above it, from the top.
Path = tuple[str, ...]

#: A task's annotated paths and its predicted ones.
PathsPair = tuple[Sequence[Path], Sequence[Path]]

#: Between the labels of a path in a report.
SEPARATOR = " / "


def measure_exclusive(pairs: Sequence[Pair], config_labels: list[str]) -> Measured:
    """Return accuracy, a confusion matrix and metrics by label, where a task has at most one label.

    A missing prediction lowers the recall of the annotated label; a prediction without an annotation lowers the
    precision of the predicted one.
    """
    from sklearn.metrics import accuracy_score

    truth = [reference[0] if reference else NONE for reference, _ in pairs]
    predicted = [labels[0] if labels else NONE for _, labels in pairs]
    labels = ordered({*truth, *predicted} - {NONE}, config_labels)
    axis_labels = [*labels, NONE] if NONE in truth or NONE in predicted else labels
    counts = Counter(zip(truth, predicted, strict=True))
    matrix = [[counts[row, column] for column in axis_labels] for row in axis_labels]
    return Measured(
        kind="choices",
        tasks=len(pairs),
        metrics={"accuracy": number(accuracy_score(truth, predicted)), **_averages(truth, predicted, labels)},
        labels=_by_label(truth, predicted, labels, labels),
        confusion=Confusion(axis_labels, matrix),
    )


def measure_multiple(pairs: Sequence[Pair], config_labels: list[str]) -> Measured:
    """Return accuracy, and precision, recall and F1 by label, where a task may have several labels.

    `accuracy` is the share of tasks whose predicted labels are exactly the annotated ones.
    """
    from sklearn.metrics import accuracy_score
    from sklearn.preprocessing import MultiLabelBinarizer

    labels = ordered({label for pair in pairs for side in pair for label in side}, config_labels)
    if not labels:  # nothing was chosen, nor predicted
        return Measured(kind="multiple choices", tasks=len(pairs), metrics={"accuracy": 1.0})
    binary = MultiLabelBinarizer(classes=labels)
    truth, predicted = (binary.fit_transform([pair[side] for pair in pairs]) for side in (0, 1))
    columns = list(range(len(labels)))
    return Measured(
        kind="multiple choices",
        tasks=len(pairs),
        metrics={
            "accuracy": number(accuracy_score(truth, predicted)),
            **_averages(truth, predicted, columns, "micro"),
        },
        labels=_by_label(truth, predicted, columns, labels),
    )


def measure_taxonomy(pairs: Sequence[PathsPair], config_labels: list[str]) -> Measured:
    """Return the metrics of multiple choices for paths of a taxonomy, and hierarchical precision, recall and F1.

    For the hierarchical ones, a label counts with all labels above it: a prediction of the wrong kind of cat is right
    about the cat.
    """
    joined = [tuple([SEPARATOR.join(path) for path in paths] for paths in pair) for pair in pairs]
    measured = measure_multiple([(truth, predicted) for truth, predicted in joined], config_labels)
    matched = predictions = annotated = 0
    for truth, predicted in pairs:
        reference, candidates = _with_ancestors(truth), _with_ancestors(predicted)
        matched += len(reference & candidates)
        predictions, annotated = predictions + len(candidates), annotated + len(reference)
    hierarchical = {
        f"hierarchical_{name}": value for name, value in scores(matched, predictions, annotated).items()
    }
    return msgspec.structs.replace(measured, kind="taxonomy", metrics={**measured.metrics, **hierarchical})


def _with_ancestors(paths: Iterable[Path]) -> set[Path]:
    """Return all paths and the paths of the labels above them."""
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


def _averages(truth: Any, predicted: Any, labels: Sequence[Any], *more: str) -> dict[str, float | None]:
    from sklearn.metrics import precision_recall_fscore_support

    averages: dict[str, float | None] = {}
    for average in ("macro", "weighted", *more):
        values = precision_recall_fscore_support(
            truth, predicted, labels=labels, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), values[:3], strict=True):
            averages[f"{average}_{name}"] = number(value)
    return averages


def _by_label(
    truth: Any, predicted: Any, labels: Sequence[Any], names: list[str]
) -> dict[str, dict[str, float | None]]:
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(truth, predicted, labels=labels, average=None, zero_division=0)
    return {
        name: dict(zip(("precision", "recall", "f1", "support"), map(number, values), strict=True))
        for name, *values in zip(names, *columns, strict=True)
    }
