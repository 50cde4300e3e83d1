"""Write model versions to a remote store that several machines share, given by an fsspec URL.

Names below the URL:

<url>/versions/<project uid>/files/<version id>/     what `fit` wrote to its workdir
<url>/versions/<project uid>/meta/<version id>.json  the manifest, written last: its appearance is the commit
<url>/versions/<project uid>/meta/<version id>.deleted.json, .failed    as on a disk
<url>/versions/<project uid>/meta/served.json        the decision: which version is served
<url>/versions/<project uid>/decided/served.json     its copy, written before it: used where that is damaged
<url>/hints/<project uid>, <url>/changed             different after each change of the project, of any project

The files are uploaded before the manifest, so a version with a manifest is complete.
"""

import contextlib
import logging
import queue
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from label_studio_ml.errors import StoreError, VersionError
from label_studio_ml.versions.remote.mirror import DELETED, FAILED, Mirror, unsent_mark
from label_studio_ml.versions.remote.store_retries import retry_store
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.decision import Decision
from label_studio_ml.versions.store.decision_files import DECISION
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.store.manifest_files import manifest_text, write_manifest

logger = logging.getLogger(__name__)

#: Age at which the files of a version that was never committed are removed from the store.
_LEFT_OVER = timedelta(hours=24)


class RemoteStore(Mirror):
    """The versions of all projects in a remote store; `Mirror` has the arguments and this machine's copy."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._notes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._noting: threading.Thread | None = None
        self._unsure: set[str] = set()

    def check(self) -> None:
        """Check that the store can be read and written. Raises SettingsError or StoreError."""
        self.artifacts.check()

    def _send(self, folder: Path, manifest: Manifest, holds: Callable[[], None]) -> None:
        for name in manifest.files:
            there = f"{self._files(manifest)}/{name}"
            retry_store(partial(self.artifacts.put_file, folder / name, there), self._patience, holds)

    def _commit(self, folder: Path, manifest: Manifest, holds: Callable[[], None]) -> Manifest:
        self._unsure.add(manifest.id)  # a write whose answer is lost may still commit it
        retry_store(lambda: self._put_manifest(manifest), self._patience, holds)
        self._unsure.discard(manifest.id)
        write_manifest(folder, manifest)
        return manifest

    def _put_manifest(self, manifest: Manifest) -> None:
        name = self._meta(manifest.project, f"{version_files.file_name(manifest.id)}.json")
        text = manifest_text(manifest, self.folder(manifest.project, manifest.id)).encode()
        try:
            self.artifacts.put(name, text, create=True)
        except FileExistsError:
            if self.artifacts.get(name) != text:  # else it is ours: the answer to an earlier try was lost
                raise VersionError(f"The store has another version {manifest.id}") from None

    def adopt(self, folder: Path, manifest: Manifest) -> None:
        """Upload the version whose files and manifest are in `folder`. Raises VersionError, also if its id is taken."""
        self._send(folder, manifest, lambda: None)
        self._put_manifest(manifest)

    def tell(self, uid: str) -> None:
        """Write new hints, so that all servers synchronise. The change is stored already, so a StoreError is logged.

        The hint on this disk comes first: servers on this machine need not wait for a store that is away.
        """
        super().tell(uid)
        try:
            for name in (f"hints/{version_files.file_name(uid)}", "changed"):
                token = secrets.token_hex(8).encode()
                retry_store(partial(self.artifacts.put, name, token), self._patience)
        except StoreError as error:
            logger.error("Servers are not told of project %s: %s. They look in some minutes", uid, error)

    def clear_unfinished(self, uid: str) -> None:
        """Remove the files of versions that were never committed: here, and in the store those older than 24 h."""
        super().clear_unfinished(uid)
        before = f"{datetime.now(UTC) - _LEFT_OVER:%Y%m%d-%H%M%S}"
        with contextlib.suppress(StoreError):
            for name in self.artifacts.names(f"versions/{version_files.file_name(uid)}/files"):
                if name < before:
                    self._discard_there(uid, unquote(name))

    def discard(self, uid: str, version_id: str) -> None:
        """Remove the files of a version that was not committed or was deleted, here and in the store."""
        super().discard(uid, version_id)
        if version_id in self._unsure:
            return  # it may still appear; if not, clear_unfinished removes its files
        with contextlib.suppress(StoreError):  # files that stay are left to clear_unfinished
            self._discard_there(uid, version_id)

    def _discard_there(self, uid: str, version_id: str) -> None:
        name = version_files.file_name(version_id)
        there = f"versions/{version_files.file_name(uid)}/files/{name}"
        left = self.artifacts.names(there, deep=True)
        if left and self.artifacts.get(self._meta(uid, f"{name}.json")) is None:
            self.artifacts.delete([f"{there}/{one}" for one in left])

    def delete(self, uid: str, version_id: str) -> None:
        """Delete a version's files, here and in the store; its manifest stays, renamed. Raises VersionError."""
        name = version_files.file_name(version_id)
        text = self.artifacts.get(self._meta(uid, f"{name}.json"))
        if text is not None:
            self.artifacts.put(self._meta(uid, f"{name}{DELETED}"), text)
            self.artifacts.delete([self._meta(uid, f"{name}.json")])
        super().delete(uid, version_id)

    def decide(self, uid: str, decision: Decision) -> None:
        """Store a decision, in the remote store before the local copy. Raises VersionError."""
        for name in (self._decision_copy(uid), self._meta(uid, DECISION)):
            self.artifacts.put(name, decision.text().encode())
        super().decide(uid, decision)

    def fail(self, uid: str, version_id: str, cause: str) -> None:
        """Record that a version failed to load; in the store by a thread, as the caller runs on an event loop.

        Until the store has the record, a mark beside the one on this disk keeps that when the project is synchronised.
        """
        mark = unsent_mark(self._failure(uid, version_id))
        with contextlib.suppress(OSError):
            mark.touch()  # first: a synchronisation removes a record without it
        super().fail(uid, version_id, cause)
        name = self._meta(uid, f"{version_files.file_name(version_id)}{FAILED}")

        def send() -> None:
            self.artifacts.put(name, cause.encode())
            with contextlib.suppress(OSError):
                mark.unlink(missing_ok=True)

        self._soon(send)
        if uid in self._watch.marks:
            self._watch.marks[uid] = "?"  # synchronise soon: the version before may have to be fetched

    def clear_failure(self, uid: str, version_id: str) -> None:
        """Remove the record that `fail` made, in the store by a thread."""
        if self._failure(uid, version_id).exists():
            super().clear_failure(uid, version_id)
            with contextlib.suppress(OSError):
                unsent_mark(self._failure(uid, version_id)).unlink(missing_ok=True)
            name = self._meta(uid, f"{version_files.file_name(version_id)}{FAILED}")
            self._soon(lambda: self.artifacts.delete([name]))

    def delete_project(self, uid: str) -> None:
        """Delete all versions of a project, here and in the store; other machines do so when they synchronise."""
        there = f"versions/{version_files.file_name(uid)}"
        names = self.artifacts.names(there, deep=True)
        meta_first = sorted(names, key=lambda name: not name.startswith("meta/"))
        copy = self._decision_copy(uid)  # twice: another machine may write it in between
        self.artifacts.delete([copy, *(f"{there}/{name}" for name in meta_first), copy])
        self.tell(uid)
        self._watch.marks.pop(uid, None)
        super().delete_project(uid)

    def _soon(self, what: Callable[[], None]) -> None:
        """Queue a call of the store for a daemon thread; calls still queued when this process ends are lost."""
        self._notes.put(what)
        if self._noting is None:
            self._noting = threading.Thread(target=self._note_forever, daemon=True, name="store-notes")
            self._noting.start()

    def _note_forever(self) -> None:
        while True:
            note = self._notes.get()
            try:
                retry_store(note, self._patience)
            except StoreError as error:
                logger.warning("A note is not in the store: %s", error)

    def _meta(self, uid: str, name: str) -> str:
        return f"versions/{version_files.file_name(uid)}/meta/{name}"
