"""Model versions on disk: one folder each, committed by the file that is written last.

    <model_dir>/versions/<project uid>/
        <version id>/                what `fit` wrote to its workdir
        <version id>/manifest.json   appears last: its appearance is the commit
        <version id>/deleted.json    in its place: the version was deleted; its name and its events stay known
        <version id>.failed          why the version did not load
        served.json                  what people decided: promoted, rolled back, pinned
        served.json.copy             the same, written before it: used where that is damaged
        changed                      a hint for pollers, different after every change

A folder without a manifest is the rest of a run that did not finish. A publish whose fence is lower than the newest
committed one is refused: another run has trained the project in the meantime.
"""

import contextlib
import logging
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec

from label_studio_ml.disk_errors import disk_fix
from label_studio_ml.errors import DecisionError, VersionError
from label_studio_ml.gate import Gate
from label_studio_ml.private_files import make_folder
from label_studio_ml.small_files import DamagedFile, read_text
from label_studio_ml.versions import disk
from label_studio_ml.versions.commit_checks import refusal, see_nobody_was_faster
from label_studio_ml.versions.damage import damage
from label_studio_ml.versions.decision import Decision, named, served_line
from label_studio_ml.versions.decision_files import PROMOTE, DecisionFiles
from label_studio_ml.versions.manifest import MANIFEST, TOMBSTONE, Manifest, new_version_id
from label_studio_ml.versions.manifest_files import ManifestFiles, fingerprinted, write_manifest
from label_studio_ml.versions.project_folders import ProjectFolders

logger = logging.getLogger(__name__)

_HINT = "changed"
_LOCK = ".lock"
_FAILED = ".failed"
_STAGED = ".copy-"


