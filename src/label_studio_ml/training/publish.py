"""From a run's outcome to a committed version."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from label_studio_ml.adapter import reason
from label_studio_ml.errors import VersionError
from label_studio_ml.gate import Comparison, parse_gate
from label_studio_ml.settings import Settings
from label_studio_ml.texts import whole_number
from label_studio_ml.training.jobs import StoredEvent, now
from label_studio_ml.training.request import Outcome, RunRequest
from label_studio_ml.versions.manifest import Manifest, unused_name
from label_studio_ml.versions.names import UNTRAINED, name_problem
from label_studio_ml.versions.pairs import apply_own
from label_studio_ml.versions.retention import thin
from label_studio_ml.versions.store import VersionStore

logger = logging.getLogger(__name__)


def publish(
    store: VersionStore,
    settings: Settings,
    request: RunRequest,
    outcome: Outcome,
    *,
    version_id: str,
    fence: int,
    holds: Callable[[], None] = lambda: None,
    once: bool = True,
) -> Manifest:
    """Commit the version that a run made, and return its manifest; then delete versions that are too old.

    A version that the gate does not let through is committed, but not served. For whoever holds the project's lease.
    `holds` raises where the lease is lost; `once`: each event is to be in one version only.
    Raises StaleFence if somebody else has committed a newer one, VersionError if the disk refuses, or if a manifest
    cannot hold what fit made, such as a file whose name is no text.
    """
    uid = request.spec.project.uid
    metrics = outcome.metrics | metrics_in(outcome.train_output)
    made = Manifest(
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
            made,
            gate=parse_gate(settings.promote_if or outcome.promote_if),
            then=lambda committed: apply_state(store, settings, committed),
            holds=holds,
            once=once,
        )
    except (
        ValueError,
        TypeError,
        ArithmeticError,
        msgspec.MsgspecError,
    ) as error:  # names and values of fit's
        logger.exception("Version %s cannot be published", version_id)
        raise VersionError(f"The version that fit made cannot be published: {reason(error)}") from error
    thin(store, uid, outcome.keep_versions if settings.keep_versions is None else settings.keep_versions)
    return manifest


def apply_state(store: VersionStore, settings: Settings, manifest: Manifest) -> None:
    """Store the key/value pairs that a version's fit set, if it is served. Doing it twice does no harm."""
    served = store.served(manifest.project)
    if served is not None and served.id == manifest.id:
        apply_own(settings.model_dir, manifest)


def published(manifest: Manifest) -> dict[str, object]:
    """Return what the record of the job that made a version says of it."""
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
    """Return what the new version and the one before have on the same tasks; what fit said of the latter wins."""
    said = outcome.previous_metrics
    if request.previous is None or not said:
        return outcome.comparison
    found = outcome.comparison or Comparison(version=request.previous.name)
    return replace(
        found,
        new={**found.new, **{name: metrics.get(name) for name in said}},
        previous={**found.previous, **said},
    )


def metrics_in(output: Mapping[str, Any]) -> dict[str, int | float | None]:
    """Return the numbers in what `fit` returned: at its top level, and in a dict under `metrics`."""
    inner = output.get("metrics")
    return {**dict(_numbers(output)), **(dict(_numbers(inner)) if isinstance(inner, Mapping) else {})}


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, int | float | None]]:
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value if _is_finite(value) else None


def _is_finite(value: int | float) -> bool:
    """Tell whether a number is one that JSON's readers take: an int may be larger than any float."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def taken_in(store: VersionStore, uid: str, events: list[StoredEvent]) -> tuple[Manifest | None, list[str]]:
    """Return which of `events` are in a committed version already, and the newest such version.

    A worker that ended between the commit and the removal of the events leaves them so.
    """
    versions = store.history(uid)
    done: list[str] = []
    last: Manifest | None = None
    waiting = {event.id for event in events}
    for manifest in versions:
        shared = waiting.intersection(manifest.events)
        if shared:
            done.extend(sorted(shared))
            last = manifest
    return last, done


def _name(store: VersionStore, uid: str, outcome: Outcome, parent: str, version_id: str) -> str:
    """Return the name that Label Studio will see: the user's if it is new, else one made of it; never one twice.

    Label Studio asks for new predictions only when the name changes.
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
    taken = {served, *UNTRAINED, *(manifest.name for manifest in store.history(uid))}
    if outcome.version and outcome.version not in taken:
        return outcome.version
    base = outcome.version or served
    stem, _, number = base.rpartition("-")
    if not outcome.version and whole_number(number) is not None and stem:
        base = stem
    return unused_name(base, {base, *taken})
