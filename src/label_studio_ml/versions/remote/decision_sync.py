"""Copy decisions about which version is served from a remote store to this machine, and keep their copies there."""

import contextlib

from label_studio_ml.errors import DecisionError, StoreError
from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.small_files import DamagedFile, parse_json
from label_studio_ml.versions.remote.object_names import decision_copy
from label_studio_ml.versions.remote.object_store import ObjectStore
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

    def synchronise(self, uid: str, object_name: str, *, in_store: bool, on_disk: bool) -> None:
        """Copy the decision from the store to the disk. A damaged decision does not replace one on the disk.

        `in_store` and `on_disk` say whether the decision was in the store and on the disk. It is deleted from the disk
        if the store has neither the decision nor its copy.
        """
        text = self._artifacts.get(object_name) if in_store else None
        decision = self._parsed(text)
        if decision is not None:
            if self._local_decision(uid) != decision or uid in self._store.decisions.problems:
                self._store.decisions.write(uid, decision)
            self._update_copy(uid, object_name, decision)
            return
        copy_name, damaged = decision_copy(uid), text is not None
        text = self._artifacts.get(copy_name)
        if text is None and not damaged:
            if on_disk and not in_store:
                self._store.decisions.forget(uid)
            return
        copy, local_decision = self._parsed(text), self._local_decision(uid)
        self._store.warn_once(f"{self._artifacts.url}/{object_name} is damaged or missing: it is not used")
        if copy is not None and (local_decision is None or copy.is_later_than(local_decision)):
            self._store.decisions.write(uid, copy)
        elif copy is None:
            self._store.warn_once(f"{self._artifacts.url}/{copy_name} is damaged or missing: it is not used")
            path = self._store.folder(uid) / DECISION
            if not path.exists():  # deliberately damaged, so that this machine does not serve the project
                atomic_files.replace_file(path, "?")

    def _local_decision(self, uid: str) -> Decision | None:
        with contextlib.suppress(DecisionError):
            return self._store.decisions.read(uid)
        return None

    @staticmethod
    def _parsed(text: bytes | None) -> Decision | None:
        with contextlib.suppress(DamagedFile):
            return parse_json(text, Decision) if text is not None else None
        return None

    def _update_copy(self, uid: str, object_name: str, decision: Decision) -> None:
        """Write `decision` to its copy in the store if that differs: earlier releases do not. StoreError is ignored."""
        copy_name = decision_copy(uid)
        if self._copied.get(uid) == decision:
            return
        with contextlib.suppress(StoreError):
            if self._parsed(self._artifacts.get(copy_name)) != decision:
                self._artifacts.put(copy_name, decision.text().encode())
                if self._artifacts.get(object_name) is None:  # the project was deleted meanwhile
                    self._artifacts.delete([copy_name])
            self._copied[uid] = decision
