"""One machine's copy of the versions in a remote store, and the synchronisation of that copy.

The layout on the disk is that of `store`: a folder with its manifest for each version in the remote store, and the
files of the fetched versions. A file gets its name once its sha256 is that of the manifest, and a version is served
once all its files are there. Everything in the copy was in the store before, so a version that the store no longer
lists was deleted and is removed from the copy, too.
"""

import contextlib
import hashlib
import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from label_studio_ml.errors import DecisionError, StoreError, VersionError
from label_studio_ml.storage import atomic_files, file_locks
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.storage.small_files import DamagedFile, parse_json, read_text
from label_studio_ml.versions.remote.eviction import make_room, used_now
from label_studio_ml.versions.remote.object_store import ObjectStore
from label_studio_ml.versions.remote.store_retries import PATIENCE, retry_store
from label_studio_ml.versions.remote.store_watch import StoreWatch
from label_studio_ml.versions.state.user_state import apply_all
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.damage import damage
from label_studio_ml.versions.store.decision import Decision
from label_studio_ml.versions.store.decision_files import DECISION
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST, TOMBSTONE, Manifest
from label_studio_ml.versions.store.manifest_files import write_manifest
from label_studio_ml.versions.store.movable_paths import localized

logger = logging.getLogger(__name__)

DELETED = ".deleted.json"
FAILED = ".failed"
#: Suffix of the hidden file beside the record of a load failure that the store does not have yet.
UNSENT = ".unsent"