class VersionStore:
    """The versions of all projects below one folder. Safe to use from several threads and processes.

    `pin` is the name or id of a version that is served, whatever was decided, in the projects that have it.
    """

    #: Whether the versions are kept in a store elsewhere (`remote`).
    remote = False

    def __init__(self, model_dir: Path, *, pin: str = "") -> None:
        self._root = model_dir / "versions"
        self.pin = pin
        self._project_folders = ProjectFolders(self._root)
        self._manifests_read = ManifestFiles()
        self._decisions = DecisionFiles(self.folder)
        self._said: set[str] = set()

    def folder(self, uid: str, version_id: str = "") -> Path:
        """Return the folder of a project's versions, or of one version."""
        base = self._project_folders.path(uid)
        return base / disk.file_name(version_id) if version_id else base

    def projects(self) -> list[str]:
        """Return the uids of the projects that have a folder here. Raises DecisionError where that cannot be read."""
        return self._project_folders.uids()

    # Writing

    def new_id(self, uid: str) -> str:
        """Return an id for a version to be, which no version of the project has or had."""
        taken = {one.id for one in self.history(uid)}
        return next(
            made
            for made in iter(new_version_id, "")
            if made not in taken and not self.folder(uid, made).exists()
        )

    def begin(self, uid: str, version_id: str) -> Path:
        """Make the folder of a version to be, and return it. Raises VersionError if the disk refuses."""
        folder = self.folder(uid, version_id)
        try:
            make_folder(folder.parent)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise VersionError(
                f"The folder of a new version cannot be made: {error}",
                fix=disk_fix(error, self._root),
            ) from error
        return folder

    def publish(
        self,
        manifest: Manifest,
        *,
        gate: Gate | None = None,
        then: Callable[[Manifest], None] | None = None,
        holds: Callable[[], None] = lambda: None,
        once: bool = True,
    ) -> Manifest:
        """Commit the version whose folder `begin` made; return the manifest as written, with its files' sha256.

        A version that `gate` does not let through is committed and not served. `then` is called with the manifest
        before pollers are told. `holds` raises where the lease on the project is lost. `once`: each of its events is to
        be in one version only.
        Raises StaleFence if a version with a higher fence, or one that holds some of the events, is committed already,
        VersionError if the disk refuses.
        """
        uid, folder = manifest.project, self.folder(manifest.project, manifest.id)
        with self.writes(f"Version {manifest.id}"):
            if (folder / MANIFEST).exists():
                (folder / MANIFEST).unlink()
                raise VersionError(
                    f"fit wrote a file {MANIFEST}, which is our own", fix="Give it another name"
                )
            full = fingerprinted(folder, manifest)
            self._send(folder, full, holds)
            with self.locked(uid):
                see_nobody_was_faster(manifest, self.known(uid, holds), manifest.events if once else [])
                served = self.served(uid)
                full = msgspec.structs.replace(full, gate=refusal(gate, full, served) if gate else "")
                full = self._commit(folder, full, holds)
        try:
            if then is not None:
                then(full)
        finally:
            self.tell(uid)
        return full

    def tell(self, uid: str) -> None:
        """Let pollers look again. What they shall see is there already: a full disk does not make this a failure."""
        path = self.folder(uid) / _HINT
        try:
            disk.write_durably(path, secrets.token_hex(8))
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def clear_unfinished(self, uid: str) -> None:
        """Remove what runs left that never committed, and what is left of deleted versions.

        Only for whoever holds the project's lease. A copy that somebody is making stays.
        """
        for path in self._folders(uid, staged=True):
            if path.name.startswith(_STAGED):
                lock = path.with_name(f"{path.name}{_LOCK}")
                if not disk.is_locked(lock):
                    shutil.rmtree(path, ignore_errors=True)
                    lock.unlink(missing_ok=True)
            else:
                self._discard_here(uid, unquote(path.name))

    def discard(self, uid: str, version_id: str) -> None:
        """Remove the folder of a version that was not committed, or the files of one that was deleted."""
        self._discard_here(uid, version_id)

    def _discard_here(self, uid: str, version_id: str) -> None:
        folder = self.folder(uid, version_id)
        with contextlib.suppress(OSError):  # one that cannot be read stays: it may be a committed version's
            names = {path.name for path in folder.iterdir()}
            if TOMBSTONE in names:
                disk.empty(folder, keep=TOMBSTONE)
            elif MANIFEST not in names:
                shutil.rmtree(folder, ignore_errors=True)

    def delete(self, uid: str, version_id: str) -> None:
        """Remove a version's files; its manifest stays, out of sight. Raises VersionError if the disk refuses."""
        folder = self.folder(uid, version_id)
        with self.writes(f"Version {version_id}"):
            (folder / MANIFEST).rename(folder / TOMBSTONE)
            disk.flush(folder)
        self.clear_failure(uid, version_id)
        self.discard(uid, version_id)

    def decide(self, uid: str, decision: Decision) -> None:
        """Write down what was decided, for whoever holds the lock. Raises VersionError if the disk refuses."""
        with self.writes("The decision"):
            self._decisions.write(uid, decision)

    def fail(self, uid: str, version_id: str, cause: str) -> None:
        """Note that a version does not load, for other processes to know; a disk that refuses is none the wiser."""
        with contextlib.suppress(OSError):
            disk.write_durably(self._failure(uid, version_id), cause)

    def clear_failure(self, uid: str, version_id: str) -> None:
        """Take back what `fail` noted."""
        with contextlib.suppress(OSError):
            self._failure(uid, version_id).unlink(missing_ok=True)

    def delete_project(self, uid: str) -> None:
        """Remove all versions of a project. Raises DecisionError where their folder cannot be read."""
        self._project_folders.check(uid)
        self._decisions.forget(uid)
        shutil.rmtree(self.folder(uid), ignore_errors=True)

    # Reading

    def versions(self, uid: str) -> list[Manifest]:
        """Return the committed versions of a project, oldest first, without those that were deleted."""
        return self._manifests(uid, MANIFEST)

    def history(self, uid: str) -> list[Manifest]:
        """Return all versions that a project ever had, oldest first; their files may be gone."""
        return sorted([*self.versions(uid), *self._manifests(uid, TOMBSTONE)], key=_age)

    def known(self, uid: str, holds: Callable[[], None] | None = None) -> list[Manifest]:
        """Return `history` as it is where the versions are kept. Raises StoreError, and what `holds` raises."""
        return self.history(uid)

    def newest(self, uid: str) -> Manifest | None:
        """Return the newest committed version of a project, served or not, or None."""
        return next(iter(reversed(self.versions(uid))), None)

    def fence(self, uid: str) -> int:
        """Return the highest fence that a version of a project ever had; -1 before the first. Raises StoreError."""
        return max((known.fence for known in self.known(uid)), default=-1)

    def unreadable(self, uid: str) -> list[str]:
        """Return the ids of the versions whose manifest is damaged."""
        folders = [path for path in self._folders(uid) if disk.is_there(path / MANIFEST)]
        return [unquote(path.name) for path in folders if self._manifests_read.get(path / MANIFEST) is None]

    def decision(self, uid: str) -> Decision | None:
        """Return what was decided about a project's versions, None if nothing was. Raises DecisionError."""
        self._project_folders.check(uid)
        return self._decisions.read(uid)

    @property
    def undecided(self) -> list[str]:
        """What is wrong with folders of projects, and with the decisions that were read: one line for each."""
        return [*self._project_folders.problems(), *self._decisions.problems.values()]

    def undecided_in(self, uid: str) -> str:
        """Say what is wrong with what was decided about a project's versions, nothing if all is well."""
        try:
            self.line(uid)
        except DecisionError as error:
            return str(error)
        return self._decisions.problems.get(uid, "")

    def lost(self, uid: str) -> str:
        """Return the id of the version that was decided on where it is gone and nobody deleted it, else nothing."""
        return self._lost(uid, self.decision(uid), self.versions(uid))

    def _lost(self, uid: str, decision: Decision | None, versions: list[Manifest]) -> str:
        if decision is None or any(one.id == decision.version for one in versions):
            return ""
        deleted = disk.is_there(self.folder(uid, decision.version) / TOMBSTONE)
        return "" if deleted else decision.version

    def line(self, uid: str) -> list[Manifest]:
        """Return the versions that were served one after the other, oldest first: the last is to be served now.

        Raises DecisionError where what was decided cannot be read, or names a version that is gone and no other. With
        `pin`, what is to be served is known then, too.
        """
        versions = self.versions(uid)
        pinned = named(versions, self.pin)
        try:
            decision = self.decision(uid)
        except DecisionError:
            if pinned is None:
                raise
            return [pinned]
        lost = self._lost(uid, decision, versions)
        if self.pin and pinned is None:
            self._warn_once(
                f"Project {uid} has no version {self.pin!r}, which MODEL_VERSION names: it is served as without it"
            )
        line = served_line(versions, decision, self.pin, lost=bool(lost))
        if lost and not line:
            raise DecisionError(
                f"Project {uid} is to be served version {lost}, which is gone or damaged", fix=PROMOTE
            )
        if lost and decision is not None and line[-1].fence <= decision.fence:
            self._warn_once(
                f"Project {uid} is to be served version {lost}, which is gone or damaged: {line[-1].name}, which was "
                f"served before it, is. {PROMOTE}"
            )
        return line

    def served(self, uid: str, *, bad: Collection[str] | None = None) -> Manifest | None:
        """Return the version to serve; None stands for the untrained model.

        It is the last of `line` whose files are as they were written and that loads: `bad` are the ids of versions
        that do not (those that `fail` noted, if None).
        """
        without = self.failures(uid) if bad is None else bad
        for manifest in reversed(self.line(uid)):
            if manifest.id in without:
                continue
            wrong = self.damage(manifest)
            if not wrong:
                return manifest
            self._warn_once(
                f"Project {uid}: version {manifest.name} is damaged and not served: {wrong}. "
                "The one before is served; bring its files back or delete it"
            )
        self.decision(uid)  # raises, where `pin` is all that is known
        return None

    def loadable(self, uid: str, bad: Collection[str]) -> Manifest | None:
        """Return the version to serve, of those whose files are on this machine."""
        return self.served(uid, bad=bad)

    def damage(self, manifest: Manifest, *, full: bool = False) -> str:
        """Say what is wrong with the files of a version, nothing if all is well; with `full` they are read."""
        return damage(self.folder(manifest.project, manifest.id), manifest, full=full)

    def failures(self, uid: str) -> dict[str, str]:
        """Return the causes why versions did not load, by id."""
        found: dict[str, str] = {}
        base = self.folder(uid)
        for path in base.glob(f"*{_FAILED}") if disk.is_there(base) else ():
            try:
                cause = read_text(path)
            except (OSError, DamagedFile) as error:
                cause = f"it did not load; why cannot be read: {error}"
            if cause is not None:
                found[unquote(path.name.removesuffix(_FAILED))] = cause
        return found

    def hint(self, uid: str) -> str | None:
        """Return, as cheaply as possible, what differs after each change of the project; empty before the first.

        None where that cannot be read now, which is no change.
        """
        hint = None
        with contextlib.suppress(OSError, DamagedFile):
            hint = read_text(self.folder(uid) / _HINT) or ""
        return hint if hint or self._project_folders.is_usable(uid) else None

    # Where versions are kept elsewhere; here there is nothing to do

    @property
    def problem(self) -> str:
        """What keeps this machine from reading the store, empty if nothing does."""
        return ""

    @property
    def hampered(self) -> str:
        """What keeps this machine from writing to the store, empty if nothing does."""
        return ""

    def check(self) -> None:
        """See whether the store can be written to. Raises StoreError."""

    def start(self) -> None:
        """Begin to look for what changes, and log which folders and decisions cannot be read. Raises DecisionError."""
        for uid in self._project_folders.uids():
            with contextlib.suppress(VersionError):
                self.decision(uid)

    def stop(self) -> None:
        """End that."""

    def unknown(self, uid: str) -> bool:
        """Tell whether `bring` is to be called before the project is served."""
        return False

    def known_of_old(self, uid: str) -> bool:
        """Tell whether the project can be served from what is on the disk, where `bring` failed."""
        return True

    def bring(self, uid: str, mark: str | None = None) -> None:
        """Learn what the store holds of a project, and fetch the version to serve. Raises StoreError."""

    def fetch(self, manifest: Manifest) -> None:
        """Have a version's files on this machine, each compared with its sha256. Raises VersionError."""

    def adopt(self, folder: Path, manifest: Manifest) -> None:
        """Keep a version whose files and manifest lie in `folder`. Raises StoreError."""

    def _send(self, folder: Path, manifest: Manifest, holds: Callable[[], None]) -> None:
        """Bring a new version's files to where they are kept."""

    def _commit(self, folder: Path, manifest: Manifest, holds: Callable[[], None]) -> Manifest:
        """Make the version one; return the manifest as written."""
        holds()
        write_manifest(folder, manifest)
        return manifest

    # Helpers for those who write several things in one step

    @contextlib.contextmanager
    def locked(self, uid: str) -> Iterator[None]:
        """Keep others from changing which versions a project has and which is served. Raises DecisionError."""
        if not self._project_folders.exists(uid):
            yield  # there is nothing to change
            return
        with contextlib.ExitStack() as held:
            with self.writes(f"The lock of project {uid}'s versions"):
                held.enter_context(disk.locked(self.folder(uid) / _LOCK))
            yield

    @contextlib.contextmanager
    def staged(self, uid: str, version_id: str) -> Iterator[Path]:
        """Lend a path for a folder that is to become a version's folder; what is left there at the end is removed."""
        base = self.folder(uid)
        make_folder(base)
        path = base / f"{_STAGED}{disk.file_name(version_id)}"
        lock = path.with_name(f"{path.name}{_LOCK}")
        with disk.locked(lock):
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
                lock.unlink(missing_ok=True)

    @contextlib.contextmanager
    def writes(self, what: str) -> Iterator[None]:
        """Turn what the disk refuses in this block into a VersionError."""
        try:
            yield
        except (OSError, shutil.Error) as error:
            fix = disk_fix(error, self._root)
            raise VersionError(f"{what} cannot be written: {error}", fix=fix) from error

    def _failure(self, uid: str, version_id: str) -> Path:
        return self.folder(uid) / f"{disk.file_name(version_id)}{_FAILED}"

    def _folders(self, uid: str, *, staged: bool = False) -> list[Path]:
        try:
            found = [path for path in self.folder(uid).iterdir() if path.is_dir()]
        except OSError as error:
            self._project_folders.check(uid)
            if isinstance(error, FileNotFoundError):
                return []
            raise VersionError(f"The versions of project {uid} cannot be read: {error}") from error
        return [path for path in found if staged or not path.name.startswith(_STAGED)]

    def _manifests(self, uid: str, name: str) -> list[Manifest]:
        found = [self._manifests_read.get(path / name) for path in self._folders(uid)]
        return sorted((one for one in found if one is not None), key=_age)

    def _warn_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            logger.warning("%s", text)


def _age(manifest: Manifest) -> tuple[int, str]:
    """Order versions from the oldest on: one that was imported has the fence of the newest one then."""
    return manifest.fence, manifest.created
