"""Write versions, decisions and load failures to a remote store that several machines share.

The files are uploaded before the manifest, so a version with a manifest is complete.
"""

import contextlib
import logging
import queue
import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from label_studio_ml.errors import StoreError, VersionError
from label_studio_ml.versions.remote.object_names import (
    DELETED_SUFFIX,
    decision_copy,
    decision_object,
    files_folder,
    meta_object,
    project_folder,
)
from label_studio_ml.versions.remote.object_store import ObjectStore
from label_studio_ml.versions.remote.store_retries import retry_store
from label_studio_ml.versions.remote.store_watch import StoreWatch
from label_studio_ml.versions.remote.unsent_failures import claim, release, unsent_mark
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.decision import Decision
from label_studio_ml.versions.store.failure_records import FAILED
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.store.manifest_files import manifest_text

logger = logging.getLogger(__name__)

#: Age at which the files of a version that was never committed are removed from the store.
_UNFINISHED_AGE = timedelta(hours=24)


class Uploads:
    """Writes the versions of `store` to the remote store `artifacts`, whose changes `watch` notices.

    Publishing is retried for `publish_timeout` seconds while the store is unreachable.
    """

    def __init__(
        self, store: VersionStore, artifacts: ObjectStore, watch: StoreWatch, *, publish_timeout: float
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._watch = watch
        self._publish_timeout = publish_timeout
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._sender: threading.Thread | None = None
        #: Ids of versions whose commit got no response.
        self._unconfirmed: set[str] = set()

    def check(self) -> None:
        """Check that the store can be read and written. Raises SettingsError or StoreError."""
        self._artifacts.check()

    def upload(self, folder: Path, manifest: Manifest, check_lease: Callable[[], None]) -> None:
        """Write the files of a version in `folder`, as long as `check_lease` does not raise."""
        for name in manifest.files:
            object_name = f"{files_folder(manifest.project, manifest.id)}/{name}"
            retry_store(
                partial(self._artifacts.put_file, folder / name, object_name),
                self._publish_timeout,
                check_lease,
            )

    def commit(self, manifest: Manifest, check_lease: Callable[[], None]) -> None:
        """Write the manifest, which commits the version, as long as `check_lease` does not raise."""
        self._unconfirmed.add(manifest.id)  # a write whose response is lost may still commit it
        retry_store(lambda: self.put_manifest(manifest), self._publish_timeout, check_lease)
        self._unconfirmed.discard(manifest.id)

    def put_manifest(self, manifest: Manifest) -> None:
        """Write the manifest. Raises VersionError if the store has another version of the same id."""
        name = meta_object(manifest.project, manifest.id)
        text = manifest_text(manifest, self._store.folder(manifest.project, manifest.id)).encode()
        try:
            self._artifacts.put(name, text, create=True)
        except FileExistsError:
            # If it is equal, an earlier try wrote it, and the response was lost.
            if self._artifacts.get(name) != text:
                raise VersionError(f"The store has another version {manifest.id}") from None

    def adopt(self, folder: Path, manifest: Manifest) -> None:
        """Upload the version in `folder`: its files and manifest. Raises VersionError, also if the id is in use."""
        self.upload(folder, manifest, lambda: None)
        self.put_manifest(manifest)

    def announce(self, uid: str) -> None:
        """Write new hints, so that all servers synchronise. The change is stored already, so a StoreError is logged."""
        try:
            for name in (f"hints/{version_files.file_name(uid)}", "changed"):
                token = secrets.token_hex(8).encode()
                retry_store(partial(self._artifacts.put, name, token), self._publish_timeout)
        except StoreError as error:
            logger.error(
                "Servers are not notified of the change of project %s: %s. They notice it within 5 minutes",
                uid,
                error,
            )

    def clear_unfinished(self, uid: str) -> None:
        """Remove the files of versions that were never committed and are older than 24 h."""
        before = f"{datetime.now(UTC) - _UNFINISHED_AGE:%Y%m%d-%H%M%S}"
        with contextlib.suppress(StoreError):
            for name in self._artifacts.names(f"{project_folder(uid)}/files"):
                if name < before:
                    self._discard_files(uid, unquote(name))

    def discard(self, uid: str, version_id: str) -> None:
        """Remove the files of a version that was not committed or was deleted. StoreError is ignored."""
        if version_id in self._unconfirmed:
            return  # it may still appear; if not, clear_unfinished removes its files
        with contextlib.suppress(StoreError):  # files that stay are left to clear_unfinished
            self._discard_files(uid, version_id)

    def _discard_files(self, uid: str, version_id: str) -> None:
        folder = files_folder(uid, version_id)
        remaining = self._artifacts.names(folder, deep=True)
        if remaining and self._artifacts.get(meta_object(uid, version_id)) is None:
            self._artifacts.delete([f"{folder}/{file}" for file in remaining])

    def mark_deleted(self, uid: str, version_id: str) -> None:
        """Rename a version's manifest to that of a deleted version. Raises StoreError."""
        name = meta_object(uid, version_id)
        text = self._artifacts.get(name)
        if text is not None:
            self._artifacts.put(meta_object(uid, version_id, DELETED_SUFFIX), text)
            self._artifacts.delete([name])

    def put_decision(self, uid: str, decision: Decision) -> None:
        """Write a decision, its copy first. Raises StoreError."""
        for name in (decision_copy(uid), decision_object(uid)):
            self._artifacts.put(name, decision.text().encode())

    @contextlib.contextmanager
    def reporting_failure(self, uid: str, version_id: str, cause: str) -> Iterator[None]:
        """Write that a version failed to load; by a thread, as the caller runs on an event loop.

        Until the store has the record, a mark beside the record on this disk keeps it from being removed when the
        project is synchronised.
        """
        record = self._store.failure_record(uid, version_id)
        lock = claim(record)  # first: a synchronisation removes a record without mark
        yield
        name = meta_object(uid, version_id, FAILED)

        def send() -> None:
            sent = False
            try:
                retry_store(partial(self._artifacts.put, name, cause.encode()), self._publish_timeout)
                sent = True
            finally:
                release(record, lock, sent=sent)
                if not sent:
                    self._synchronise_soon(uid)  # which sends it again

        self._queue(send)
        self._synchronise_soon(uid)  # the version before may have to be fetched

    def _synchronise_soon(self, uid: str) -> None:
        if uid in self._watch.marks:
            self._watch.marks[uid] = "?"

    def clear_failure(self, uid: str, version_id: str) -> None:
        """Remove the record of a version that failed to load; by a thread."""
        with contextlib.suppress(OSError):
            unsent_mark(self._store.failure_record(uid, version_id)).unlink(missing_ok=True)
        name = meta_object(uid, version_id, FAILED)
        self._queue(lambda: retry_store(partial(self._artifacts.delete, [name]), self._publish_timeout))

    def delete_project(self, uid: str) -> None:
        """Delete all versions of a project and their decision; other machines do so when they synchronise."""
        folder = project_folder(uid)
        names = self._artifacts.names(folder, deep=True)
        meta_first = sorted(names, key=lambda name: not name.startswith("meta/"))
        copy = decision_copy(uid)  # twice: another machine may write it in between
        self._artifacts.delete([copy, *(f"{folder}/{name}" for name in meta_first), copy])
        self._store.announce(uid)
        self._watch.marks.pop(uid, None)

    def _queue(self, call: Callable[[], None]) -> None:
        """Queue a call of the store for a daemon thread; calls still queued when this process ends are lost."""
        self._calls.put(call)
        if self._sender is None:
            self._sender = threading.Thread(
                target=self._send_forever, daemon=True, name="store-failure-records"
            )
            self._sender.start()

    def _send_forever(self) -> None:
        while True:
            call = self._calls.get()
            try:
                call()
            except StoreError as error:
                logger.warning("A load failure or its removal is not recorded in the store: %s", error)
