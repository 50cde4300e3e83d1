"""Taking in versions that were made elsewhere: from an archive, or from another store.

A version that comes in keeps its id, its name and what its fit set. It is held back, so that it is not served before
somebody promotes it, and holds no events: they are those of another machine's queue.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from label_studio_ml.errors import VersionError
from label_studio_ml.versions import disk
from label_studio_ml.versions.decision import named
from label_studio_ml.versions.lineage import pairs_of
from label_studio_ml.versions.manifest import MANIFEST, Manifest
from label_studio_ml.versions.manifest_files import write_manifest
from label_studio_ml.versions.names import UNTRAINED, name_problem
from label_studio_ml.versions.paths import localized, portable
from label_studio_ml.versions.store import VersionStore

#: Why a version that came in is not served.
HELD = "it came from elsewhere and was not promoted yet"
#: Bytes of a file that are copied at a time.
PART = 1 << 20


def outgoing(store: VersionStore, manifest: Manifest) -> Manifest:
    """Return a version's manifest as it goes to another place.

    It has no paths of this one, all key/value pairs that go with the version, the sizes of its files, which the oldest
    manifests lack, and the id of its parent, whose name may be another version's there.
    Raises VersionError where the version's files are not what was written.
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
    """Raise VersionError where a version's file is a link to what is not in its folder, which stays on this machine."""
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
    """Add a version to project `uid`, held back; return its manifest, and whether it was not there already.

    `kept` is the manifest as `outgoing` made it; `fill` writes its files into a folder and checks them. `name` is
    another name for the version. Its parent is the version here with the id that the parent had there; without one, it
    has no parent here. Nothing is overwritten: raises VersionError where the name or the id is taken by
    another version, or was one's that is deleted.
    """
    present = _present(store, uid, kept, name)
    if present is not None:
        return present, False
    _check_name(name or kept.name)
    with store.writes(f"Version {kept.name}"), store.staged(uid, kept.id) as staged:
        staged.mkdir(mode=0o700)
        fill(staged)
        with store.locked(uid):
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
                fence=max(store.fence(uid), 0),  # no higher: a run that has one already may still publish
                events=[],
                comparison=None,
                gate=HELD,
            )
            write_manifest(staged, made, home=home)
            store.adopt(staged, made)
            staged.rename(home)
            disk.flush(home.parent)
    store.tell(uid)
    return made, True


def copy(
    source: VersionStore, manifest: Manifest, target: VersionStore, uid: str, *, keep_files: bool = True
) -> tuple[Manifest, bool]:
    """Copy a version from one store to another one, as `take_in` does; return what that does.

    Without `keep_files`, this machine keeps no copy of what it puts into a store elsewhere.
    """
    kept = outgoing(source, manifest)
    folder = source.folder(manifest.project, manifest.id)

    def fill(staged: Path) -> None:
        for name, digest in manifest.files.items():
            place = staged / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, place)
            if disk.sha256(place) != digest:
                raise VersionError(f"Version {manifest.name} was changed while it was copied: {name}")

    made, new = take_in(target, uid, kept, fill)
    if new and target.remote and not keep_files:
        disk.empty(target.folder(uid, made.id), keep=MANIFEST)
    return made, new


def lost_parent(source: Manifest, made: Manifest) -> str:
    """Say in one line that the parent of version `made` did not come along; nothing if it did, or there was none.

    `source` is the version where it came from.
    """
    if not source.parent or made.parent:
        return ""
    return f"Version {made.name} has no parent now: {source.parent}, from which it was trained, did not come along"


def write_checked(read: Callable[[int], bytes], place: Path, digest: str) -> None:
    """Write a file from what `read` gives until it gives nothing. Raises VersionError if its sha256 is another."""
    place.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with place.open("xb") as file:
        while part := read(PART):
            found.update(part)
            file.write(part)
    if found.hexdigest() != digest:
        raise VersionError(f"{place.name} is not what was written (its sha256 differs)", fix="Fetch it again")


def _check_name(name: str) -> None:
    """Raise VersionError unless a version that comes in may have this name."""
    problem = name_problem(name) or ("a model that was never trained has it" if name in UNTRAINED else "")
    if problem:
        raise VersionError(
            f"{name[:80]!r} cannot name a version here: {problem}",
            fix="Give it another name with --as NAME",
            field="--as",
        )


def _present(store: VersionStore, uid: str, kept: Manifest, name: str) -> Manifest | None:
    """Return the very version if it is there. Raises VersionError where another one has its id or its name."""
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
