"""Import versions that were made elsewhere, from an archive or from another store.

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
from label_studio_ml.versions.store.names import UNTRAINED, name_problem

#: The `gate` of an imported version: why it is not served.
HELD = "it came from elsewhere and was not promoted yet"
#: Bytes of a file that are copied at a time.
PART = 1 << 20


def outgoing(store: VersionStore, manifest: Manifest) -> Manifest:
    """Return a version's manifest as it is sent to another place.

    Paths of this machine are replaced with marks. Added are all key/value pairs that go with the version, the sizes of
    its files (missing in the oldest manifests), and its parent's id, as another version there may have the same name.
    Raises VersionError if the version's files are damaged, or one is a link out of the version's folder.
    """
    wrong = store.damage(manifest, full=True)
    if wrong:
        raise VersionError(f"Version {manifest.name} is damaged: {wrong}", fix="Take another one")
    for name in manifest.files:
        _see_inside(store.folder(manifest.project, manifest.id), name)
    history = store.history(manifest.project)
    pairs = pairs_of(history, manifest)
    parent = named(history, manifest.parent)
    parent_id = parent.id if parent is not None else manifest.parent_id
    folder = store.folder(manifest.project, manifest.id)
    sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    return portable(msgspec.structs.replace(manifest, state=pairs, parent_id=parent_id, sizes=sizes), folder)


def _see_inside(folder: Path, name: str) -> None:
    """Raise VersionError if a version's file is a link out of its folder: such a target must not leave this machine."""
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()) or not target.is_file():
        raise VersionError(
            f"{name} is a link to {target}, which is not in the version's folder",
            fix="Put a copy of the file in its place, or train anew and copy it in fit",
            field=name,
        )


def take_in(
    store: VersionStore, uid: str, kept: Manifest, fill: Callable[[Path], None], *, name: str = ""
) -> tuple[Manifest, bool]:
    """Add a version to project `uid`, held back; return its manifest, and False if it was there already.

    `kept` is the manifest from `outgoing`; `fill` writes the version's files into a folder and checks them. `name` is
    another name for the version, which then gets another id if its own is taken. Its parent is the version here with
    the id `kept.parent_id`, if there is one. Nothing is overwritten: raises VersionError if another version, or a
    deleted one, has the name, or without `name` the id.
    """
    present = _present(store, uid, kept, name)
    if present is not None:
        return present, False
    _check_name(name or kept.name)
    with store.folders.writes(f"Version {kept.name}"), store.folders.staged(uid, kept.id) as staged:
        staged.mkdir(mode=0o700)
        fill(staged)
        with store.folders.locked(uid):
            present = _present(store, uid, kept, name)
            if present is not None:
                return present, False
            history = store.history(uid)
            taken = {one.id for one in history}
            parent = next((one.name for one in history if kept.parent_id and one.id == kept.parent_id), "")
            version_id = store.new_id(uid) if kept.id in taken else kept.id
            home = store.folder(uid, version_id)
            made = msgspec.structs.replace(
                localized(kept, home),
                id=version_id,
                project=uid,
                name=name or kept.name,
                parent=parent,
                fence=max(store.fence(uid), 0),  # no higher: a run that has its fence already may publish
                events=[],
                comparison=None,
                gate=HELD,
            )
            write_manifest(staged, made, home=home)
            store.uploads.adopt(staged, made)
            staged.rename(home)
            atomic_files.flush_folder(home.parent)
    store.announce(uid)
    return made, True


def copy(
    source: VersionStore, manifest: Manifest, target: VersionStore, uid: str, *, keep_files: bool = True
) -> tuple[Manifest, bool]:
    """Copy a version from one store to another one, and return the result of `take_in`.

    Without `keep_files`, files that are uploaded to a remote store are removed from this machine's copy of it.
    """
    kept = outgoing(source, manifest)
    folder = source.folder(manifest.project, manifest.id)

    def fill(staged: Path) -> None:
        for name, digest in manifest.files.items():
            place = staged / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, place)
            if version_files.sha256(place) != digest:
                raise VersionError(f"Version {manifest.name} was changed while it was copied: {name}")

    made, new = take_in(target, uid, kept, fill)
    if new and not keep_files:
        target.source.release(made)
    return made, new


def lost_parent(source: Manifest, made: Manifest) -> str:
    """Return one line saying that the imported version `made` lost its parent, empty if it did not.

    `source` is the version's manifest at the place of origin.
    """
    if not source.parent or made.parent:
        return ""
    return f"Version {made.name} has no parent now: {source.parent}, from which it was trained, did not come along"


def write_checked(read: Callable[[int], bytes], place: Path, digest: str) -> None:
    """Create a file from what `read` returns until that is empty. Raises VersionError if its sha256 differs."""
    place.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with place.open("xb") as file:
        while part := read(PART):
            found.update(part)
            file.write(part)
    if found.hexdigest() != digest:
        raise VersionError(f"{place.name} is not what was written (its sha256 differs)", fix="Fetch it again")


def _check_name(name: str) -> None:
    """Raise VersionError unless an imported version may have this name."""
    problem = name_problem(name) or ("a model that was never trained has it" if name in UNTRAINED else "")
    if problem:
        raise VersionError(
            f"{name[:80]!r} cannot name a version here: {problem}",
            fix="Give it another name with --as NAME",
            field="--as",
        )


def _present(store: VersionStore, uid: str, kept: Manifest, name: str) -> Manifest | None:
    """Return the same version if the project has it, else None. Raises VersionError if another has its id or name."""
    versions, history = store.versions(uid), store.history(uid)
    fix = "Give it another name with --as NAME"
    known = next((one for one in versions if one.id == kept.id), None)
    if known is not None and not name:
        if known.files == kept.files:
            return known
        raise VersionError(f"Another version {kept.id} is there already", fix=fix, field="--as")
    if not name and any(one.id == kept.id for one in history):
        raise VersionError(
            f"Version {kept.name} was deleted there, and no name is used twice", fix=fix, field="--as"
        )
    if named(history, name or kept.name) is not None:
        raise VersionError(f"There is another version {name or kept.name!r} already", fix=fix, field="--as")
    return None
