"""Which version of each project is to be served: what the store says, less what did not load."""

import logging
from collections.abc import Collection

from label_studio_ml.errors import VersionError
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
        self._known: dict[str, tuple[str | None, Manifest | None]] = {}
        #: What was known last of each project, whatever the hint says.
        self._last: dict[str, tuple[Manifest | None]] = {}
        self._said: dict[str, str] = {}
        self._decided: dict[str, Decision | None] = {}
        self._bad: dict[str, dict[str, str]] = {}
        self._first: dict[str, Manifest | None] = {}
        self._held_back: dict[str, str] = {}

    def manifest(self, uid: str) -> Manifest | None:
        """Return the version to serve, of those that load; None if there is none.

        Raises VersionError and OSError where that cannot be read and was not known before.
        """
        if uid not in self._known:
            self._known[uid] = self._look(uid)
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

    def _look(self, uid: str) -> tuple[str | None, Manifest | None]:
        """Ask the store which version to serve; return it with the hint that this goes by.

        What cannot be read leaves the one that was known before. Raises VersionError and OSError where none was.
        """
        hint = self._store.hint(uid)  # first: what is published or decided meanwhile changes it
        kept = self._last.get(uid, (None,))
        try:
            decision = self._store.decision(uid)
            if self._decided.setdefault(uid, decision) != decision:
                self._bad.pop(uid, None)  # who promotes a version by hand wants it tried again
            self._decided[uid] = decision
            found = self._store.loadable(uid, self._bad.get(uid, {}))
            gone = self._store.lost(uid)
        except (VersionError, OSError) as error:
            if uid not in self._last or self._is_bad(uid, kept[0]):
                raise
            self._say(uid, f"Project {uid}: the version that is served stays, because {error}")
            return None, kept[0]
        if kept[0] is not None and kept[0].id == gone and not self._is_bad(uid, kept[0]):
            self._say(uid, f"Project {uid}: version {kept[0].name} stays served, though its files are gone")
            return hint, kept[0]
        self._said.pop(uid, None)
        self._last[uid] = (found,)
        return hint, found

    def _is_bad(self, uid: str, manifest: Manifest | None) -> bool:
        return manifest is not None and manifest.id in self._bad.get(uid, {})

    def _say(self, uid: str, text: str) -> None:
        if self._said.get(uid) != text:
            self._said[uid] = text
            logger.error("%s", text)

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
            if uid in known and self._is_same(uid, known[uid][0]):
                self._known[uid] = known[uid]
            elif uid in known:
                found.append(uid)
        return found

    def _is_same(self, uid: str, before: str | None) -> bool:
        """Tell whether nothing was published or decided since the hint was `before`, as far as that can be read."""
        hint = self._store.hint(uid)
        return hint is None or hint == before or (bool(before) and not self._store.folder(uid).is_dir())

    def renew(self, uid: str) -> None:
        """Ask the store again."""
        self._known.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Drop what is known of a project."""
        self._known.pop(uid, None)
        self._last.pop(uid, None)
        self._said.pop(uid, None)
        self._decided.pop(uid, None)
        self._bad.pop(uid, None)
        self._first.pop(uid, None)
