"""Delete old versions beyond the number that is to be kept."""

import logging

from label_studio_ml.errors import VersionError
from label_studio_ml.versions.store.decision import named
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)


def apply_retention(store: VersionStore, uid: str, keep: int) -> list[Manifest]:
    """Delete the versions of a project that are older than the last `keep`, and return them; 0 keeps all.

    The served and the pinned version, the parent of the served one, the version that `rollback` would go back to, and
    versions that were ever promoted by hand are kept. An error is logged and ends the deletion. The caller must hold
    the project's lease.
    """
    if keep <= 0:
        return []
    deleted: list[Manifest] = []
    try:
        with store.folders.locked(uid):
            needed = _needed(store, uid)
            for version in store.versions(uid)[:-keep]:
                if version.id not in needed:
                    store.delete(uid, version.id)
                    deleted.append(version)
    except (VersionError, OSError) as error:
        logger.warning("Project %s: old versions cannot be deleted: %s", uid, error)
    if deleted:
        logger.info("Project %s: deleted %s", uid, ", ".join(version.name for version in deleted))
    return deleted


def _needed(store: VersionStore, uid: str) -> set[str]:
    """Return the ids of the versions that are kept regardless of their age."""
    versions = store.versions(uid)
    decision = store.decision(uid)
    served = store.served(uid)
    line = store.line(uid)
    needed = set(decision.promoted) if decision else set()
    needed.update(version.id for version in line[-2:])
    for version in (served, named(versions, store.pin), named(versions, served.parent if served else "")):
        if version is not None:
            needed.add(version.id)
    if served is not None:
        ids = [version.id for version in line]
        needed.update(ids[max(0, ids.index(served.id) - 1) :][:1])
    return needed
