"""Describe the versions of a project for lists: state, origin, metrics and code of each."""

from typing import Any, Literal

import msgspec

from label_studio_ml.errors import DecisionError
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.versions.store.decision import named
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

VersionState = Literal["served", "ready", "held back", "failed to load", "damaged"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One version in a list.

    `state` says whether the version is served, or can be; `note` has the cause if it cannot. `pinned`: newer versions
    do not replace it. `created` is ISO 8601 in UTC. `annotations` is the number of labelled tasks it was trained on,
    None if unknown. `size` is in bytes. `comparison` says how it compares with the version before, empty if the two
    were not compared. `code` is the start of the hash of the code that trained it, empty if unknown; `code_differs`
    lists the differences from the code given to `entries`.
    """

    id: str
    name: str
    state: VersionState
    note: str = ""
    pinned: bool = False
    created: str = ""
    annotations: int | None = None
    source: str = ""
    metrics: dict[str, int | float | None] = {}
    parent: str = ""
    job: str = ""
    size: int = 0
    comparison: str = ""
    code: str = ""
    code_differs: list[str] = []

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return dict(msgspec.to_builtins(self))


def entries(
    store: VersionStore, uid: str, *, verify: bool = False, code: CodeIdentity | None = None
) -> list[Entry]:
    """Return the versions of a project, newest first; with `verify`, every file is read and compared with its sha256.

    `code` is the code that serves the versions, None to leave out its differences. Versions whose manifest cannot be
    read are last, with their id only.
    """
    try:
        served, decision = store.served(uid), store.decision(uid)
    except DecisionError:  # `decision_problem` reports the cause
        served = decision = None
    failed = store.failures(uid)
    versions = store.versions(uid)
    pin = named(versions, store.pin) or (
        named(versions, decision.version) if decision and decision.pinned else None
    )
    promoted = decision.promoted if decision else []

    def entry(manifest: Manifest) -> Entry:
        damage = store.damage(manifest, full=verify)
        state: VersionState = "ready"
        note = ""
        if damage:
            state, note = "damaged", damage
        elif served is not None and manifest.id == served.id:
            state = "served"
        elif manifest.id in failed:
            state, note = "failed to load", failed[manifest.id]
        elif manifest.gate and manifest.id not in promoted:
            state, note = "held back", manifest.gate
        return Entry(
            id=manifest.id,
            name=manifest.name,
            state=state,
            note=note,
            pinned=pin is not None and manifest.id == pin.id,
            created=manifest.created,
            annotations=manifest.annotations if manifest.annotations >= 0 else None,
            source=manifest.source,
            metrics=manifest.metrics,
            parent=manifest.parent,
            job=manifest.job,
            size=manifest.size,
            code=manifest.code.short,
            code_differs=manifest.code.differences(code) if code and not manifest.code.same(code) else [],
            comparison=manifest.comparison.text() if manifest.comparison else "",
        )

    unreadable = [
        Entry(id=version_id, name=version_id, state="damaged", note="its manifest cannot be read")
        for version_id in sorted(store.unreadable(uid))
    ]
    return [*map(entry, reversed(versions)), *unreadable]