class Mirror(VersionStore):
    """Read access to the versions in the store at `url`, copied to a folder below `work`; `state.db` is in `work`.

    Fetched files are evicted down to `most` bytes, except as `make_room` says. Publishing is retried for
    `patience` seconds while the store is unreachable. `remote.RemoteStore` adds the methods that write to the store.
    """

    remote = True

    def __init__(
        self, url: str, work: Path, *, pin: str = "", most: int = 20 << 30, patience: float = PATIENCE
    ) -> None:
        self.artifacts = ObjectStore(url)
        self._near = work / "stores" / _folder_name(self.artifacts.url)
        super().__init__(self._near, pin=pin)
        self._work = work
        self._most = most
        self._patience = patience
        #: By project: the decision that its copy in the store is known to hold.
        self._copied: dict[str, Decision] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._bringing = threading.RLock()
        self._watch = StoreWatch(self.artifacts, self.bring)

    # Learning what changed

    @property
    def problem(self) -> str:
        """Why this machine cannot read the store, empty if it can."""
        return self._watch.problem

    @property
    def hampered(self) -> str:
        """Why this machine cannot write to the store, empty if it can."""
        return self._watch.hampered

    def start(self) -> None:
        """Start the thread that watches the store for changes. Raises SettingsError where the URL cannot be used.

        Decisions on this machine that cannot be read are logged at once.
        """
        self.artifacts.open()
        super().start()
        self._watch.start()

    def stop(self) -> None:
        """Stop the thread that `start` began."""
        self._watch.stop()

    def projects(self) -> list[str]:
        """Return the uids of the projects in the store, sorted. Raises StoreError."""
        return sorted(unquote(name) for name in self.artifacts.names("versions"))

    def unknown(self, uid: str) -> bool:
        """Tell whether this process has not synchronised the project yet, so that `bring` is to be called first."""
        return uid not in self._watch.marks

    def known_of_old(self, uid: str) -> bool:
        """Tell whether the project can be served from this machine's copy; if so, `Watch` updates it from now on."""
        synced = (self.folder(uid) / ".synced").exists()
        usable = self.loadable(uid, ()) is not None or (synced and not self.versions(uid))
        if usable:
            self._watch.marks.setdefault(uid, "?")
        return usable

    def bring(self, uid: str, mark: str | None = None) -> None:
        """Synchronise a project with the store, and fetch the version to serve. Raises StoreError.

        `mark` is the mark of the project's hint object if the caller has just listed it; None lists it here.
        """
        with self._bringing:
            if mark is None:
                mark = self.artifacts.marks("hints").get(version_files.file_name(uid), "")
            self._sync(uid)
            served = self._fetch_served(uid)
            if served is not None:
                self._apply(served)
            self._watch.marks[uid] = mark
            hint = f"{mark} {served.id if served else ''}"
            if self.hint(uid) != hint:
                with self.writes("A hint for servers"):
                    atomic_files.replace_file(self.folder(uid) / "changed", hint)

    def known(self, uid: str, holds: Callable[[], None] | None = None) -> list[Manifest]:
        """Return all versions that a project ever had on any machine, after synchronising with the store.

        With `holds`, an unreachable store is retried for `patience` seconds, as long as `holds` does not raise.
        """
        if holds is None:
            self._sync(uid)
        else:
            retry_store(partial(self._sync, uid), self._patience, holds)
        return super().known(uid)

    def _sync(self, uid: str) -> None:
        """Copy a project's manifests, decision and failure notes to the disk; remove what the store no longer lists."""
        base, there = self.folder(uid), f"versions/{version_files.file_name(uid)}/meta"
        here = self._here_of(uid)  # first, so that a version committed meanwhile is kept
        sent = [path for path in base.glob(f"*{FAILED}") if not unsent_mark(path).exists()]
        names = set(self.artifacts.names(there))
        with self.writes(f"What the store holds of project {uid}"):
            make_folder(base)
            for name in sorted(names):
                if name.endswith(DELETED):
                    self._learn(uid, name.removesuffix(DELETED), f"{there}/{name}", TOMBSTONE)
                elif name == DECISION:
                    continue
                elif name.endswith(FAILED):
                    self._learn_failure(base / name, f"{there}/{name}")
                elif f"{name.removesuffix('.json')}{DELETED}" not in names:
                    self._learn(uid, name.removesuffix(".json"), f"{there}/{name}", MANIFEST)
            for path in base.glob(f"*{FAILED}"):
                committed = f"{path.name.removesuffix(FAILED)}.json" in names
                if path.name not in names and (path in sent or not committed):
                    path.unlink(missing_ok=True)
                    unsent_mark(path).unlink(missing_ok=True)
            self._learn_decision(uid, f"{there}/{DECISION}", listed=DECISION in names, here=DECISION in here)
            for name in here:
                if name != DECISION and not names.intersection((name, f"{name}.json", f"{name}{DELETED}")):
                    self._drop(uid, name)
            (base / ".synced").touch()

    def _here_of(self, uid: str) -> list[str]:
        """Return the names of a project's version folders on this disk, deleted ones included, and of its decision."""
        kinds = (MANIFEST, TOMBSTONE)
        found = [path.name for path in self._folders(uid) if any((path / kind).exists() for kind in kinds)]
        return [*found, *([DECISION] if (self.folder(uid) / DECISION).exists() else [])]

    def _drop(self, uid: str, name: str) -> None:
        """Remove the folder of a version that the store no longer lists."""
        path = self.folder(uid) / name
        logger.info("Project %s: version %s is not in the store any more; it goes from here", uid, name)
        for kind in (MANIFEST, TOMBSTONE):  # first, so that a folder without its files is no version
            (path / kind).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)

    def _learn_failure(self, path: Path, there: str) -> None:
        """Copy the record of a load failure from the object `there` to `path`, unless there is one."""
        if not path.exists():
            cause = self.artifacts.get(there) or b""
            atomic_files.replace_file(path, cause.decode("utf-8", "replace"))
        unsent_mark(path).unlink(missing_ok=True)

    def _learn_decision(self, uid: str, there: str, *, listed: bool, here: bool) -> None:
        """Copy the decision from the store to the disk. A damaged one in the store replaces none on the disk.

        `listed` and `here` say whether the decision was in the store and on the disk. It is deleted from the disk if
        the store has neither the decision nor its copy.
        """
        text = self.artifacts.get(there) if listed else None
        decision = self._parsed(text)
        if decision is not None:
            if self._decided_here(uid) != decision or uid in self._decisions.problems:
                self._decisions.write(uid, decision)
            self._copy_there(uid, there, decision)
            return
        name, damaged = self._decision_copy(uid), text is not None
        text = self.artifacts.get(name)
        if text is None and not damaged:
            if here and not listed:
                self._decisions.forget(uid)
            return
        copy, known = self._parsed(text), self._decided_here(uid)
        self._warn_once(f"{self.artifacts.url}/{there} is damaged or missing: it is not taken over")
        if copy is not None and (known is None or copy.later(known)):
            self._decisions.write(uid, copy)
        elif copy is None:
            self._warn_once(f"{self.artifacts.url}/{name} is damaged or missing: it is not taken over")
            path = self.folder(uid) / DECISION
            if not path.exists():  # damaged on purpose: this machine is not to serve the project
                atomic_files.replace_file(path, "?")

    def _decided_here(self, uid: str) -> Decision | None:
        with contextlib.suppress(DecisionError):
            return self._decisions.read(uid)
        return None

    @staticmethod
    def _parsed(text: bytes | None) -> Decision | None:
        with contextlib.suppress(DamagedFile):
            return parse_json(text, Decision) if text is not None else None
        return None

    def _copy_there(self, uid: str, there: str, decision: Decision) -> None:
        """Write `decision` to its copy in the store if that differs: earlier releases do not. StoreError is ignored."""
        name = self._decision_copy(uid)
        if self._copied.get(uid) == decision:
            return
        with contextlib.suppress(StoreError):
            if self._parsed(self.artifacts.get(name)) != decision:
                self.artifacts.put(name, decision.text().encode())
                if self.artifacts.get(there) is None:  # the project was deleted meanwhile
                    self.artifacts.delete([name])
            self._copied[uid] = decision

    @staticmethod
    def _decision_copy(uid: str) -> str:
        return f"versions/{version_files.file_name(uid)}/decided/{DECISION}"

    def _learn(self, uid: str, name: str, there: str, kind: str) -> None:
        """Copy one version's manifest from the object `there` to the folder `name`, unless the folder has it.

        `kind` is MANIFEST, or TOMBSTONE for a deleted version, whose files are removed. A damaged object is logged.
        """
        folder = self.folder(uid) / name
        if (folder / kind).exists():
            return
        if kind == TOMBSTONE and (folder / MANIFEST).exists():
            (folder / MANIFEST).rename(folder / TOMBSTONE)
            version_files.empty(folder, keep=TOMBSTONE)
            return
        text = self.artifacts.get(there)
        if text is None:
            return
        try:
            manifest = parse_json(text, Manifest)
            if version_files.file_name(manifest.id) != name or manifest.project != uid:
                raise DamagedFile("it is another version's")
        except DamagedFile as error:
            self._warn_once(
                f"{self.artifacts.url}/{there} is not used, so this version is not served: {error}"
            )
            return
        manifest = localized(manifest, folder)
        if folder.is_dir():  # made on this machine, which got no answer to the commit
            write_manifest(folder, manifest, kind)
            return
        with self.staged(uid, f"{unquote(name)}-{secrets.token_hex(4)}") as staged:
            staged.mkdir(mode=0o700)
            write_manifest(staged, manifest, kind, home=folder)
            with contextlib.suppress(FileExistsError):
                staged.rename(folder)

    # Having files here

    def loadable(self, uid: str, bad: Collection[str]) -> Manifest | None:
        """Return the version to serve, of those whose files are on this machine; `bad` are ids that do not load."""
        for one in reversed(self.line(uid)):
            if one.id not in bad and self._here(one):
                return one
        self.decision(uid)  # raises if it cannot be read: `line` was the version of `pin` alone
        return None

    def damage(self, manifest: Manifest, *, full: bool = False) -> str:
        """Return what is wrong with a version's files, empty if nothing is.

        Without `full`, only damage that fetching the version has found. With `full`, the version is fetched and its
        files are read. Raises StoreError.
        """
        if full:
            try:
                self.fetch(manifest)
            except StoreError:
                raise
            except VersionError as error:
                return error.message
            return super().damage(manifest, full=True)
        return self._refused.get((manifest.project, manifest.id), "")

    def fetch(self, manifest: Manifest) -> None:
        """Download the files of a version that are not on this machine, and compare each with its sha256.

        Raises StoreError, or VersionError if a file in the store is not what was written or the disk refuses.
        """
        folder = self.folder(manifest.project, manifest.id)
        used_now(folder)
        if self._here(manifest):
            return
        with self.writes(f"Version {manifest.name}"):
            lock = self._near / "fetching" / ".lock"
            make_folder(lock.parent)
            with file_locks.locked(lock):
                if self._here(manifest):  # another process has fetched it meanwhile
                    return
                logger.info("Project %s: fetching version %s", manifest.project, manifest.name)
                for left in lock.parent.iterdir():  # by a process that was killed: this one holds the lock
                    if left != lock:
                        shutil.rmtree(left, ignore_errors=True)
                make_room(self, self._near, manifest, self._most)
                half = lock.parent / secrets.token_hex(8)
                half.mkdir(mode=0o700)
                try:
                    for name, digest in manifest.files.items():
                        self._fetch_file(manifest, name, digest, half, folder)
                finally:
                    shutil.rmtree(half, ignore_errors=True)

    def _fetch_file(self, manifest: Manifest, name: str, digest: str, half: Path, folder: Path) -> None:
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            raise VersionError(f"{name!r} is no name of a file in a version's folder")
        target, got = folder / name, half / "file"
        if target.exists() and version_files.sha256(target) == digest:
            return
        self.artifacts.get_file(f"{self._files(manifest)}/{name}", got)
        if version_files.sha256(got) != digest:
            raise VersionError(f"{name} is not what was written (its sha256 differs)")
        make_folder(target.parent)
        got.replace(target)

    def _here(self, manifest: Manifest) -> bool:
        return not damage(self.folder(manifest.project, manifest.id), manifest)

    def _fetch_served(self, uid: str) -> Manifest | None:
        """Fetch the version to serve and return it, None for the untrained model.

        A version that is damaged in the store is refused, and the version before it is taken. If all that are left
        failed to load, return the newest of them.
        """
        for key in [key for key in self._refused if key[0] == uid]:
            del self._refused[key]
        failed, chosen = self.failures(uid), None
        for manifest in reversed(self.line(uid)):
            try:
                self.fetch(manifest)
            except StoreError:
                raise
            except VersionError as error:
                self._refused[uid, manifest.id] = error.message
                logger.error(
                    "Project %s: version %s is refused: %s. The one before is served",
                    *(uid, manifest.name, error.message),
                )
                continue
            chosen = chosen or manifest
            if manifest.id not in failed:
                return manifest
        return chosen

    def _apply(self, served: Manifest) -> None:
        """Store the key/value pairs of a version that is newly served here; its model reads them as it loads."""
        path = self.folder(served.project) / ".applied"
        with self.writes("The pairs of a version"):
            applied = None
            with contextlib.suppress(DamagedFile):
                applied = read_text(path)
            if applied != served.id:
                apply_all(self, self._work, served)
                atomic_files.replace_file(path, served.id)

    def _files(self, manifest: Manifest) -> str:
        return f"versions/{version_files.file_name(manifest.project)}/files/{version_files.file_name(manifest.id)}"


def unsent_mark(path: Path) -> Path:
    """Return the path of the mark that the record of a load failure in `path` is not in the store yet."""
    return path.with_name(f".{path.name}{UNSENT}")


def _folder_name(url: str) -> str:
    """Return the name of the folder for the copy of the store at `url`, different for each store."""
    return f"{version_files.file_name(url)[:80]}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
