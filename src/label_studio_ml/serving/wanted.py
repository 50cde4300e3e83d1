"""Which version of each project is to be served: what the store says, less what did not load."""

import logging
from collections.abc import Collection

from label_studio_ml.versions.decision import Decision
from label_studio_ml.versions.manifest import Manifest
from label_studio_ml.versions.store import VersionStore

logger = logging.getLogger(__name__)


class Wanted:
    """Remembers what the store says for as long as its hint stays the same. Lives on one event loop.

    With `keep_first`, each project keeps the version that was wanted first: for a class that may hold the weights of a
    version in its modules, in a process that cannot import them again.
    """

    keep_first = False

    def __init__(self, store: VersionStore) -> None:
        self._store = store
        self._known: dict[str, tuple[str, Manifest | None]] = {}
        self._decided: dict[str, Decision | None] = {}
        self._bad: dict[str, dict[str, str]] = {}
        self._first: dict[str, Manifest | None] = {}
        self._held_back: dict[str, str] = {}

    def manifest(self, uid: str) -> Manifest | None:
        """Return the version to serve, of those that load; None if there is none."""
        if uid not in self._known:
            hint = self._store.hint(uid)  # first: what is published or decided meanwhile changes it
            decision = self._store.decision(uid)
            if self._decided.setdefault(uid, decision) != decision:
                self._bad.pop(uid, None)  # who promotes a version by hand wants it tried again
            self._decided[uid] = decision
            self._known[uid] = (hint, self._store.loadable(uid, self._bad.get(uid, {})))
        newest = self._known[uid][1]
        first = self._first.setdefault(uid, newest)
        if not self.keep_first or first == newest:
            return newest
        if newest is not None and self._held_back.get(uid) != newest.id:
            self._held_back[uid] = newest.id
            logger.warning(
                "Project %s: version %s is served after a restart only: this process cannot import the model afresh",
                uid,
                newest.name,
            )
        return first

    def lacks(self, uid: str) -> bool:
        """Tell whether the store has a version to serve, and none of them is on this machine."""
        if not self._store.remote or self.manifest(uid) is not None:
            return False
        return self._store.served(uid, bad=self._bad.get(uid, {})) is not None

    def failures(self, uid: str) -> dict[str, str]:
        """Return the versions of a project that did not load, with the cause."""
        return dict(self._bad.get(uid, {}))

    def failed(self, uid: str, manifest: Manifest, cause: str) -> None:
        """Note that a version does not load: another one is wanted."""
        self._bad.setdefault(uid, {})[manifest.id] = cause
        self._store.fail(uid, manifest.id, cause)
        self._known.pop(uid, None)
        self._first.pop(uid, None)

    def loaded(self, uid: str, manifest: Manifest) -> None:
        """Note that a version loads."""
        self._store.clear_failure(uid, manifest.id)

    def changed(self, uids: Collection[str]) -> list[str]:
        """Return those of `uids` for which something was published or decided; the others are read when asked for.

        A project whose versions are out of reach, as when a disk goes away, keeps the one that is known.
        """
        known, self._known = self._known, {}
        found: list[str] = []
        for uid in uids:
            if uid in known and (self._store.hint(uid) == known[uid][0] or self._away(uid, known[uid][0])):
                self._known[uid] = known[uid]
            elif uid in known:
                found.append(uid)
        return found

    def _away(self, uid: str, hint: str) -> bool:
        return bool(hint) and not self._store.folder(uid).is_dir()

    def renew(self, uid: str) -> None:
        """Ask the store again."""
        self._known.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Drop what is known of a project."""
        self._known.pop(uid, None)
        self._decided.pop(uid, None)
        self._bad.pop(uid, None)
        self._first.pop(uid, None)
