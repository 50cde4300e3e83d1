"""Model versions in a store that several machines share, by fsspec URL, with what this machine needs of it on its disk.

    <url>/versions/<project uid>/files/<version id>/     what `fit` wrote to its workdir
    <url>/versions/<project uid>/meta/<version id>.json  the manifest, put last: its appearance is the commit
    <url>/versions/<project uid>/meta/<version id>.deleted.json, .failed    as on a disk
    <url>/versions/<project uid>/meta/served.json        what people decided
    <url>/hints/<project uid>, <url>/changed             different after every change of the project, of any project

On the disk all is as in `store`: each version that the store knows has a folder with its manifest, and the files of
those that were fetched. A file gets its name when its sha256 is the manifest's: a version is served once all are there.
"""

import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import unquote

import msgspec

from label_studio_ml.errors import StoreError, VersionError
from label_studio_ml.versions import disk
from label_studio_ml.versions.artifacts import ArtifactStore
from label_studio_ml.versions.damage import damage
from label_studio_ml.versions.decision import Decision
from label_studio_ml.versions.manifest import MANIFEST, TOMBSTONE, Manifest
from label_studio_ml.versions.pairs import apply_all, localized
from label_studio_ml.versions.room import make_room, used_now
from label_studio_ml.versions.store import VersionStore, write_manifest
from label_studio_ml.versions.watch import watch

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds in which publishing is tried again while the store is away.
PATIENCE = 120.0
#: Longest pause between two tries, in seconds.
_LONGEST_PAUSE = 5.0
#: Age of what a run left that never committed, before others remove it.
_LEFT_OVER = timedelta(hours=24)

_DELETED = ".deleted.json"
_FAILED = ".failed"
_KEPT_DECISION = "served.json"


