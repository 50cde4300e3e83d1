"""One machine's copy of the versions in a remote store, and the synchronisation of that copy.

The layout on the disk is that of `store`: a folder with its manifest for each version in the remote store, and the
files of the fetched versions. A file gets its name once its sha256 is that of the manifest, and a version is served
once all its files are there. Everything in the copy was in the store before, so a version that the store no longer
lists was deleted and is removed from the copy, too.
"""

import contextlib
import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from label_studio_ml.errors import StoreError, VersionError
from label_studio_ml.storage import atomic_files, file_locks
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.storage.small_files import DamagedFile, parse_json, read_text
from label_studio_ml.versions.remote.decision_sync import DecisionSync
from label_studio_ml.versions.remote.eviction import evict, record_use
from label_studio_ml.versions.remote.object_names import (
    DELETED_SUFFIX,
    MANIFEST_SUFFIX,
    files_folder,
    meta_folder,
)
from label_studio_ml.versions.remote.object_store import ObjectStore
from label_studio_ml.versions.remote.store_retries import retry_store
from label_studio_ml.versions.remote.store_watch import StoreWatch
from label_studio_ml.versions.remote.unsent_failures import send_again, unsent_mark
from label_studio_ml.versions.state.user_state import apply_all
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.decision_files import DECISION
from label_studio_ml.versions.store.failure_records import FAILED
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import MANIFEST, TOMBSTONE, Manifest
from label_studio_ml.versions.store.manifest_files import write_manifest
from label_studio_ml.versions.store.movable_paths import localized

logger = logging.getLogger(__name__)


