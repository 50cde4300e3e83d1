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
        self._cached: dict[str, tuple[str | None, Manifest | None]] = {}
        #: Last known version of each project, regardless of the hint.
        self._last_chosen: dict[str, tuple[Manifest | None]] = {}
        self._logged: dict[str, str] = {}
        self._decided: dict[str, Decision | None] = {}
        self._failures: dict[str, dict[str, str]] = {}
        self._first_versions: dict[str, Manifest | None] = {}
        self._held_back: dict[str, str] = {}

    def manifest(self, uid: str) -> Manifest | None:
        """Return the version to serve among those that load; None for the untrained model.

        Raises VersionError and OSError if the store cannot be read and no version was known before.
        """
        if uid not in self._cached:
            self._cached[uid] = self._choose(uid)
        newest = self._cached[uid][1]
        first = self._first_versions.setdefault(uid, newest)
        if not self.keep_first or first == newest:
            return newest
        if newest is not None and self._held_back.get(uid) != newest.id:
            self._held_back[uid] = newest.id
            logger.warning(
                "Project %s: version %s is served after a restart only: this process cannot import the model again",
                uid,
                newest.name,
            )
        return first

    def _choose(self, uid: str) -> tuple[str | None, Manifest | None]:
        """Return the version to serve, with the hint that was read before it.

        If the store cannot be read, the last known version stays. Raises VersionError and OSError if there is none,
        or if it failed to load.
        """
        hint = self._store.hint(uid)  # read first: a later publish or decision changes it
        last_chosen = self._last_chosen.get(uid, (None,))[0]
        try:
            decision = self._store.decision(uid)
            if self._decided.setdefault(uid, decision) != decision:
                self._failures.pop(uid, None)  # a new decision clears earlier load failures
            self._decided[uid] = decision
            manifest = self._store.loadable(uid, self._failures.get(uid, {}))
            lost_id = self._store.lost(uid)
        except (VersionError, OSError) as error:
            if uid not in self._last_chosen or self._has_failed(uid, last_chosen):
                raise
            self._log_once(uid, f"Project {uid}: the version that is served stays, because {error}")
            return None, last_chosen
        if last_chosen is not None and last_chosen.id == lost_id and not self._has_failed(uid, last_chosen):
            self._log_once(
                uid, f"Project {uid}: version {last_chosen.name} stays served, though its files are gone"
            )
            return hint, last_chosen
        self._logged.pop(uid, None)
        self._last_chosen[uid] = (manifest,)
        return hint, manifest

    def _has_failed(self, uid: str, manifest: Manifest | None) -> bool:
        return manifest is not None and manifest.id in self._failures.get(uid, {})

    def _log_once(self, uid: str, text: str) -> None:
        if self._logged.get(uid) != text:
            self._logged[uid] = text
            logger.error("%s", text)

    def lacks_files(self, uid: str) -> bool:
        """Return whether a remote store has a version to serve, but none that is usable is on this machine."""
        return self.manifest(uid) is None and self._store.lacks_files(uid, self._failures.get(uid, {}))

    def failures(self, uid: str) -> dict[str, str]:
        """Return the causes of the project's load failures by version id."""
        return dict(self._failures.get(uid, {}))

    def failed(self, uid: str, manifest: Manifest, cause: str) -> None:
        """Record that a version failed to load, so that another one is chosen."""
        self._failures.setdefault(uid, {})[manifest.id] = cause
        self._store.record_failure(uid, manifest.id, cause)
        self._cached.pop(uid, None)
        self._first_versions.pop(uid, None)

    def loaded(self, uid: str, manifest: Manifest) -> None:
        """Clear the record of an earlier load failure, because the version has loaded."""
        self._store.clear_failure(uid, manifest.id)

    def changed(self, uids: Collection[str]) -> list[str]:
        """Return those of `uids` whose hint has changed. Only the unchanged ones stay cached.

        A project whose folder cannot be reached, for example because a disk is gone, keeps its known version.
        """
        previous, self._cached = self._cached, {}
        changed: list[str] = []
        for uid in uids:
            if uid in previous and self._is_same(uid, previous[uid][0]):
                self._cached[uid] = previous[uid]
            elif uid in previous:
                changed.append(uid)
        return changed

    def _is_same(self, uid: str, previous: str | None) -> bool:
        """Return whether the hint is still `previous`, or cannot be read now."""
        hint = self._store.hint(uid)
        return hint is None or hint == previous or (bool(previous) and not self._store.folder(uid).is_dir())

    def renew(self, uid: str) -> None:
        """Clear the cached decision, so that the store is read again."""
        self._cached.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Remove everything that is known of a project."""
        self._cached.pop(uid, None)
        self._last_chosen.pop(uid, None)
        self._logged.pop(uid, None)
        self._decided.pop(uid, None)
        self._failures.pop(uid, None)
        self._first_versions.pop(uid, None)