class RemoteStore(VersionStore):
    """The versions of all projects in the store at `url`, fetched to `work` (`versions/` and `state.db` in it).

    Fetched files take up `most` bytes at most, but for those of versions that are served.
    """

    remote = True

    def __init__(
        self, url: str, work: Path, *, pin: str = "", most: int = 20 << 30, patience: float = PATIENCE
    ) -> None:
        super().__init__(work, pin=pin)
        self.artifacts = ArtifactStore(url)
        self.problem = ""
        self._work = work
        self._most = most
        self._patience = patience
        self._marks: dict[str, str] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._bringing = threading.RLock()
        self._later = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._watcher: threading.Thread | None = None
        self._stopping = threading.Event()

    # Learning what changed

    def start(self) -> None:
        """Begin to look for what changes, in a thread. Raises SettingsError where the URL cannot be used."""
        self.artifacts.open()
        self.problem = self.problem or "it was not asked yet"
        arguments = (self, self._marks, self._stopping)
        self._watcher = threading.Thread(target=watch, args=arguments, daemon=True, name="store-watch")
        self._watcher.start()

    def stop(self) -> None:
        """End that."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join(1.0)
        self._later.shutdown(wait=False, cancel_futures=True)

    def projects(self) -> list[str]:
        """Return the uids of the projects in the store."""
        return sorted(unquote(name) for name in self.artifacts.names("versions"))

    def unknown(self, uid: str) -> bool:
        """Tell whether `bring` is to be called before the project is served."""
        return uid not in self._marks

    def known_of_old(self, uid: str) -> bool:
        """Tell whether the project can be served from what is on the disk; from then on it is looked after."""
        synced = (self.folder(uid) / ".synced").exists()
        usable = self.loadable(uid, ()) is not None or (synced and not self.versions(uid))
        if usable:
            self._marks.setdefault(uid, "?")
        return usable

    def bring(self, uid: str, mark: str | None = None) -> None:
        """Learn what the store holds of a project, and fetch the version to serve. Raises StoreError.

        `mark` is that of the project's hint, for those who have just listed them.
        """
        with self._bringing:
            if mark is None:
                mark = self.artifacts.marks("hints").get(disk.file_name(uid), "")
            self._sync(uid)
            served = self._fetch_served(uid)
            if served is not None:
                self._apply(served)
            self._marks[uid] = mark
            hint = f"{mark} {served.id if served else ''}"
            if self.hint(uid) != hint:
                with self.writes("A hint for servers"):
                    disk.write_durably(self.folder(uid) / "changed", hint)

    def fence(self, uid: str) -> int:
        """Return the highest fence that a version of a project ever had, on whatever machine."""
        self._sync(uid)
        return super().fence(uid)

    def _sync(self, uid: str) -> None:
        """Have the store's manifests, decisions and notes of a project on the disk."""
        base, there = self.folder(uid), f"versions/{disk.file_name(uid)}/meta"
        names = set(self.artifacts.names(there))
        with self.writes(f"What the store holds of project {uid}"):
            base.mkdir(parents=True, exist_ok=True)
            for name in sorted(names):
                if name.endswith(_DELETED):
                    self._learn(uid, name.removesuffix(_DELETED), f"{there}/{name}", TOMBSTONE)
                elif name == _KEPT_DECISION:
                    text = self.artifacts.get(f"{there}/{name}")
                    path = base / _KEPT_DECISION
                    if text is not None and (not path.exists() or path.read_bytes() != text):
                        disk.write_durably(path, text.decode())
                elif name.endswith(_FAILED):
                    if not (base / name).exists():
                        disk.write_durably(
                            base / name, (self.artifacts.get(f"{there}/{name}") or b"").decode()
                        )
                elif f"{name.removesuffix('.json')}{_DELETED}" not in names:
                    self._learn(uid, name.removesuffix(".json"), f"{there}/{name}", MANIFEST)
            for path in base.glob(f"*{_FAILED}"):
                if path.name not in names:
                    path.unlink(missing_ok=True)
            (base / ".synced").touch()

    def _learn(self, uid: str, name: str, there: str, kind: str) -> None:
        """Have one version's manifest on the disk, or what is left of it once it was deleted."""
        folder = self.folder(uid) / name
        if (folder / kind).exists():
            return
        if kind == TOMBSTONE and (folder / MANIFEST).exists():
            (folder / MANIFEST).rename(folder / TOMBSTONE)
            disk.empty(folder, keep=TOMBSTONE)
            return
        text = self.artifacts.get(there)
        if text is None:
            return
        try:
            manifest = msgspec.json.decode(text, type=Manifest)
            if disk.file_name(manifest.id) != name or manifest.project != uid:
                raise msgspec.ValidationError("it is another version's")
        except msgspec.MsgspecError as error:
            self._warn_once(
                f"{self.artifacts.url}/{there} is damaged, so this version is not served: {error}"
            )
            return
        manifest = localized(manifest, folder)
        if folder.is_dir():  # what this machine made, and did not hear the end of
            write_manifest(folder, manifest, kind)
            return
        with self.staged(uid, f"{unquote(name)}-{secrets.token_hex(4)}") as staged:
            staged.mkdir()
            write_manifest(staged, manifest, kind)
            with contextlib.suppress(FileExistsError):
                staged.rename(folder)

    # Having files here

    def loadable(self, uid: str, bad: Collection[str]) -> Manifest | None:
        """Return the version to serve, of those whose files are on this machine."""
        return next((one for one in reversed(self.line(uid)) if one.id not in bad and self._here(one)), None)

    def damage(self, manifest: Manifest, *, full: bool = False) -> str:
        """Say what is wrong with a version's files; what was not fetched is fine, unless `full`: then it is fetched."""
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
        """Have a version's files on this machine, each compared with its sha256.

        Raises StoreError, or VersionError where the store holds something else than was written.
        """
        folder = self.folder(manifest.project, manifest.id)
        used_now(folder)
        if self._here(manifest):
            return
        with self.writes(f"Version {manifest.name}"):
            lock = self._work / "fetching" / ".lock"
            lock.parent.mkdir(parents=True, exist_ok=True)
            with disk.locked(lock):
                if self._here(manifest):  # another process was quicker
                    return
                logger.info("Project %s: fetching version %s", manifest.project, manifest.name)
                make_room(self, self._work, manifest, self._most)
                half = lock.parent / secrets.token_hex(8)
                half.mkdir()
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
        if target.exists() and disk.sha256(target) == digest:
            return
        self.artifacts.get_file(f"{self._files(manifest)}/{name}", got)
        if disk.sha256(got) != digest:
            raise VersionError(f"{name} is not what was written (its sha256 differs)")
        target.parent.mkdir(parents=True, exist_ok=True)
        got.replace(target)

    def _here(self, manifest: Manifest) -> bool:
        return not damage(self.folder(manifest.project, manifest.id), manifest)

    def _fetch_served(self, uid: str) -> Manifest | None:
        """Fetch the version to serve, and return it: where one is not what was written, the one before."""
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
        """Store the key/value pairs of a version that is served here from now on; a model reads them as it loads."""
        path = self.folder(served.project) / ".applied"
        with self.writes("The pairs of a version"):
            if not path.exists() or path.read_text() != served.id:
                apply_all(self, self._work, served)
                disk.write_durably(path, served.id)

    # Writing

    def _send(self, folder: Path, manifest: Manifest, holds: Callable[[], None]) -> None:
        for name in manifest.files:
            there = f"{self._files(manifest)}/{name}"
            self._patiently(partial(self.artifacts.put_file, folder / name, there), holds)

    def _commit(self, folder: Path, manifest: Manifest, holds: Callable[[], None]) -> Manifest:
        kept = msgspec.structs.replace(manifest, folder=str(self.folder(manifest.project, manifest.id)))
        self._patiently(lambda: self._put_manifest(kept), holds)
        write_manifest(folder, kept)
        return kept

    def _put_manifest(self, manifest: Manifest) -> None:
        name = self._meta(manifest.project, f"{disk.file_name(manifest.id)}.json")
        text = msgspec.json.format(msgspec.json.encode(manifest, enc_hook=str), indent=1)
        try:
            self.artifacts.put(name, text, create=True)
        except FileExistsError:
            if self.artifacts.get(name) != text:  # else it is ours: only the answer was lost
                raise VersionError(f"The store has another version {manifest.id}") from None

    def adopt(self, folder: Path, manifest: Manifest) -> None:
        """Keep a version whose files and manifest lie in `folder`. Raises StoreError."""
        self._send(folder, manifest, lambda: None)
        self._put_manifest(manifest)

    def tell(self, uid: str) -> None:
        """Let all servers look again. What they shall see is there already, so a failure is only logged."""
        try:
            for name in (f"hints/{disk.file_name(uid)}", "changed"):
                token = secrets.token_hex(8).encode()
                self._patiently(partial(self.artifacts.put, name, token))
        except StoreError as error:
            logger.error("Servers are not told of project %s: %s. They look in some minutes", uid, error)
        super().tell(uid)

    def clear_unfinished(self, uid: str) -> None:
        """Remove what runs left that never committed, here, and a day later in the store."""
        super().clear_unfinished(uid)
        before = f"{datetime.now(UTC) - _LEFT_OVER:%Y%m%d-%H%M%S}"
        with contextlib.suppress(StoreError):
            for name in self.artifacts.names(f"versions/{disk.file_name(uid)}/files"):
                if name < before:
                    self._discard_there(uid, unquote(name))

    def discard(self, uid: str, version_id: str) -> None:
        """Remove what is left of a version that was not committed, or that was deleted."""
        super().discard(uid, version_id)
        with contextlib.suppress(StoreError):  # else it goes when the next run cleans up
            self._discard_there(uid, version_id)

    def _discard_there(self, uid: str, version_id: str) -> None:
        name = disk.file_name(version_id)
        there = f"versions/{disk.file_name(uid)}/files/{name}"
        left = self.artifacts.names(there, deep=True)
        if left and self.artifacts.get(self._meta(uid, f"{name}.json")) is None:
            self.artifacts.delete([f"{there}/{one}" for one in left])

    def delete(self, uid: str, version_id: str) -> None:
        """Remove a version's files, here and in the store; its manifest stays, out of sight. Raises VersionError."""
        name = disk.file_name(version_id)
        text = self.artifacts.get(self._meta(uid, f"{name}.json"))
        if text is not None:
            self.artifacts.put(self._meta(uid, f"{name}{_DELETED}"), text)
            self.artifacts.delete([self._meta(uid, f"{name}.json")])
        super().delete(uid, version_id)

    def decide(self, uid: str, decision: Decision) -> None:
        """Write down what was decided, first where all machines see it. Raises VersionError."""
        super().decide(uid, decision)
        path = self.folder(uid) / _KEPT_DECISION
        try:
            self.artifacts.put(self._meta(uid, _KEPT_DECISION), path.read_bytes())
        except StoreError:
            path.unlink(missing_ok=True)  # what was decided before comes again with the next look
            raise

    def fail(self, uid: str, version_id: str, cause: str) -> None:
        """Note that a version does not load. The store hears of it in a thread: this is called on an event loop."""
        super().fail(uid, version_id, cause)
        name = self._meta(uid, f"{disk.file_name(version_id)}{_FAILED}")
        self._soon(lambda: self.artifacts.put(name, cause.encode()))
        if uid in self._marks:
            self._marks[uid] = "?"  # the one before may have to be fetched

    def clear_failure(self, uid: str, version_id: str) -> None:
        """Take back what `fail` noted."""
        if self._failure(uid, version_id).exists():
            super().clear_failure(uid, version_id)
            name = self._meta(uid, f"{disk.file_name(version_id)}{_FAILED}")
            self._soon(lambda: self.artifacts.delete([name]))

    def delete_project(self, uid: str) -> None:
        """Remove all versions of a project, here and in the store."""
        there = f"versions/{disk.file_name(uid)}"
        names = self.artifacts.names(there, deep=True)
        meta_first = sorted(names, key=lambda name: not name.startswith("meta/"))
        self.artifacts.delete([f"{there}/{name}" for name in meta_first])
        self._marks.pop(uid, None)
        super().delete_project(uid)

    # Helpers

    def _soon(self, what: Callable[[], None]) -> None:
        def work() -> None:
            try:
                self._patiently(what)
            except StoreError as error:
                logger.warning("A note is not in the store: %s", error)

        with contextlib.suppress(RuntimeError):  # it is stopping
            self._later.submit(work)

    def _patiently(self, what: Callable[[], T], holds: Callable[[], None] = lambda: None) -> T:
        """Do something in the store, again and again while it is away, as long as `holds` does not raise."""
        deadline, pause = time.monotonic() + self._patience, 0.2
        while True:
            holds()
            try:
                return what()
            except StoreError as error:
                if not error.passing or time.monotonic() + pause > deadline:
                    raise
                logger.warning("%s; it is tried again", error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _files(self, manifest: Manifest) -> str:
        return f"versions/{disk.file_name(manifest.project)}/files/{disk.file_name(manifest.id)}"

    def _meta(self, uid: str, name: str) -> str:
        return f"versions/{disk.file_name(uid)}/meta/{name}"
