"""Print an evaluation as tables."""

from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.evaluation.evaluate import REPORT
from label_studio_ml.evaluation.metrics.results import Evaluation, Measured, Selection
from label_studio_ml.support.texts import plural, visible

if TYPE_CHECKING:
    from rich.table import Table


def show(evaluation: Evaluation, folder: Path) -> None:
    """Print the results of the evaluation, and the names of the files written to `folder`."""
    from rich.console import Console

    console = Console()

    def say(line: "str | Table" = "") -> None:
        console.print(line, soft_wrap=isinstance(line, str))

    say(
        f"Version [bold]{_plain(evaluation.version)}[/] of project {_plain(evaluation.project)}, "
        f"annotations from {_plain(evaluation.source)}"
    )
    say(_plain(_used(evaluation.tasks)))
    if evaluation.failed:
        causes = "; ".join(evaluation.failures)
        say(
            f"[yellow]{plural(evaluation.failed, 'of them has', 'of them have')} no prediction:[/] {_plain(causes)}"
        )
    for name, measured in evaluation.controls.items():
        say()
        say(_overall(name, measured))
        if measured.labels:
            say(_by_label(measured))
    for name, reason in evaluation.not_measured.items():
        say()
        say(f"{_plain(name)}: not measured, {_plain(reason)}")
    pictures = [measured.picture for measured in evaluation.controls.values() if measured.picture]
    say()
    say(f"Written to {_plain(str(folder))}: {_plain(', '.join([REPORT, *pictures]))}")


def _used(tasks: Selection) -> str:
    """Return a line that says which tasks were used, and how many of them the model was trained on."""
    kind = "tasks with a ground truth" if tasks.ground_truth_only else "annotated tasks"
    how = {
        "held out": ", held out of the training",
        "test split": ", the test half of the split",
    }.get(tasks.how, "")
    if tasks.seen is None:
        seen = "it is not known which of them the model was trained on"
    elif tasks.seen:
        seen = f"the model was trained on {tasks.seen} of them"
    else:
        seen = "the model has seen none of them"
    return f"{tasks.used} of {tasks.annotated} {kind}{how}: {seen}"


def _overall(name: str, measured: Measured) -> str:
    values = ", ".join(
        f"{_plain(metric)} [bold]{_text(value)}[/]" for metric, value in measured.metrics.items()
    )
    return f"[bold]{_plain(name)}[/] ({_plain(measured.kind)}, {plural(measured.tasks, 'task')}): {values}"


def _by_label(measured: Measured) -> "Table":
    from rich.table import Table

    columns = list(dict.fromkeys(name for values in measured.labels.values() for name in values))
    table = Table("label", *map(_plain, columns))
    for column in table.columns[1:]:
        column.justify = "right"
    for label, values in measured.labels.items():
        cells = (
            f"{values.get(name) or 0:.0f}" if name == "support" else _text(values.get(name))
            for name in columns
        )
        table.add_row(_plain(label), *cells)
    return table


def _plain(text: str) -> str:
    """Return `text` with rich's markup escaped and invisible characters written as escapes."""
    from rich.markup import escape

    return escape(visible(text))


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
