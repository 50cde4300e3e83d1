"""Collect the key/value pairs in the manifests of versions, to rebuild a lost `state.db`."""

import logging
from pathlib import Path

from label_studio_ml.errors import VersionError
from label_studio_ml.versions.state.lineage import pairs_of
from label_studio_ml.versions.store.local_store import VersionStore

logger = logging.getLogger(__name__)


def pairs_in_manifests(model_dir: Path) -> dict[tuple[str, str], str]:
    """Return the pairs that go with the served version of each project: (project uid, key) to value.

    Copies of remote stores below `model_dir` are included. Projects that cannot be read are logged and left out.
    """
    recovered: dict[tuple[str, str], str] = {}
    for folder in (model_dir, *sorted((model_dir / "stores").glob("*"))):
        store = VersionStore(folder)
        for uid in store.projects():
            try:
                served = store.served(uid)
                pairs = pairs_of(store.history(uid), served) if served is not None else {}
            except (VersionError, OSError) as error:
                logger.error(
                    "Project %s: the key/value pairs of its version are not restored: %s", uid, error
                )
                continue
            recovered |= {(uid, key): value for key, value in pairs.items()}
    return recovered
