"""Measure whether predictions help annotators: how many they accept, change and throw away, and the time they need."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from label_studio_ml.evaluation.prediction_use import AnnotationUse, RegionUse, annotation_use, region_uses

#: The most labels of a version that a report lists, those with the most regions; the others are summed up.
MAX_LABELS = 100
#: The most versions that a report lists, those with the latest annotations.
MAX_VERSIONS = 200
#: Name of the row that sums up the labels beyond `MAX_LABELS`.
OTHER_LABELS = "(other labels)"


class LabelUse(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the predicted regions with one label, and how many regions with it annotators added."""

    label: str
    kept: int = 0
    changed: int = 0
    removed: int = 0
    added: int = 0


class VersionUse(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the predictions of one version.

    `annotations` began as one of them; of these, `accepted` are as predicted, `changed` keep a part, `discarded` keep
    nothing. `unused`: annotations that were begun without the prediction of this version that the task had. `skipped`:
    annotations that began as one and were skipped. `seconds` is the median time of the `timed` annotations with a time.
    `last` is the time of the last annotation.
    """

    version: str
    annotations: int
    accepted: int
    changed: int
    discarded: int
    unused: int
    skipped: int
    seconds: float | None
    timed: int
    last: str
    labels: list[LabelUse]


class ValueReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a project's predictions, by version, the one with the latest annotation first.

    `unaided` annotations were made without a prediction; `unaided_seconds` is the median time of the `unaided_timed`
    ones with a time. `lost`: annotations whose prediction Label Studio has no longer.
    """

    project: str
    title: str
    made: str
    tasks: int
    versions: list[VersionUse]
    unaided: int
    unaided_seconds: float | None
    unaided_timed: int
    lost: int


@dataclass(slots=True)
class _Tally:
    """The annotations of one version, while they are counted."""

    uses: Counter[AnnotationUse] = field(default_factory=Counter)
    unused: int = 0
    skipped: int = 0
    seconds: list[float] = field(default_factory=list)
    last: str = ""
    labels: dict[str, Counter[RegionUse]] = field(default_factory=dict)


def measure_value(
    tasks: Iterable[Mapping[str, Any]],
    project: str,
    title: str,
    *,
    counted: Callable[[int], None] = lambda tasks: None,
) -> ValueReport:
    """Return the report on `tasks`, which have `annotations` and `predictions` as in Label Studio's API.

    `counted` is called after each task with the number of tasks so far.
    """
    tallies: dict[str, _Tally] = {}
    unaided_seconds: list[float] = []
    unaided = lost = number = 0
    for number, task in enumerate(tasks, 1):
        predictions = {prediction["id"]: prediction for prediction in task.get("predictions") or []}
        for annotation in task.get("annotations") or []:
            parent = annotation.get("parent_prediction")
            if parent is not None:
                prediction = predictions.get(parent)
                if prediction is None:
                    lost += 1
                else:
                    _count_use(tallies, prediction, annotation)
            elif not annotation.get("was_cancelled"):
                unaided += 1
                unaided_seconds += _seconds(annotation)
                if (shown := _shown(predictions.values(), annotation)) is not None:
                    tallies.setdefault(_version(shown), _Tally()).unused += 1
        counted(number)
    versions = [_version_use(version, tally) for version, tally in tallies.items()]
    versions.sort(key=lambda use: use.last, reverse=True)
    return ValueReport(
        project=project,
        title=title,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        tasks=number,
        versions=versions[:MAX_VERSIONS],
        unaided=unaided,
        unaided_seconds=_median(unaided_seconds),
        unaided_timed=len(unaided_seconds),
        lost=lost,
    )


def _count_use(
    tallies: dict[str, _Tally], prediction: Mapping[str, Any], annotation: Mapping[str, Any]
) -> None:
    """Count an annotation that began as `prediction`."""
    tally = tallies.setdefault(_version(prediction), _Tally())
    tally.last = max(tally.last, str(annotation.get("created_at") or ""))
    if annotation.get("was_cancelled"):
        tally.skipped += 1
        return
    uses = region_uses(prediction.get("result") or [], annotation.get("result") or [])
    tally.uses[annotation_use(uses)] += 1
    tally.seconds += _seconds(annotation)
    for label, use in uses:
        tally.labels.setdefault(label, Counter())[use] += 1


def _version(prediction: Mapping[str, Any]) -> str:
    return str(prediction.get("model_version") or "(no version)")


def _shown(
    predictions: Iterable[Mapping[str, Any]], annotation: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the newest prediction that the task had when the annotation was made, None if it had none."""
    made = _moment(annotation.get("created_at"))
    earlier = [
        (at, prediction)
        for prediction in predictions
        if made is not None and (at := _moment(prediction.get("created_at"))) is not None and at < made
    ]
    return max(earlier, key=lambda entry: entry[0])[1] if earlier else None


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds(annotation: Mapping[str, Any]) -> list[float]:
    """Return the time that an annotation took, as a list of one number of seconds, empty if it is not known."""
    lead_time = annotation.get("lead_time")
    return [float(lead_time)] if isinstance(lead_time, int | float) and 0 < lead_time < float("inf") else []


def _median(seconds: list[float]) -> float | None:
    return round(statistics.median(seconds), 3) if seconds else None


def _version_use(version: str, tally: _Tally) -> VersionUse:
    return VersionUse(
        version=version,
        annotations=tally.uses.total(),
        accepted=tally.uses[AnnotationUse.ACCEPTED],
        changed=tally.uses[AnnotationUse.CHANGED],
        discarded=tally.uses[AnnotationUse.DISCARDED],
        unused=tally.unused,
        skipped=tally.skipped,
        seconds=_median(tally.seconds),
        timed=len(tally.seconds),
        last=tally.last,
        labels=_label_uses(tally.labels),
    )


def _label_uses(labels: Mapping[str, Counter[RegionUse]]) -> list[LabelUse]:
    """Return the rows of the labels, those with the most regions first."""
    ordered = sorted(labels.items(), key=lambda entry: (-entry[1].total(), entry[0]))
    rows = ordered[:MAX_LABELS]
    if rest := ordered[MAX_LABELS:]:
        rows.append((OTHER_LABELS, sum((counts for _, counts in rest), Counter())))
    return [LabelUse(label=label, **{use.value: counts[use] for use in RegionUse}) for label, counts in rows]
