"""Store the key/value pairs that go with a version: those that its fit and the fits of its ancestors set."""

from pathlib import Path

from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.lineage import own_pairs, pairs_of
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest


def apply_own(model_dir: Path, manifest: Manifest) -> None:
    """Store the pairs that a version's own fit set. Idempotent."""
    StoredState(model_dir, manifest.project).update(own_pairs(manifest))


def apply_all(store: VersionStore, model_dir: Path, manifest: Manifest) -> None:
    """Restore the pairs to those that go with a version, for example after a rollback to it.

    Keys that only the fits of other versions set are removed; keys that no fit ever set stay.
    """
    history = store.history(manifest.project)
    pairs = pairs_of(history, manifest)
    state = StoredState(model_dir, manifest.project)
    for key in {key for version in history for key in version.state} - set(pairs):
        state.delete(key)
    state.update(pairs)
