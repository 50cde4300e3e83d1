"""Model versions in a store that several machines share, by fsspec URL: what is put there.

Names below the URL:

<url>/versions/<project uid>/files/<version id>/     what `fit` wrote to its workdir
<url>/versions/<project uid>/meta/<version id>.json  the manifest, put last: its appearance is the commit
<url>/versions/<project uid>/meta/<version id>.deleted.json, .failed    as on a disk
<url>/versions/<project uid>/meta/served.json        what people decided
<url>/versions/<project uid>/decided/served.json     its copy, written before it: used where that is damaged
<url>/hints/<project uid>, <url>/changed             different after every change of the project, of any project

`files/` goes up before the manifest, so a version that is seen is whole.
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
from label_studio_ml.versions import disk
from label_studio_ml.versions.decision import Decision
from label_studio_ml.versions.decision_files import DECISION
from label_studio_ml.versions.manifest import Manifest
from label_studio_ml.versions.manifest_files import manifest_text, write_manifest
from label_studio_ml.versions.mirror import DELETED, FAILED, Mirror
from label_studio_ml.versions.patience import patiently

logger = logging.getLogger(__name__)

#: Age of what a run left that never committed, before others remove it.
_LEFT_OVER = timedelta(hours=24)


class RemoteStore(Mirror):
    """The versions of all projects in the store at `url`; see `Mirror` for what this machine has of them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._notes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._noting: threading.Thread | None = None
        self._unsure: set[str] = set()

    def check(self) -> None:
        """See whether the store can be written to. Raises StoreError."""
        self.artifacts.check()

    def _send(self, folder: Path, manifest: Manifest, holds: Callable[[], None]) -> None:
        for name in manifest.files:
            there = f"{self._files(manifest)}/{name}"
            patiently(partial(self.artifacts.put_file, folder / name, there), self._patience, holds)

    def _commit(self, folder: Path, manifest: Manifest, holds: Callable[[], None]) -> Manifest:
        self._unsure.add(manifest.id)  # a put without an answer may count all the same
        patiently(lambda: self._put_manifest(manifest), self._patience, holds)
        self._unsure.discard(manifest.id)
        write_manifest(folder, manifest)
        return manifest

    def _put_manifest(self, manifest: Manifest) -> None:
        name = self._meta(manifest.project, f"{disk.file_name(manifest.id)}.json")
        text = manifest_text(manifest, self.folder(manifest.project, manifest.id)).encode()
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
                patiently(partial(self.artifacts.put, name, token), self._patience)
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
        if version_id in self._unsure:
            return  # it may still appear; its files go a day later, if it does not
        with contextlib.suppress(StoreError):  # else they go then, too
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
            self.artifacts.put(self._meta(uid, f"{name}{DELETED}"), text)
            self.artifacts.delete([self._meta(uid, f"{name}.json")])
        super().delete(uid, version_id)

    def decide(self, uid: str, decision: Decision) -> None:
        """Write down what was decided, first where all machines see it. Raises VersionError."""
        for name in (self._decision_copy(uid), self._meta(uid, DECISION)):
            self.artifacts.put(name, decision.text().encode())
        super().decide(uid, decision)

    def fail(self, uid: str, version_id: str, cause: str) -> None:
        """Note that a version does not load. The store hears of it in a thread: this is called on an event loop."""
        super().fail(uid, version_id, cause)
        name = self._meta(uid, f"{disk.file_name(version_id)}{FAILED}")
        self._soon(lambda: self.artifacts.put(name, cause.encode()))
        if uid in self._watch.marks:
            self._watch.marks[uid] = "?"  # the one before may have to be fetched

    def clear_failure(self, uid: str, version_id: str) -> None:
        """Take back what `fail` noted."""
        if self._failure(uid, version_id).exists():
            super().clear_failure(uid, version_id)
            name = self._meta(uid, f"{disk.file_name(version_id)}{FAILED}")
            self._soon(lambda: self.artifacts.delete([name]))

    def delete_project(self, uid: str) -> None:
        """Remove all versions of a project, here and in the store; other machines remove theirs when they look."""
        there = f"versions/{disk.file_name(uid)}"
        names = self.artifacts.names(there, deep=True)
        meta_first = sorted(names, key=lambda name: not name.startswith("meta/"))
        copy = self._decision_copy(uid)  # last, too: a machine that looks meanwhile may write it again
        self.artifacts.delete([copy, *(f"{there}/{name}" for name in meta_first), copy])
        self.tell(uid)
        self._watch.marks.pop(uid, None)
        super().delete_project(uid)

    def _soon(self, what: Callable[[], None]) -> None:
        """Do something in the store in a thread; the end of this process does not wait for it."""
        self._notes.put(what)
        if self._noting is None:
            self._noting = threading.Thread(target=self._note_forever, daemon=True, name="store-notes")
            self._noting.start()

    def _note_forever(self) -> None:
        while True:
            note = self._notes.get()
            try:
                patiently(note, self._patience)
            except StoreError as error:
                logger.warning("A note is not in the store: %s", error)

    def _meta(self, uid: str, name: str) -> str:
        return f"versions/{disk.file_name(uid)}/meta/{name}"
