"""Copy the served version of a project to another project."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from label_studio_ml.storage import atomic_files
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.lineage import pairs_of
from label_studio_ml.versions.state.user_state import apply_own
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST, Manifest, unused_name
from label_studio_ml.versions.store.manifest_files import fingerprinted, write_manifest
from label_studio_ml.versions.store.movable_paths import localized, portable, relocated


def duplicate(store: VersionStore, model_dir: Path, source: str, target: str) -> Manifest | None:
    """Copy the version that `source` is served to `target`, as its newest, with all key/value pairs of `source`.

    Return the copy's manifest, or None if `source` is served the untrained model: then only the pairs are copied.
    Raises VersionError if the disk refuses.
    """
    store.synchronise(source)
    store.synchronise(target)
    version_id = store.new_id(target)
    served = store.served(source)
    source_folder = store.folder(source, served.id if served else version_id)
    target_folder = store.folder(target, version_id)
    pairs = {
        key: relocated(value, source_folder, target_folder)
        for key, value in StoredState(model_dir, source).items().items()
    }
    if served is None:
        StoredState(model_dir, target).update(pairs)
        return None
    served = msgspec.structs.replace(served, state=pairs_of(store.history(source), served))
    moved = localized(portable(served, source_folder), target_folder)
    with (
        store.folders.writes(f"The copy of version {served.name}"),
        store.folders.staged(target, version_id) as staged,
    ):
        shutil.copytree(source_folder, staged, ignore=_ignore_manifest(source_folder))
        copy = msgspec.structs.replace(
            fingerprinted(staged, served),
            id=version_id,
            project=target,
            train_output=moved.train_output,
            state=moved.state | pairs,
            events=[],
            gate="",
            comparison=None,
        )
        with store.folders.locked(target):
            present = store.served(target)
            copy = msgspec.structs.replace(
                copy,
                name=unused_name(served.name, {version.name for version in store.history(target)}),
                parent=present.name if present else "",
                parent_id="",
                fence=max(store.fence(target), 0) + 1,
            )
            write_manifest(staged, copy, home=target_folder)
            store.uploads.adopt(staged, copy)
            apply_own(model_dir, copy)
            staged.rename(target_folder)
            atomic_files.flush_folder(target_folder.parent)
    store.announce(target)
    return copy


def _ignore_manifest(folder: Path) -> Callable[[str, list[str]], list[str]]:
    """Return the `ignore` function of `copytree` that leaves out the manifest, which would commit the copy early."""
    return lambda path, names: [MANIFEST] if Path(path) == folder else []
