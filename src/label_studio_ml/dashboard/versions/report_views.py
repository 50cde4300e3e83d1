"""An evaluation report as the dashboard shows it: bounded in size, with links to the worst tasks in Label Studio."""

from collections.abc import Mapping
from typing import Any

from label_studio_ml.dashboard.studio_address import project_url
from label_studio_ml.dashboard.versions.metric_directions import direction
from label_studio_ml.dashboard.versions.version_lists import cut
from label_studio_ml.errors import VersionError
from label_studio_ml.evaluation.metrics.results import Confusion, Evaluation, Measured
from label_studio_ml.storage.small_files import DamagedFile, parse_json

#: The most labels of a confusion matrix and of a table, controls, and characters of a label.
MAX_MATRIX_LABELS, MAX_TABLE_LABELS, MAX_CONTROLS, MAX_LABEL = 40, 300, 50, 300
#: Stands in a matrix for the labels beyond `MAX_MATRIX_LABELS`.
OTHER = "(other labels)"


def parse_report(data: bytes) -> Evaluation:
    """Return a stored report. Raises VersionError if it is damaged."""
    try:
        return parse_json(data, Evaluation)
    except DamagedFile as error:
        raise VersionError(
            f"The evaluation report cannot be used: {error}", fix="Evaluate the version again"
        ) from None


def report_view(report: Evaluation, host: str, project_number: str) -> dict[str, Any]:
    """Return a report for the page; `host` is the address of the project's Label Studio, empty if unknown."""
    return {
        "version": cut(report.version, MAX_LABEL),
        "created": report.created,
        "source": cut(report.source, MAX_LABEL),
        "tasks": {
            "how": report.tasks.how,
            "annotated": report.tasks.annotated,
            "used": report.tasks.used,
            "seen": report.tasks.seen,
            "ground_truth_only": report.tasks.ground_truth_only,
        },
        "failed": report.failed,
        "failures": [cut(cause) for cause in report.failures[:10]],
        "controls": [_control(name, each) for name, each in list(report.controls.items())[:MAX_CONTROLS]],
        "not_measured": [
            [cut(name, MAX_LABEL), cut(reason)]
            for name, reason in list(report.not_measured.items())[:MAX_CONTROLS]
        ],
        "worst_tasks": [
            {
                "task": task.task,
                "url": task_url(host, project_number, task.task),
                "agreement": task.agreement,
                "annotated": _labels(task.annotated),
                "predicted": _labels(task.predicted),
                "error": cut(task.error, MAX_LABEL),
            }
            for task in report.worst_tasks
        ],
    }


def task_url(host: str, project_number: str, task: int) -> str:
    """Return the address of a task's page in Label Studio, empty if its address is not known or no web address."""
    project = project_url(host, project_number)
    return f"{project}/data?task={task}" if project else ""


def report_metrics(report: Evaluation) -> dict[str, float | None]:
    """Return the metrics of all controls of a report, named `control: metric`."""
    return {
        f"{cut(name, MAX_LABEL)}: {metric}": value
        for name, measured in report.controls.items()
        for metric, value in measured.metrics.items()
    }


def _control(name: str, measured: Measured) -> dict[str, Any]:
    columns = list(dict.fromkeys(key for values in measured.labels.values() for key in values))
    by_support = sorted(measured.labels.items(), key=lambda item: -(item[1].get("support") or 0))
    kept = {label for label, _ in by_support[:MAX_TABLE_LABELS]}
    return {
        "name": cut(name, MAX_LABEL),
        "kind": measured.kind,
        "tasks": measured.tasks,
        "metrics": [
            {"name": metric, "value": value, "direction": direction(metric)}
            for metric, value in measured.metrics.items()
        ],
        "columns": columns,
        "labels": [
            [cut(label, MAX_LABEL), *(values.get(column) for column in columns)]
            for label, values in measured.labels.items()
            if label in kept
        ],
        "label_count": len(measured.labels),
        "confusion": _confusion(measured.confusion) if measured.confusion is not None else None,
    }


def _confusion(confusion: Confusion) -> dict[str, Any]:
    """Return a matrix of the labels that occur most; the others are added up as `OTHER`."""
    labels, matrix = confusion.labels, confusion.matrix
    count = len(labels)
    if len(matrix) != count or any(len(row) != count for row in matrix):
        return {"labels": [], "matrix": [], "label_count": count}
    if count <= MAX_MATRIX_LABELS:
        return {
            "labels": [cut(label, MAX_LABEL) for label in labels],
            "matrix": matrix,
            "label_count": count,
        }
    totals = [sum(row) + sum(other[at] for other in matrix) for at, row in enumerate(matrix)]
    kept = sorted(sorted(range(count), key=lambda at: -totals[at])[:MAX_MATRIX_LABELS])
    place = {at: index for index, at in enumerate(kept)}
    size = len(kept) + 1
    summed = [[0] * size for _ in range(size)]
    for at, row in enumerate(matrix):
        target = summed[place.get(at, size - 1)]
        for column, cell in enumerate(row):
            target[place.get(column, size - 1)] += cell
    shown = [cut(labels[at], MAX_LABEL) for at in kept]
    return {"labels": [*shown, OTHER], "matrix": summed, "label_count": count}


def _labels(counts: Mapping[str, int]) -> list[list[Any]]:
    return [[cut(label, MAX_LABEL), count] for label, count in list(counts.items())[:20]]
