"""Import versions from an archive, or copy them from another store.

An imported version keeps its id, its name and what its fit set. It is held back, so that it is not served before
a person promotes it, and it has no events, because those belong to another backend's queue.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from label_studio_ml.errors import VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.versions.state.lineage import pairs_of
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.decision import named
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.store.manifest_files import write_manifest
from label_studio_ml.versions.store.movable_paths import localized, portable
from label_studio_ml.versions.store.names import UNTRAINED_NAMES, name_problem

#: The `gate` of an imported version: the reason why it is not served.
HELD_BACK_REASON = "it was imported and has not been promoted yet"
#: Bytes of a file that are copied at a time.
CHUNK_SIZE = 1 << 20


def exported_manifest(store: VersionStore, manifest: Manifest) -> Manifest:
    """Return a version's manifest as it is sent to another place.

    Paths of this machine are replaced with marks. Added are all key/value pairs that go with the version, the sizes of
    its files (missing in the oldest manifests), and its parent's id, as another version there may have the same name.
    Raises VersionError if the version's files are damaged, or one is a link out of the version's folder.
    """
    damage = store.damage(manifest, full=True)
    if damage:
        raise VersionError(f"Version {manifest.name} is damaged: {damage}", fix="Choose another version")
    for name in manifest.files:
        _check_no_outside_link(store.folder(manifest.project, manifest.id), name)
    history = store.history(manifest.project)
    pairs = pairs_of(history, manifest)
    parent = named(history, manifest.parent)
    parent_id = parent.id if parent is not None else manifest.parent_id
    folder = store.folder(manifest.project, manifest.id)
    sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    return portable(msgspec.structs.replace(manifest, state=pairs, parent_id=parent_id, sizes=sizes), folder)


def _check_no_outside_link(folder: Path, name: str) -> None:
    """Raise VersionError if a version's file is a link out of its folder: its target must not be copied elsewhere."""
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()) or not target.is_file():
        raise VersionError(
            f"{name} is a link to {target}, which is not in the version's folder",
            fix="Put a copy of the file in its place, or copy the file in fit and train again",
            field=name,
        )


def import_version(
    store: VersionStore, uid: str, received: Manifest, fill: Callable[[Path], None], *, name: str = ""
) -> tuple[Manifest, bool]:
    """Add a version to project `uid`, held back; return its manifest, and False if the project has it already.

    `received` is the manifest from `exported_manifest`; `fill` writes the version's files to a folder and checks them.
    `name` is another name for the version, which then gets another id if its own is in use. Its parent is the version
    in this project with the id `received.parent_id`, if there is one. Nothing is overwritten: raises VersionError if
    another version, or a deleted one, has the name, or without `name` the id.
    """
    present = _present(store, uid, received, name)
    if present is not None:
        return present, False
    _check_name(name or received.name)
    with store.folders.writes(f"Version {received.name}"), store.folders.staged(uid, received.id) as staged:
        staged.mkdir(mode=0o700)
        fill(staged)
        with store.folders.locked(uid):
            present = _present(store, uid, received, name)
            if present is not None:
                return present, False
            history = store.history(uid)
            names = {version.id: version.name for version in history}
            version_id = store.new_id(uid) if received.id in names else received.id
            folder = store.folder(uid, version_id)
            imported = msgspec.structs.replace(
                localized(received, folder),
                id=version_id,
                project=uid,
                name=name or received.name,
                parent=names.get(received.parent_id, ""),
                # Not higher, so that a run that has its fence already may publish.
                fence=max(store.fence(uid), 0),
                events=[],
                comparison=None,
                gate=HELD_BACK_REASON,
            )
            write_manifest(staged, imported, home=folder)
            store.uploads.adopt(staged, imported)
            staged.rename(folder)
            atomic_files.flush_folder(folder.parent)
    store.announce(uid)
    return imported, True


def copy(
    source: VersionStore, manifest: Manifest, target: VersionStore, uid: str, *, keep_files: bool = True
) -> tuple[Manifest, bool]:
    """Copy a version from one store to another one, and return the result of `import_version`.

    Without `keep_files`, files that are uploaded to a remote store are removed from this machine's copy of it.
    """
    exported = exported_manifest(source, manifest)
    folder = source.folder(manifest.project, manifest.id)

    def fill(staged: Path) -> None:
        for name, digest in manifest.files.items():
            path = staged / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, path)
            if version_files.sha256(path) != digest:
                raise VersionError(f"Version {manifest.name} was changed while it was copied: {name}")

    imported, is_new = import_version(target, uid, exported, fill)
    if is_new and not keep_files:
        target.source.release(imported)
    return imported, is_new


def lost_parent(source: Manifest, imported: Manifest) -> str:
    """Return one line saying that the version `imported` lost its parent, empty if it did not.

    `source` is the version's manifest at the place of origin.
    """
    if not source.parent or imported.parent:
        return ""
    return f"Version {imported.name} has no parent now: {source.parent}, from which it was trained, was not copied"


def write_checked(read: Callable[[int], bytes], path: Path, digest: str) -> None:
    """Create a file from what `read` returns until that is empty. Raises VersionError if its sha256 differs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest_so_far = hashlib.sha256()
    with path.open("xb") as file:
        while chunk := read(CHUNK_SIZE):
            digest_so_far.update(chunk)
            file.write(chunk)
    if digest_so_far.hexdigest() != digest:
        raise VersionError(
            f"{path.name} was changed after it was written (its sha256 differs)", fix="Copy the archive again"
        )


def _check_name(name: str) -> None:
    """Raise VersionError unless an imported version may have this name."""
    problem = name_problem(name) or (
        "a model that was never trained has it" if name in UNTRAINED_NAMES else ""
    )
    if problem:
        raise VersionError(
            f"{name[:80]!r} cannot name a version here: {problem}",
            fix="Give it another name with --as NAME",
            field="--as",
        )


def _present(store: VersionStore, uid: str, received: Manifest, name: str) -> Manifest | None:
    """Return the same version if the project has it, else None. Raises VersionError if another has its id or name."""
    versions, history = store.versions(uid), store.history(uid)
    fix = "Give it another name with --as NAME"
    existing = next((version for version in versions if version.id == received.id), None)
    if existing is not None and not name:
        if existing.files == received.files:
            return existing
        raise VersionError(f"Another version {received.id} exists already", fix=fix, field="--as")
    if not name and any(version.id == received.id for version in history):
        raise VersionError(
            f"Version {received.name} was deleted from the project, and no name is used twice",
            fix=fix,
            field="--as",
        )
    if named(history, name or received.name) is not None:
        raise VersionError(
            f"There is another version {name or received.name!r} already", fix=fix, field="--as"
        )
    return None
