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
    gone: list[Manifest] = []
    try:
        with store.folders.locked(uid):
            needed = _needed(store, uid)
            for old in store.versions(uid)[:-keep]:
                if old.id not in needed:
                    store.delete(uid, old.id)
                    gone.append(old)
    except (VersionError, OSError) as error:
        logger.warning("Project %s: old versions cannot be deleted: %s", uid, error)
    if gone:
        logger.info("Project %s: deleted %s", uid, ", ".join(one.name for one in gone))
    return gone


def _needed(store: VersionStore, uid: str) -> set[str]:
    """Return the ids of the versions that are kept regardless of their age."""
    versions = store.versions(uid)
    decision = store.decision(uid)
    served = store.served(uid)
    line = store.line(uid)
    needed = set(decision.promoted) if decision else set()
    needed.update(one.id for one in line[-2:])
    for one in (served, named(versions, store.pin), named(versions, served.parent if served else "")):
        if one is not None:
            needed.add(one.id)
    if served is not None:
        ids = [one.id for one in line]
        needed.update(ids[max(0, ids.index(served.id) - 1) :][:1])
    return needed
