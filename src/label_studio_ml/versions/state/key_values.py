"""The key/value pairs that user code stores with `self.set`: in `state.db`, in memory, or staged."""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from label_studio_ml.cache import SqliteCache
from label_studio_ml.errors import VersionError
from label_studio_ml.storage.disk_errors import is_full
from label_studio_ml.versions.state.recovery import pairs_in_manifests
from label_studio_ml.versions.store.movable_paths import VERSION, MovablePaths, former_folders
from label_studio_ml.versions.store.version_files import file_name

logger = logging.getLogger(__name__)

#: Seconds between two tries to write pairs that could not be written to a full disk.
RETRY_INTERVAL = 5.0


class State(Protocol):
    """The key/value pairs of one project; keys and values are text."""

    def get(self, key: str) -> str | None:
        """Return the value of `key`, or None."""

    def set(self, key: str, value: str) -> None:
        """Store `value` under `key`."""

    def has(self, key: str) -> bool:
        """Tell whether `key` holds a value."""


class MemoryState:
    """Pairs in memory only, for a model that is built in a Python prompt."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})

    def get(self, key: str) -> str | None:
        """Return the value of `key`, or None."""
        return self.values.get(key)

    def set(self, key: str, value: str) -> None:
        """Store `value` under `key`."""
        self.values[key] = value

    def has(self, key: str) -> bool:
        """Tell whether `key` holds a value."""
        return key in self.values


class StoredState:
    """Pairs of one project in `state.db`; written pairs are visible to all processes at once.

    Paths in the model folder are stored relative to it, so that it may be moved. Methods raise VersionError if the file
    cannot be used.
    """

    def __init__(self, folder: Path, uid: str) -> None:
        self._paths = paths = MovablePaths("model", folder)
        self._cache = SqliteCache(
            str(folder),
            db_name="state.db",
            known=lambda: {key: paths.packed(value) for key, value in pairs_in_manifests(folder).items()},
            loss="All other key/value pairs that models set are lost",
        )
        self._uid = uid
        self.folder = folder

    def of(self, uid: str) -> "StoredState":
        """Return the pairs of another project, on the same database connection."""
        other = StoredState.__new__(StoredState)
        other._cache, other._uid, other.folder, other._paths = self._cache, uid, self.folder, self._paths
        return other

    def get(self, key: str) -> str | None:
        """Return the value of `key`, or None."""
        value = self._cache.get(self._uid, key)
        return None if value is None else self._localized(value)

    def set(self, key: str, value: str) -> None:
        """Store `value` under `key`."""
        self._cache.set(self._uid, key, self._paths.packed(value))

    def has(self, key: str) -> bool:
        """Tell whether `key` holds a value."""
        return self._cache.has(self._uid, key)

    def items(self) -> dict[str, str]:
        """Return all pairs of the project."""
        return {key: self._localized(value) for key, value in self._cache.items(self._uid).items()}

    def delete(self, key: str) -> None:
        """Remove `key`, if it holds a value."""
        self._cache.delete(self._uid, key)

    def update(self, values: Mapping[str, str]) -> None:
        """Store all of `values` in one transaction."""
        if values:
            self._cache.update(self._uid, {key: self._paths.packed(value) for key, value in values.items()})

    def _localized(self, value: str) -> str:
        """Return a stored value with paths of this folder, also if an earlier release stored those of a former one."""
        base = file_name(self._uid)
        if f"versions/{base}/" in value.replace("\\/", "/") and not self._paths.marks(value):
            tail = rf"(?:stores/[^/]+/)?versions/{re.escape(base)}{VERSION}"
            former = [Path(folder) for folder in former_folders(value, tail)]
            removed = [folder for folder in former if not (folder / "state.db").exists()]
            value = MovablePaths("model", self.folder, *removed).packed(value) if removed else value
        return self._paths.unpacked(value)


class LenientState:
    """Pairs for a model that serves predictions: a full disk does not make predictions fail.

    Pairs that a full disk refuses are kept in memory, visible to this process only. They are written together with the
    next pair, or when a pair is read 5 s or more after the last try.
    """

    def __init__(self, base: StoredState) -> None:
        self._base = base
        self._pending: dict[str, str] = {}
        self._lock = threading.Lock()
        self._last_try = 0.0

    def get(self, key: str) -> str | None:
        """Return the value of `key`, or None. Raises VersionError where the file cannot be read."""
        if self._pending and time.monotonic() - self._last_try > RETRY_INTERVAL:
            with contextlib.suppress(VersionError), self._lock:
                self._write()
        pending = self._pending
        return pending[key] if key in pending else self._base.get(key)

    def has(self, key: str) -> bool:
        """Tell whether `key` holds a value."""
        return self.get(key) is not None

    def set(self, key: str, value: str) -> None:
        """Store `value` under `key`.

        Raises ValueError if `value` is not a str, VersionError after an error other than a full disk; then `key` keeps
        its former value.
        """
        if not isinstance(value, str):
            raise ValueError(f"The value of {key!r} must be a str, not {type(value).__name__}")
        with self._lock:
            earlier = self._pending
            self._pending = {**earlier, key: value}
            try:
                self._write()
            except BaseException:
                self._pending = earlier
                if not earlier:
                    self._last_try = 0.0
                raise

    def _write(self) -> None:
        """Write the pairs in memory; on a full disk they stay. The caller must hold the lock. Raises VersionError."""
        was_pending, self._last_try = bool(self._last_try), time.monotonic()
        try:
            self._base.update(self._pending)
        except VersionError as error:
            if not is_full(error, self._base.folder):
                raise
            if not was_pending:
                logger.error(
                    "%s. Until then, the key/value pairs that the model sets are kept in memory", error
                )
            return
        self._pending, self._last_try = {}, 0.0
        if was_pending:
            logger.info("The key/value pairs that the model sets can be written again")


class StagedState:
    """Pairs on top of another state, which is never written to: new values are kept in `changes`.

    A training run uses it, so that a run that fails changes nothing.
    """

    def __init__(self, base: State) -> None:
        self._base = base
        self.changes: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """Return the value of `key`, or None."""
        return self.changes[key] if key in self.changes else self._base.get(key)

    def set(self, key: str, value: str) -> None:
        """Keep `value` under `key` in `changes`."""
        self.changes[key] = value

    def has(self, key: str) -> bool:
        """Tell whether `key` holds a value."""
        return key in self.changes or self._base.has(key)

    def different(self) -> dict[str, str]:
        """Return the `changes` whose value differs from that in the state below."""
        return {key: value for key, value in self.changes.items() if self._base.get(key) != value}
