"""Choose the version to serve for each project: the store's decision, without versions that failed to load."""

import logging
from collections.abc import Collection

from label_studio_ml.errors import VersionError
from label_studio_ml.versions.store.decision import Decision
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)


class VersionSelection:
    """Caches the store's decision for each project until its hint changes. Lives on one event loop.

    With `keep_first`, each project keeps its first version until a restart: the class may hold weights in module
    globals, and the process cannot import its modules again.
    """

    keep_first = False

    def __init__(self, store: VersionStore) -> None:
        self._store = store
        self._known: dict[str, tuple[str | None, Manifest | None]] = {}
        #: Last known version of each project, regardless of the hint.
        self._last: dict[str, tuple[Manifest | None]] = {}
        self._said: dict[str, str] = {}
        self._decided: dict[str, Decision | None] = {}
        self._bad: dict[str, dict[str, str]] = {}
        self._first: dict[str, Manifest | None] = {}
        self._held_back: dict[str, str] = {}

    def manifest(self, uid: str) -> Manifest | None:
        """Return the version to serve among those that load; None for the untrained model.

        Raises VersionError and OSError if the store cannot be read and no version was known before.
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
        """Return the version to serve, with the hint that was read before it.

        If the store cannot be read, the last known version stays. Raises VersionError and OSError if there is none,
        or if it failed to load.
        """
        hint = self._store.hint(uid)  # read first: a later publish or decision changes it
        kept = self._last.get(uid, (None,))
        try:
            decision = self._store.decision(uid)
            if self._decided.setdefault(uid, decision) != decision:
                self._bad.pop(uid, None)  # a new decision clears earlier load failures
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
        """Return whether a remote store has a version to serve, but none that is usable is on this machine."""
        if not self._store.remote or self.manifest(uid) is not None:
            return False
        return self._store.served(uid, bad=self._bad.get(uid, {})) is not None

    def failures(self, uid: str) -> dict[str, str]:
        """Return the causes of the project's load failures by version id."""
        return dict(self._bad.get(uid, {}))

    def failed(self, uid: str, manifest: Manifest, cause: str) -> None:
        """Record that a version failed to load, so that another one is chosen."""
        self._bad.setdefault(uid, {})[manifest.id] = cause
        self._store.fail(uid, manifest.id, cause)
        self._known.pop(uid, None)
        self._first.pop(uid, None)

    def loaded(self, uid: str, manifest: Manifest) -> None:
        """Clear the record of an earlier load failure, because the version has loaded."""
        self._store.clear_failure(uid, manifest.id)

    def changed(self, uids: Collection[str]) -> list[str]:
        """Return those of `uids` whose hint has changed. Only the unchanged ones stay cached.

        A project whose folder cannot be reached, for example because a disk is gone, keeps its known version.
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
        """Return whether the hint is still `before`, or cannot be read now."""
        hint = self._store.hint(uid)
        return hint is None or hint == before or (bool(before) and not self._store.folder(uid).is_dir())

    def renew(self, uid: str) -> None:
        """Clear the cached decision, so that the store is asked again."""
        self._known.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Remove everything that is known of a project."""
        self._known.pop(uid, None)
        self._last.pop(uid, None)
        self._said.pop(uid, None)
        self._decided.pop(uid, None)
        self._bad.pop(uid, None)
        self._first.pop(uid, None)
