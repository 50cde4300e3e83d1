"""From a run's outcome to a committed version."""

import logging
from pathlib import Path

from label_studio_ml.training.jobs import StoredEvent, now
from label_studio_ml.training.run import Outcome, RunRequest
from label_studio_ml.versions.state import StoredState
from label_studio_ml.versions.store import Manifest, VersionStore

logger = logging.getLogger(__name__)


def publish(
    store: VersionStore,
    model_dir: Path,
    request: RunRequest,
    outcome: Outcome,
    *,
    version_id: str,
    fence: int,
) -> Manifest:
    """Commit the version that a run made, and return its manifest.

    Raises StaleFence if somebody else has committed a newer one, VersionError if the disk refuses.
    """
    uid = request.spec.project.uid
    manifest = store.publish(
        Manifest(
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
            metrics={
                key: value for key, value in outcome.train_output.items() if isinstance(value, int | float)
            },
            annotations=outcome.annotations,
            source=outcome.source,
        )
    )
    apply_state(model_dir, manifest)
    return manifest


def apply_state(model_dir: Path, manifest: Manifest) -> None:
    """Store the key/value pairs that a version's fit set. Doing it twice does no harm."""
    pairs = dict(manifest.state)
    if "model_version" in pairs:
        pairs["model_version"] = manifest.name
    StoredState(model_dir, manifest.project).update(pairs)


def taken_in(store: VersionStore, uid: str, events: list[StoredEvent]) -> tuple[Manifest | None, list[str]]:
    """Return which of `events` are in a committed version already, and the newest such version.

    A worker that ended between the commit and the removal of the events leaves them so.
    """
    versions = store.versions(uid)
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
    served = outcome.served or parent or "0.0.1"
    taken = {served, *(manifest.name for manifest in store.versions(uid))}
    if outcome.version and outcome.version not in taken:
        return outcome.version
    base = outcome.version or served
    stem, _, number = base.rpartition("-")
    if not outcome.version and number.isdigit() and stem:
        base = stem
    counter = 2
    while f"{base}-{counter}" in taken:
        counter += 1
    return f"{base}-{counter}"
