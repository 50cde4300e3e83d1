"""The key/value pairs that go with a version: what its fit and those of its ancestors set."""

from pathlib import Path

from label_studio_ml.versions.manifest import Manifest
from label_studio_ml.versions.state import StoredState
from label_studio_ml.versions.store import VersionStore


def apply_own(model_dir: Path, manifest: Manifest) -> None:
    """Store the pairs that a version's fit set. Doing it twice does no harm."""
    StoredState(model_dir, manifest.project).update(_own(manifest))


def apply_all(store: VersionStore, model_dir: Path, manifest: Manifest) -> None:
    """Make the pairs what they were when the version was new: for one that is served again by hand.

    Keys that only the fits of other versions set are removed; what no fit ever set stays.
    """
    history = store.history(manifest.project)
    wanted = pairs_of(history, manifest)
    state = StoredState(model_dir, manifest.project)
    for key in {key for one in history for key in one.state} - set(wanted):
        state.delete(key)
    state.update(wanted)


def pairs_of(history: list[Manifest], manifest: Manifest) -> dict[str, str]:
    """Return the pairs that the fits of a version and of its ancestors set, the latest of each key."""
    by_name = {one.name: one for one in history}
    way = [manifest]
    while (parent := by_name.get(way[-1].parent)) is not None and parent.fence < way[-1].fence:
        way.append(parent)
    return {key: value for one in reversed(way) for key, value in _own(one).items()}


def _own(manifest: Manifest) -> dict[str, str]:
    pairs = dict(manifest.state)
    if "model_version" in pairs:
        pairs["model_version"] = manifest.name
    return pairs
