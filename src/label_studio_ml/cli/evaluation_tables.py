"""An evaluation as tables in a terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.evaluation.evaluate import REPORT
from label_studio_ml.evaluation.results import Evaluation, Measured, Selection
from label_studio_ml.texts import plural

if TYPE_CHECKING:
    from rich.table import Table


def show(evaluation: Evaluation, folder: Path) -> None:
    """Print what was found, and where the files are."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()

    def say(line: "str | Table" = "") -> None:
        console.print(line, soft_wrap=isinstance(line, str))

    say(
        f"Version [bold]{escape(evaluation.version)}[/] of project {escape(evaluation.project)}, "
        f"annotations from {escape(evaluation.source)}"
    )
    say(escape(_used(evaluation.tasks)))
    if evaluation.failed:
        causes = "; ".join(evaluation.failures)
        say(
            f"[yellow]{plural(evaluation.failed, 'of them has', 'of them have')} no prediction:[/] {escape(causes)}"
        )
    for name, measured in evaluation.controls.items():
        say()
        say(_overall(name, measured))
        if measured.labels:
            say(_by_label(measured))
    for name, reason in evaluation.not_measured.items():
        say(f"\n{escape(name)}: not measured, {escape(reason)}")
    pictures = [measured.picture for measured in evaluation.controls.values() if measured.picture]
    say(f"\nWritten to {escape(str(folder))}: {escape(', '.join([REPORT, *pictures]))}")


def _used(tasks: Selection) -> str:
    """Say in a line which tasks were used, and whether the model has seen them."""
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
    from rich.markup import escape

    values = ", ".join(f"{metric} [bold]{_text(value)}[/]" for metric, value in measured.metrics.items())
    return f"[bold]{escape(name)}[/] ({measured.kind}, {plural(measured.tasks, 'task')}): {values}"


def _by_label(measured: Measured) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    columns = list(dict.fromkeys(name for values in measured.labels.values() for name in values))
    table = Table("label", *columns)
    for column in table.columns[1:]:
        column.justify = "right"
    for label, values in measured.labels.items():
        cells = (
            f"{values.get(name) or 0:.0f}" if name == "support" else _text(values.get(name))
            for name in columns
        )
        table.add_row(escape(label), *cells)
    return table


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
