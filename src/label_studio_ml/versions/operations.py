"""Manual operations on versions: promote, roll back, unpin, delete."""

from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

import msgspec

from label_studio_ml.errors import DecisionError, RequestError, UnknownVersion, VersionError
from label_studio_ml.versions.state.user_state import apply_all
from label_studio_ml.versions.store.decision import Decision, named
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

#: Minimum length in characters of a prefix of a name or id that is accepted if only one version has it.
_MIN_PREFIX_LENGTH = 4


def find(store: VersionStore, uid: str, name: str) -> Manifest:
    """Return the version with this name or id, or the only one whose name or id begins with `name`.

    A prefix needs 4 characters. Raises UnknownVersion, which lists similar names.
    """
    versions = store.versions(uid)
    exact = named(versions, name)
    if exact is not None:
        return exact
    matches = [
        version for version in versions if version.name.startswith(name) or version.id.startswith(name)
    ]
    if len(matches) == 1 and len(name) >= _MIN_PREFIX_LENGTH:
        return matches[0]
    if matches and name:
        names = ", ".join(version.name for version in matches)
        raise UnknownVersion(
            f"{name[:80]!r} may be any of the versions {names}", fix="Give the full name", field="version"
        )
    newest_first = [version.name for version in reversed(versions)]
    similar = (
        get_close_matches(name, [*newest_first, *(version.id for version in versions)], n=3)
        or newest_first[:3]
    )
    raise UnknownVersion(
        f"There is no version {name[:80]!r}",
        fix=f"Did you mean {' or '.join(dict.fromkeys(similar))}?"
        if similar
        else "The project has none yet: train it",
        field="version",
    )


def promote(store: VersionStore, model_dir: Path, uid: str, name: str, *, pinned: bool = False) -> Manifest:
    """Serve a version from now on, regardless of its metrics, and return it; `pinned`: newer ones do not replace it.

    Raises UnknownVersion, VersionError if its files are damaged, RequestError if MODEL_VERSION names another version.
    """
    store.synchronise(uid)
    target = find(store, uid, name)
    damage = store.damage(target, full=True)
    if damage:
        raise VersionError(f"Version {target.name} is damaged: {damage}", fix="Promote another one")
    _check_pin(store, uid, target)
    store.clear_failure(uid, target.id)
    with store.folders.locked(uid):
        earlier = [version.id for version in _served_line(store, uid) if version.id != target.id]
        _decide(store, model_dir, target, previous_ids=earlier, pinned=pinned, by_hand=[target.id])
    store.announce(uid)
    return target


def rollback(store: VersionStore, model_dir: Path, uid: str) -> tuple[Manifest, Manifest]:
    """Serve the version that was served before the present one; return both, the present one first.

    Versions that are damaged or failed to load are skipped. Raises RequestError if none is left, or if MODEL_VERSION
    names another version.
    """
    store.synchronise(uid)
    with store.folders.locked(uid):
        present, target = _step_back(store, uid)
        _check_pin(store, uid, target)
        ids = [version.id for version in store.line(uid)]
        _decide(store, model_dir, target, previous_ids=ids[: ids.index(target.id)])
    store.announce(uid)
    return present, target


def unpin(store: VersionStore, model_dir: Path, uid: str) -> Manifest | None:
    """Let newer versions be served again, including those published since the pin; return the version served now."""
    store.synchronise(uid)
    with store.folders.locked(uid):
        decision, previously_served = store.decision(uid), store.served(uid)
        if decision is None or not decision.pinned:
            return previously_served
        store.decide(uid, msgspec.structs.replace(decision, pinned=False))
        served = store.served(uid)
        if served is not None and served != previously_served:
            apply_all(store, model_dir, served)
    store.announce(uid)
    return served


def delete(store: VersionStore, uid: str, names: Iterable[str]) -> list[str]:
    """Delete versions and return their names; a version whose manifest is damaged is given by its id.

    All names are checked before the first version is deleted. Raises RequestError if one of the versions is served,
    UnknownVersion if a name is unknown.
    """
    store.synchronise(uid)
    with store.folders.locked(uid):
        served = store.served(uid)
        damaged = set(store.unreadable(uid)).intersection(names := list(names))
        named_versions = [find(store, uid, name) for name in names if name not in damaged]
        versions = list({version.id: version for version in named_versions}.values())
        for version in versions:
            if served is not None and version.id == served.id:
                raise RequestError(
                    f"Version {version.name} is served, so it cannot be deleted",
                    fix="Promote another one first",
                    field="version",
                )
        for version_id in (*(version.id for version in versions), *damaged):
            store.delete(uid, version_id)
    store.announce(uid)
    return [*(version.name for version in versions), *sorted(damaged)]


def _step_back(store: VersionStore, uid: str) -> tuple[Manifest, Manifest]:
    """Return the served version and the version to roll back to. Raises RequestError if there is no such version."""
    present = store.served(uid)
    if present is None:
        raise RequestError("No trained version is served, so there is nothing to roll back")
    line = store.line(uid)
    earlier = line[: [version.id for version in line].index(present.id)]
    failed = store.failures(uid)
    for version in reversed(earlier):
        if version.id not in failed and not store.damage(version):
            return present, version
    raise RequestError(
        f"No other version was served before {present.name}", fix="Promote another one by name"
    )


def _decide(
    store: VersionStore,
    model_dir: Path,
    target: Manifest,
    *,
    previous_ids: list[str],
    pinned: bool = False,
    by_hand: Iterable[str] = (),
) -> None:
    """Record the decision to serve `target`, after applying its key/value pairs: a model reads them as it loads."""
    uid = target.project
    last, served = _present(store, uid)
    if served != target:
        apply_all(store, model_dir, target)
    store.decide(
        uid,
        Decision(
            version=target.id,
            fence=store.fence(uid),
            pinned=pinned,
            before=previous_ids,
            promoted=list(dict.fromkeys([*(last.promoted if last else []), *by_hand])),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )


def _served_line(store: VersionStore, uid: str) -> list[Manifest]:
    """Return the versions that were served, oldest first; none if the decision cannot be read."""
    try:
        return store.line(uid)
    except DecisionError:
        return []


def _present(store: VersionStore, uid: str) -> tuple[Decision | None, Manifest | None]:
    """Return the decision and the served version; None for both if the decision cannot be read."""
    try:
        return store.decision(uid), store.served(uid)
    except DecisionError:
        return None, None


def _check_pin(store: VersionStore, uid: str, target: Manifest) -> None:
    """Raise RequestError if MODEL_VERSION names another version of the project than `target`."""
    pin = named(store.versions(uid), store.pin)
    if pin is not None and pin.id != target.id:
        raise RequestError(
            f"MODEL_VERSION keeps version {pin.name} served", fix="Unset it and start the backend again"
        )
