"""Print an evaluation as tables."""

from pathlib import Path

from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.streams import say
from label_studio_ml.evaluation.evaluate import REPORT
from label_studio_ml.evaluation.metrics.results import Evaluation, Measured, Selection
from label_studio_ml.support.texts import plural


def show(evaluation: Evaluation, folder: Path) -> None:
    """Print the results of the evaluation, and the names of the files written to `folder`."""
    say(
        f"Version {evaluation.version} of project {evaluation.project}, annotations from {evaluation.source}",
        _used(evaluation.tasks),
    )
    if evaluation.failed:
        causes = "; ".join(evaluation.failures)
        say(f"{plural(evaluation.failed, 'of them has', 'of them have')} no prediction: {causes}")
    for name, measured in evaluation.controls.items():
        metrics = ", ".join(f"{metric} {_score(value)}" for metric, value in measured.metrics.items())
        say("", f"{name} ({measured.kind}, {plural(measured.tasks, 'task')}): {metrics}")
        if measured.labels:
            _print_labels(measured)
    for name, reason in evaluation.not_measured.items():
        say("", f"{name}: not measured, {reason}")
    pictures = [measured.picture for measured in evaluation.controls.values() if measured.picture]
    say("", f"Written to {folder}: {', '.join([REPORT, *pictures])}")


def _used(tasks: Selection) -> str:
    """Return a line that says which tasks were used, and how many of them the model was trained on."""
    kind = "tasks with a ground truth" if tasks.ground_truth_only else "annotated tasks"
    selection_note = {
        "held out": ", held out of the training",
        "test split": ", the test half of the split",
    }.get(tasks.how, "")
    if tasks.seen is None:
        training = "it is not known which of them the model was trained on"
    elif tasks.seen:
        training = f"the model was trained on {tasks.seen} of them"
    else:
        training = "the model was trained on none of them"
    return f"{tasks.used} of {tasks.annotated} {kind}{selection_note}: {training}"


def _print_labels(measured: Measured) -> None:
    """Print the metrics of each label. `support` is a number of tasks or regions, the others are at most 1."""
    names = list(dict.fromkeys(name for values in measured.labels.values() for name in values))
    rows = []
    for label, values in measured.labels.items():
        scores = (
            f"{values.get(name) or 0:.0f}" if name == "support" else _score(values.get(name))
            for name in names
        )
        rows.append(Row((label, *scores)))
    print_table([Column("LABEL"), *(Column(name.upper(), right=True) for name in names)], rows)


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
