"""Compare versions of a project metric by metric: what their fits returned, and what their evaluations measured."""

from collections.abc import Mapping, Sequence
from typing import Any

from label_studio_ml.dashboard.versions.metric_directions import difference, direction
from label_studio_ml.dashboard.versions.report_views import parse_report, report_metrics
from label_studio_ml.dashboard.versions.version_lists import short, synchronise
from label_studio_ml.errors import RequestError, VersionError
from label_studio_ml.evaluation.metrics.results import Evaluation
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.listing import entries
from label_studio_ml.versions.operations import find
from label_studio_ml.versions.store.local_store import VersionStore

#: The fewest and most versions of a comparison, and the most rows of it.
LEAST, MOST, MAX_ROWS = 2, 4, 300


def compare_versions(store: VersionStore, uid: str, names: Sequence[str]) -> dict[str, Any]:
    """Return versions side by side; differences are from the first of `names`. Raises RequestError, UnknownVersion."""
    if not LEAST <= len(names) <= MOST:
        raise RequestError(f"versions must name {LEAST} to {MOST} versions", field="versions")
    synchronise(store, uid)
    manifests = [find(store, uid, name) for name in names]
    if len({manifest.id for manifest in manifests}) < len(manifests):
        raise RequestError("versions names a version twice", field="versions")
    listed = {entry.id: entry for entry in entries(store, uid)}
    reports = [_report(store, uid, manifest.id) for manifest in manifests]
    fits = [dict(manifest.metrics) for manifest in manifests]
    measured = [report_metrics(report) if report is not None else {} for report in reports]
    return {
        "versions": [
            {**short(listed[manifest.id]), "evaluation": _evaluation(report)}
            for manifest, report in zip(manifests, reports, strict=True)
            if manifest.id in listed
        ],
        "fit": _rows(fits),
        "evaluation": _rows(measured),
        "notes": _notes(reports),
    }


def _rows(values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each metric, with the value of each version and its difference from the first version's."""
    names = list(dict.fromkeys(name for metrics in values for name in metrics))[:MAX_ROWS]
    return [
        {
            "metric": name,
            "direction": direction(name),
            "values": [metrics.get(name) for metrics in values],
            "differences": [
                None if at == 0 else difference(name, metrics.get(name), values[0].get(name))
                for at, metrics in enumerate(values)
            ],
        }
        for name in names
    ]


def _report(store: VersionStore, uid: str, version_id: str) -> Evaluation | None:
    """Return the report of a version, None if it has none or one that cannot be read."""
    try:
        data = EvaluationReports(store).get(uid, version_id)
        return None if data is None else parse_report(data)
    except VersionError:
        return None


def _evaluation(report: Evaluation | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {"created": report.created, "used": report.tasks.used, "how": report.tasks.how}


def _notes(reports: Sequence[Evaluation | None]) -> list[str]:
    """Return what to bear in mind when the evaluations are compared."""
    present = [report for report in reports if report is not None]
    if not present:
        return ["None of these versions has been evaluated yet: the metrics are what their fits returned."]
    notes = []
    if len({(report.tasks.how, report.tasks.used) for report in present}) > 1:
        notes.append("The evaluations used different tasks, so their metrics are not fully comparable.")
    if any(report.tasks.seen for report in present):
        notes.append(
            "Some evaluations used tasks that the version was trained on: these metrics are too good."
        )
    if len(present) < len(reports):
        notes.append("Not every version has been evaluated.")
    return notes
