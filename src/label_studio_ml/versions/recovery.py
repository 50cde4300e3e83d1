"""Key/value pairs that the manifests of versions hold: what a lost `state.db` is made of again."""

import logging
from pathlib import Path

from label_studio_ml.errors import VersionError
from label_studio_ml.versions.lineage import pairs_of
from label_studio_ml.versions.store import VersionStore

logger = logging.getLogger(__name__)


def pairs_in_manifests(model_dir: Path) -> dict[tuple[str, str], str]:
    """Return the pairs that go with the version that each project is served: (project, key) to value."""
    found: dict[tuple[str, str], str] = {}
    for place in (model_dir, *sorted((model_dir / "stores").glob("*"))):
        store = VersionStore(place)
        for uid in store.projects():
            try:
                served = store.served(uid)
                pairs = pairs_of(store.history(uid), served) if served is not None else {}
            except (VersionError, OSError) as error:
                logger.error("Project %s: the pairs of its version are not brought back: %s", uid, error)
                continue
            found |= {(uid, key): value for key, value in pairs.items()}
    return found
