"""Copy decisions about which version is served from a remote store to this machine, and keep their copies there."""

import contextlib

from label_studio_ml.errors import DecisionError, StoreError
from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.small_files import DamagedFile, parse_json
from label_studio_ml.versions.remote.object_store import ObjectStore
from label_studio_ml.versions.store import version_files
from label_studio_ml.versions.store.decision import Decision
from label_studio_ml.versions.store.decision_files import DECISION
from label_studio_ml.versions.store.local_store import VersionStore


class DecisionSync:
    """Synchronises the decisions of `store` with those in `artifacts`."""

    def __init__(self, store: VersionStore, artifacts: ObjectStore) -> None:
        self._store = store
        self._artifacts = artifacts
        #: By project: the decision that its copy in the store is known to hold.
        self._copied: dict[str, Decision] = {}

    def learn(self, uid: str, there: str, *, listed: bool, here: bool) -> None:
        """Copy the decision from the store to the disk. A damaged one in the store replaces none on the disk.

        `listed` and `here` say whether the decision was in the store and on the disk. It is deleted from the disk if
        the store has neither the decision nor its copy.
        """
        text = self._artifacts.get(there) if listed else None
        decision = self._parsed(text)
        if decision is not None:
            if self._decided_here(uid) != decision or uid in self._store.decisions.problems:
                self._store.decisions.write(uid, decision)
            self._copy_there(uid, there, decision)
            return
        name, damaged = decision_copy(uid), text is not None
        text = self._artifacts.get(name)
        if text is None and not damaged:
            if here and not listed:
                self._store.decisions.forget(uid)
            return
        copy, known = self._parsed(text), self._decided_here(uid)
        self._store.warn_once(f"{self._artifacts.url}/{there} is damaged or missing: it is not taken over")
        if copy is not None and (known is None or copy.later(known)):
            self._store.decisions.write(uid, copy)
        elif copy is None:
            self._store.warn_once(f"{self._artifacts.url}/{name} is damaged or missing: it is not taken over")
            path = self._store.folder(uid) / DECISION
            if not path.exists():  # damaged on purpose: this machine is not to serve the project
                atomic_files.replace_file(path, "?")

    def _decided_here(self, uid: str) -> Decision | None:
        with contextlib.suppress(DecisionError):
            return self._store.decisions.read(uid)
        return None

    @staticmethod
    def _parsed(text: bytes | None) -> Decision | None:
        with contextlib.suppress(DamagedFile):
            return parse_json(text, Decision) if text is not None else None
        return None

    def _copy_there(self, uid: str, there: str, decision: Decision) -> None:
        """Write `decision` to its copy in the store if that differs: earlier releases do not. StoreError is ignored."""
        name = decision_copy(uid)
        if self._copied.get(uid) == decision:
            return
        with contextlib.suppress(StoreError):
            if self._parsed(self._artifacts.get(name)) != decision:
                self._artifacts.put(name, decision.text().encode())
                if self._artifacts.get(there) is None:  # the project was deleted meanwhile
                    self._artifacts.delete([name])
            self._copied[uid] = decision


def decision_copy(uid: str) -> str:
    """Return the name of the object in the store with the copy of a project's decision."""
    return f"versions/{version_files.file_name(uid)}/decided/{DECISION}"
