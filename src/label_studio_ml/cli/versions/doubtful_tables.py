"""Print doubtful annotations as a table."""

from collections.abc import Mapping
from pathlib import Path

from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.streams import say
from label_studio_ml.evaluation.doubtful.doubtful_labels import DoubtfulLabels
from label_studio_ml.support.texts import plural

#: Most characters of the labels of one side that a row shows.
_MAX_LABELS = 40


def show(doubtful: DoubtfulLabels, file: Path) -> None:
    """Print the list, what was left out of it, the tab, and the name of the `file` that was written."""
    times = ", ".join(f"{seconds:.1f} s" for seconds in doubtful.seconds)
    say(
        f"{plural(doubtful.annotations, 'annotation')} of {plural(doubtful.tasks, 'task')} of project "
        f"{doubtful.project} from {doubtful.source}, in {doubtful.folds} folds; trainings took {times}"
    )
    if not doubtful.complete:
        say(f"Interrupted: {plural(len(doubtful.seconds), 'fold was', 'folds were')} compared until then")
    say(
        f"Predictions contradict {plural(doubtful.contradicted, 'annotation')}; "
        f"{plural(doubtful.likely, 'label is a likely error', 'labels are likely errors')}"
    )
    for text in _left_out(doubtful):
        say(text)
    if doubtful.doubts:
        say("")
        columns = [Column("TASK", right=True), Column("CONTROL"), Column("GIVEN"), Column("PREDICTED")]
        columns += [Column("DOUBT", right=True), Column("LIKELY ERROR"), Column("ANNOTATOR"), Column("LINK")]
        print_table(
            columns,
            [
                Row(
                    (
                        "-" if doubt.task is None else str(doubt.task),
                        doubt.control,
                        _labels(doubt.given),
                        _labels(doubt.predicted),
                        f"{doubt.doubt:.3f}",
                        "yes" if doubt.likely else "",
                        "-" if doubt.annotator is None else str(doubt.annotator),
                        doubt.url or "-",
                    )
                )
                for doubt in doubtful.doubts
            ],
        )
    say("")
    if doubtful.tab:
        say(f"The tab in Label Studio: {doubtful.tab}")
    if doubtful.version:
        say(
            f"The project now shows the predictions of version {doubtful.version}; to show a backend's again, "
            "select it in the project's settings under Annotation"
        )
    say(f"Written: {file}")


def _left_out(doubtful: DoubtfulLabels) -> list[str]:
    texts = list(doubtful.notes)
    if doubtful.failed:
        causes = "; ".join(doubtful.failures)
        texts.append(f"{plural(doubtful.failed, 'task has', 'tasks have')} no prediction: {causes}")
    if doubtful.rare:
        rare = ", ".join(f"{label} ({count})" for label, count in doubtful.rare.items())
        texts.append(f"Not judged, as no training had a task with the label: {rare}")
    texts += [f"{control}: not compared, {cause}" for control, cause in doubtful.not_compared.items()]
    return texts


def _labels(counts: Mapping[str, int]) -> str:
    """Return the labels of one side in a short text, "(none)" if there are none."""
    names = [label if count == 1 else f"{count} × {label}" for label, count in counts.items()]
    text = " ".join(", ".join(names).split()) or "(none)"
    return text if len(text) <= _MAX_LABELS else f"{text[:_MAX_LABELS]}…"
