"""Commit the version that a run made, with its name, metrics and comparison."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from label_studio_ml.config.metric_gate import Comparison, parse_gate
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import VersionError
from label_studio_ml.model_calls.adapter import reason
from label_studio_ml.support.texts import whole_number
from label_studio_ml.training.process.run_request import Outcome, RunRequest
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_record import now
from label_studio_ml.versions.retention import apply_retention
from label_studio_ml.versions.state.user_state import apply_own
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest, unused_name
from label_studio_ml.versions.store.names import UNTRAINED_NAMES, name_problem

logger = logging.getLogger(__name__)


def publish(
    store: VersionStore,
    settings: Settings,
    request: RunRequest,
    outcome: Outcome,
    *,
    version_id: str,
    fence: int,
    check_lease: Callable[[], None] = lambda: None,
    unique_events: bool = True,
) -> Manifest:
    """Commit the version that a run made, delete the versions beyond `keep_versions`, and return the new manifest.

    A version that the gate does not let through is committed, but not served. The caller must hold the project's lease;
    `check_lease` raises if the lease is lost. `unique_events` means that each event may be in one version only.
    Raises StaleFence if a version with the same or a higher fence is committed already, or, with `unique_events`, one
    that has some of the events. Raises VersionError if the disk refuses, or if the manifest cannot hold a result of
    fit, such as a file whose name is not valid text.
    """
    uid = request.spec.project.uid
    metrics = outcome.metrics | metrics_in(outcome.train_output)
    draft = Manifest(
        id=version_id,
        name=_name(store, uid, outcome, request.spec.version, version_id),
        project=uid,
        fence=fence,
        created=now(),
        job=request.job,
        parent=request.spec.version,
        events=[event.id for event in request.events],
        train_output=outcome.train_output,
        state=outcome.state,
        metrics=metrics,
        comparison=_comparison(request, outcome, metrics),
        annotations=outcome.annotations,
        source=outcome.source,
        code=outcome.code,
    )
    try:
        manifest = store.publish(
            draft,
            gate=parse_gate(settings.promote_if or outcome.promote_if),
            after_commit=lambda committed: apply_state(store, settings, committed),
            check_lease=check_lease,
            unique_events=unique_events,
        )
    except (
        ValueError,
        TypeError,
        ArithmeticError,
        msgspec.MsgspecError,
    ) as error:  # from names and values that fit set
        logger.exception("Version %s cannot be published", version_id)
        raise VersionError(f"The version that fit made cannot be published: {reason(error)}") from error
    apply_retention(
        store, uid, outcome.keep_versions if settings.keep_versions is None else settings.keep_versions
    )
    return manifest


def apply_state(store: VersionStore, settings: Settings, manifest: Manifest) -> None:
    """Store the key/value pairs that a version's fit set, if that version is served. Idempotent."""
    served = store.served(manifest.project)
    if served is not None and served.id == manifest.id:
        apply_own(settings.model_dir, manifest)


def published(manifest: Manifest) -> dict[str, object]:
    """Return the fields to write to the record of the job that made a version."""
    return {
        "state": "finished",
        "ended": now(),
        "version": manifest.name,
        "annotations": manifest.annotations,
        "source": manifest.source,
        "held_back": manifest.gate,
        "comparison": manifest.comparison.text() if manifest.comparison else "",
        "metrics": msgspec.json.encode(manifest.metrics).decode(),
    }


def _comparison(
    request: RunRequest, outcome: Outcome, metrics: Mapping[str, float | None]
) -> Comparison | None:
    """Return the comparison of the new version with the previous one, None if there is none.

    Metrics of the previous version that fit reported with `job.log_previous` replace those that were computed.
    """
    reported = outcome.previous_metrics
    if request.previous is None or not reported:
        return outcome.comparison
    computed = outcome.comparison or Comparison(version=request.previous.name)
    return replace(
        computed,
        new={**computed.new, **{name: metrics.get(name) for name in reported}},
        previous={**computed.previous, **reported},
    )


def metrics_in(output: Mapping[str, Any]) -> dict[str, int | float | None]:
    """Return the metrics in the dict that `fit` returned: numbers at the top level, and in a dict under `metrics`.

    Infinite numbers and NaN become None.
    """
    nested = output.get("metrics")
    return {**dict(_numbers(output)), **(dict(_numbers(nested)) if isinstance(nested, Mapping) else {})}


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, int | float | None]]:
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value if _is_finite(value) else None


def _is_finite(value: int | float) -> bool:
    """Tell whether a number is finite as a float; an int that is larger than any float is not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def version_with_events(
    store: VersionStore, uid: str, events: list[StoredEvent]
) -> tuple[Manifest | None, list[str]]:
    """Return the newest version that holds some of `events`, None if there is none, and the ids of all events so held.

    Deleted versions count too. A worker that ends between the commit and the removal of events leaves such events.
    """
    versions = store.history(uid)
    event_ids: list[str] = []
    newest: Manifest | None = None
    pending = {event.id for event in events}
    for manifest in versions:
        contained = pending.intersection(manifest.events)
        if contained:
            event_ids.extend(sorted(contained))
            newest = manifest
    return newest, event_ids


def _name(store: VersionStore, uid: str, outcome: Outcome, parent: str, version_id: str) -> str:
    """Return the version's name for Label Studio: the one that fit set if it is new, else a new one made from it.

    If fit set no name, a seed-generation version is named by its id, another one after the served version. No name is
    used twice, because Label Studio asks for new predictions only when the name changes. Raises VersionError if the
    name that fit set is not allowed.
    """
    if outcome.generation == "seed" and not outcome.version:
        return version_id
    if outcome.version and (problem := name_problem(outcome.version)):
        raise VersionError(
            f"fit set the name {outcome.version[:80]!r}, which cannot name a version: {problem}",
            fix="Give self.set('model_version', …) another one",
            field="model_version",
        )
    served = outcome.served or parent or "0.0.1"
    used_names = {served, *UNTRAINED_NAMES, *(manifest.name for manifest in store.history(uid))}
    if outcome.version and outcome.version not in used_names:
        return outcome.version
    base = outcome.version or served
    stem, _, number = base.rpartition("-")
    if not outcome.version and whole_number(number) is not None and stem:
        base = stem
    return unused_name(base, {base, *used_names})