class Mirror:
    """The source of the versions that are in the remote store `artifacts`: copied to the folders of `store`.

    `cache_folder` is the folder of that copy, `model_dir` that of `state.db`. Fetched files are evicted down to
    `max_bytes`, except as `evict` says. A call that publishing needs is retried for `publish_timeout` seconds while the
    store is unreachable.
    """

    is_remote = True

    def __init__(
        self,
        store: VersionStore,
        artifacts: ObjectStore,
        cache_folder: Path,
        model_dir: Path,
        *,
        max_bytes: int,
        publish_timeout: float,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._cache_folder = cache_folder
        self._model_dir = model_dir
        self._max_bytes = max_bytes
        self._publish_timeout = publish_timeout
        self._damaged: dict[tuple[str, str], str] = {}
        self._decisions = DecisionSync(store, artifacts)
        self._sync_lock = threading.RLock()
        self.watch = StoreWatch(artifacts, self.synchronise)

    # Synchronisation

    @property
    def problem(self) -> str:
        """Why this machine cannot read the store, empty if it can."""
        return self.watch.problem

    @property
    def write_problem(self) -> str:
        """Why this machine cannot write to the store, empty if it can."""
        return self.watch.write_problem

    def start(self) -> None:
        """Start the thread that watches the store for changes. Raises SettingsError where the URL cannot be used."""
        self._artifacts.open()
        self.watch.start()

    def stop(self) -> None:
        """Stop the thread that `start` began."""
        self.watch.stop()

    def projects(self) -> list[str]:
        """Return the uids of the projects in the store, sorted. Raises StoreError."""
        return sorted(unquote(name) for name in self._artifacts.names("versions"))

    def needs_sync(self, uid: str) -> bool:
        """Tell whether `synchronise` must be called before the project is served: this process has not done so yet."""
        return uid not in self.watch.marks

    def servable_offline(self, uid: str) -> bool:
        """Tell whether the project can be served from this machine's copy; if so, start watching its changes."""
        is_synced = (self._store.folder(uid) / ".synced").exists()
        is_usable = self.loadable(uid, ()) is not None or (is_synced and not self._store.versions(uid))
        if is_usable:
            self.watch.marks.setdefault(uid, "?")
        return is_usable

    def synchronise(self, uid: str, mark: str | None = None) -> None:
        """Synchronise a project with the store, and fetch the version to serve. Raises StoreError.

        `mark` is the mark of the project's hint object if the caller has just listed it; None lists it here.
        """
        with self._sync_lock:
            if mark is None:
                mark = self._artifacts.marks("hints").get(version_files.file_name(uid), "")
            self.sync(uid)
            served = self._fetch_served(uid)
            if served is not None:
                self._apply(served)
            self.watch.marks[uid] = mark
            hint = f"{mark} {served.id if served else ''}"
            if self._store.hint(uid) != hint:
                with self._store.folders.writes("A hint for servers"):
                    atomic_files.replace_file(self._store.folder(uid) / "changed", hint)

    def refresh(self, uid: str, check_lease: Callable[[], None] | None) -> None:
        """Synchronise a project's manifests; with `check_lease`, retry as long as that does not raise.

        Retries end after `publish_timeout` seconds.
        """
        if check_lease is None:
            self.sync(uid)
        else:
            retry_store(partial(self.sync, uid), self._publish_timeout, check_lease)

    def sync(self, uid: str) -> None:
        """Copy a project's manifests, decision and failure records to the disk; remove what the store does not list."""
        base, meta = self._store.folder(uid), meta_folder(uid)
        local_names = self._local_names(uid)  # first, so that a version committed meanwhile is kept
        sent = [path for path in base.glob(f"*{FAILED}") if not unsent_mark(path).exists()]
        names = set(self._artifacts.names(meta))
        with self._store.folders.writes(f"This machine's copy of project {uid}"):
            make_folder(base)
            for name in sorted(names):
                if name.endswith(DELETED_SUFFIX):
                    self._copy_manifest(uid, name.removesuffix(DELETED_SUFFIX), f"{meta}/{name}", TOMBSTONE)
                elif name == DECISION:
                    continue
                elif name.endswith(FAILED):
                    self._copy_failure(base / name, f"{meta}/{name}")
                elif f"{name.removesuffix(MANIFEST_SUFFIX)}{DELETED_SUFFIX}" not in names:
                    self._copy_manifest(uid, name.removesuffix(MANIFEST_SUFFIX), f"{meta}/{name}", MANIFEST)
            self._remove_failures(base, names, sent)
            self._decisions.synchronise(
                uid, f"{meta}/{DECISION}", in_store=DECISION in names, on_disk=DECISION in local_names
            )
            for name in local_names:
                in_store = names.intersection((name, f"{name}{MANIFEST_SUFFIX}", f"{name}{DELETED_SUFFIX}"))
                if name != DECISION and not in_store:
                    self._remove_version(uid, name)
            (base / ".synced").touch()
        for path in base.glob(f"*{FAILED}"):
            if unsent_mark(path).exists():
                send_again(self._artifacts, path, f"{meta}/{path.name}")

    @staticmethod
    def _remove_failures(base: Path, names: set[str], sent: list[Path]) -> None:
        """Remove the load-failure records that are not in `names`, the store's listing; keep those that it never had.

        `sent` are the records here that the store had before the listing. Records of unknown versions are removed, too.
        """
        for path in base.glob(f"*{FAILED}"):
            committed = f"{path.name.removesuffix(FAILED)}{MANIFEST_SUFFIX}" in names
            if path.name not in names and (path in sent or not committed):
                path.unlink(missing_ok=True)
                unsent_mark(path).unlink(missing_ok=True)

    def _local_names(self, uid: str) -> list[str]:
        """Return the names of a project's version folders on this disk, deleted ones included, and of its decision."""
        kinds = (MANIFEST, TOMBSTONE)
        names = [
            path.name
            for path in self._store.folders.versions(uid)
            if any((path / kind).exists() for kind in kinds)
        ]
        return [*names, *([DECISION] if (self._store.folder(uid) / DECISION).exists() else [])]

    def _remove_version(self, uid: str, name: str) -> None:
        """Remove the folder of a version that the store no longer lists."""
        path = self._store.folder(uid) / name
        logger.info(
            "Project %s: version %s is no longer in the store and is removed from this machine", uid, name
        )
        for kind in (MANIFEST, TOMBSTONE):  # first, so that a folder without its files is no version
            (path / kind).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)

    def _copy_failure(self, path: Path, object_name: str) -> None:
        """Copy the record of a load failure from the object `object_name` to `path`, unless there is one."""
        if not path.exists():
            cause = self._artifacts.get(object_name) or b""
            atomic_files.replace_file(path, cause.decode("utf-8", "replace"))
        unsent_mark(path).unlink(missing_ok=True)

    def _copy_manifest(self, uid: str, name: str, object_name: str, kind: str) -> None:
        """Copy one version's manifest from the object `object_name` to the folder `name`, unless the folder has it.

        `kind` is MANIFEST, or TOMBSTONE for a deleted version, whose files are removed. A damaged object is logged.
        """
        folder = self._store.folder(uid) / name
        if (folder / kind).exists():
            return
        if kind == TOMBSTONE and (folder / MANIFEST).exists():
            (folder / MANIFEST).rename(folder / TOMBSTONE)
            version_files.clear_folder(folder, keep=TOMBSTONE)
            return
        text = self._artifacts.get(object_name)
        if text is None:
            return
        try:
            manifest = parse_json(text, Manifest)
            if version_files.file_name(manifest.id) != name or manifest.project != uid:
                raise DamagedFile("it belongs to another version")
        except DamagedFile as error:
            self._store.warn_once(
                f"{self._artifacts.url}/{object_name} is not used, so this version is not served: {error}"
            )
            return
        manifest = localized(manifest, folder)
        if folder.is_dir():  # created on this machine, where the response to the commit was lost
            write_manifest(folder, manifest, kind)
            return
        with self._store.folders.staged(uid, f"{unquote(name)}-{secrets.token_hex(4)}") as staged:
            staged.mkdir(mode=0o700)
            write_manifest(staged, manifest, kind, home=folder)
            with contextlib.suppress(FileExistsError):
                staged.rename(folder)

    # Files of versions

    def loadable(self, uid: str, failed_ids: Collection[str]) -> Manifest | None:
        """Return the version to serve, of those that are complete on this machine and not in `failed_ids`."""
        for version in reversed(self._store.line(uid)):
            if version.id not in failed_ids and self.is_complete(version):
                return version
        self._store.decision(uid)  # raises if it cannot be read: `line` was the version of `pin` alone
        return None

    def lacks_files(self, uid: str, failed_ids: Collection[str]) -> bool:
        """Tell whether there is a version to serve, while no usable one has its files on this machine."""
        return (
            self.loadable(uid, failed_ids) is None
            and self._store.served(uid, failed_ids=failed_ids) is not None
        )

    def damage(self, manifest: Manifest) -> str:
        """Return the damage that fetching a version has found, empty if it has found none."""
        return self._damaged.get((manifest.project, manifest.id), "")

    def release(self, manifest: Manifest) -> None:
        """Remove a version's files from this machine; they can be fetched again."""
        version_files.clear_folder(self._store.folder(manifest.project, manifest.id), keep=MANIFEST)

    def fetch(self, manifest: Manifest) -> None:
        """Download the files of a version that are not on this machine, and compare each with its sha256.

        Raises StoreError, or VersionError if a file in the store was changed after it was written or the disk refuses.
        """
        folder = self._store.folder(manifest.project, manifest.id)
        record_use(folder)
        if self.is_complete(manifest):
            return
        with self._store.folders.writes(f"Version {manifest.name}"):
            lock = self._cache_folder / "fetching" / ".lock"
            make_folder(lock.parent)
            with file_locks.locked(lock):
                if self.is_complete(manifest):  # another process has fetched it meanwhile
                    return
                logger.info("Project %s: fetching version %s", manifest.project, manifest.name)
                for leftover in lock.parent.iterdir():  # by a killed process: this one holds the lock
                    if leftover != lock:
                        shutil.rmtree(leftover, ignore_errors=True)
                evict(self._store, self._cache_folder, manifest, self._max_bytes)
                temporary = lock.parent / secrets.token_hex(8)
                temporary.mkdir(mode=0o700)
                try:
                    for name, digest in manifest.files.items():
                        self._fetch_file(manifest, name, digest, temporary, folder)
                finally:
                    shutil.rmtree(temporary, ignore_errors=True)

    def _fetch_file(self, manifest: Manifest, name: str, digest: str, temporary: Path, folder: Path) -> None:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise VersionError(f"{name!r} is not a path in a version's folder")
        target, download = folder / name, temporary / "file"
        if target.exists() and version_files.sha256(target) == digest:
            return
        self._artifacts.get_file(f"{files_folder(manifest.project, manifest.id)}/{name}", download)
        if version_files.sha256(download) != digest:
            raise VersionError(f"{name} was changed after it was written (its sha256 differs)")
        make_folder(target.parent)
        download.replace(target)

    def is_complete(self, manifest: Manifest) -> bool:
        """Tell whether all files of a version are on this machine."""
        return not self._store.local_damage(manifest)

    def _fetch_served(self, uid: str) -> Manifest | None:
        """Fetch the version to serve and return it, None for the untrained model.

        A version that is damaged in the store is refused, and the version before it is taken. If all that are left
        failed to load, return the newest of them.
        """
        for key in [key for key in self._damaged if key[0] == uid]:
            del self._damaged[key]
        failed, newest = self._store.failures(uid), None
        for manifest in reversed(self._store.line(uid)):
            try:
                self.fetch(manifest)
            except StoreError:
                raise
            except VersionError as error:
                self._damaged[uid, manifest.id] = error.message
                logger.error(
                    "Project %s: version %s is refused: %s. The version before it is served",
                    *(uid, manifest.name, error.message),
                )
                continue
            newest = newest or manifest
            if manifest.id not in failed:
                return manifest
        return newest

    def _apply(self, served: Manifest) -> None:
        """Store the key/value pairs of a version that is newly served here; its model reads them as it loads."""
        path = self._store.folder(served.project) / ".applied"
        with self._store.folders.writes("The pairs of a version"):
            applied = None
            with contextlib.suppress(DamagedFile):
                applied = read_text(path)
            if applied != served.id:
                apply_all(self._store, self._model_dir, served)
                atomic_files.replace_file(path, served.id)
