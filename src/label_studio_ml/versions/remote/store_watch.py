"""Watch a remote store: notice changes by other machines within about a second, and problems with the store."""

import logging
import threading
import time
from collections.abc import Callable

from label_studio_ml.errors import DecisionError, SettingsError, VersionError
from label_studio_ml.storage.retries import pause_after
from label_studio_ml.versions.remote.object_store import ObjectStore
from label_studio_ml.versions.store import version_files

logger = logging.getLogger(__name__)

#: Seconds between two reads of the small object `changed`, which every change in the store rewrites.
CHECK_INTERVAL = 1.0
#: Seconds after which all projects are synchronised, even if that object has not changed.
FULL_SYNC_INTERVAL = 300.0
#: Seconds without an answer to a call after which the store counts as unreachable.
RESPONSE_TIMEOUT = 5.0
#: Seconds between two tries to write to the store after one that failed.
WRITE_CHECK_INTERVAL = 30.0
#: Longest pause between two reads while the store is unreachable, in seconds.
_LONGEST_PAUSE = 5.0
#: Number of failed projects in a row after which the others wait for the next round.
_MAX_FAILURES = 3


class StoreWatch:
    """A thread that synchronises the projects in `marks` when the store says that they changed.

    `marks` has the mark of each project's hint object at its last synchronisation, `?` to synchronise it soon.
    `synchronise` is called with a project and its present mark, and updates `marks`. `write_problem` says why the store
    cannot be written to, empty if it can.
    """

    def __init__(self, artifacts: ObjectStore, synchronise: Callable[[str, str], None]) -> None:
        self.marks: dict[str, str] = {}
        self.write_problem = ""
        self._artifacts = artifacts
        self._synchronise = synchronise
        self._problem = ""
        self._call_began: float | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._next_write_check = 0.0
        #: By project: the unexpected error that ended its last synchronisation.
        self._logged_errors: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why this machine cannot read the store, empty if it can."""
        call_began = self._call_began
        waited = 0.0 if call_began is None else time.monotonic() - call_began
        if waited > RESPONSE_TIMEOUT:
            return (
                f"MODEL_DIR={self._artifacts.url} has not answered for {waited:.0f} s. "
                "Check its server and the network"
            )
        return self._problem

    def start(self) -> None:
        """Start the thread."""
        self._problem = self._problem or "The store of versions has not been read yet"
        self._thread = threading.Thread(target=self._run, daemon=True, name="store-watch")
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; wait 1 s for it at most."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        last_token: bytes | None = b"?"
        last_full_sync, pause, failures = time.monotonic(), 0.0, 0
        while not self._stopping.wait(pause):
            try:
                self._call_began = time.monotonic()
                token = self._artifacts.get("changed")
                self._call_began = None
                is_full_sync = time.monotonic() - last_full_sync > FULL_SYNC_INTERVAL
                if token != last_token or is_full_sync or "?" in list(self.marks.values()):
                    current_marks = self._artifacts.marks("hints")
                    changed = {
                        uid: current
                        for uid, mark in list(self.marks.items())
                        if (current := current_marks.get(version_files.file_name(uid), "")) != mark
                        or is_full_sync
                    }
                    self._synchronise_all(changed)
                    last_full_sync = time.monotonic() if is_full_sync else last_full_sync
                    last_token = token
                if self._problem:
                    logger.info("The store of versions can be reached")
                self._problem, pause, failures = "", CHECK_INTERVAL, 0
                self._check_write_access()
            except VersionError as error:
                if self._problem != str(error):
                    logger.error("%s. The versions on this machine are served", error)
                self._problem = str(error)
                failures += 1
                pause = pause_after(failures, first=CHECK_INTERVAL, longest=_LONGEST_PAUSE)
            except Exception:
                logger.exception("The check of the object store for new versions failed")
                pause = _LONGEST_PAUSE
            finally:
                self._call_began = None

    def _synchronise_all(self, changed: dict[str, str]) -> None:
        """Synchronise projects; stop after three failures in a row. Raises the last error after the others are done.

        A decision that cannot be read and an unexpected error concern one project only and do not count as failures in
        a row. The traceback of an unexpected error is logged once; a VersionError is raised in its place.
        """
        failure: VersionError | None = None
        failed = 0
        for uid, mark in changed.items():
            try:
                self._synchronise(uid, mark)
                failed = 0
                self._logged_errors.pop(uid, None)
            except DecisionError as error:
                failure = error
            except VersionError as error:
                failure, failed = error, failed + 1
                if failed == _MAX_FAILURES:
                    break
            except Exception as error:  # noqa: BLE001
                failure = self._unexpected_error(uid, error)
        if failure is not None:
            raise failure

    def _unexpected_error(self, uid: str, error: Exception) -> VersionError:
        """Return a VersionError for an unexpected error, whose traceback is logged unless it was at the last try."""
        text = f"{type(error).__name__}: {error}"
        if self._logged_errors.get(uid) != text:
            self._logged_errors[uid] = text
            logger.error("Project %s cannot be synchronised", uid, exc_info=error)
        return VersionError(f"Project {uid} cannot be synchronised with the store ({text})")

    def _check_write_access(self) -> None:
        """Check whether the store can be written to: once at the start, then every 30 s while that fails."""
        if time.monotonic() < self._next_write_check:
            return
        try:
            self._call_began = time.monotonic()
            self._artifacts.check()
        except (VersionError, SettingsError) as error:
            if self.write_problem != str(error):
                logger.error("%s. Nothing can be published or promoted", error)
            self.write_problem = str(error)
            self._next_write_check = time.monotonic() + WRITE_CHECK_INTERVAL
        else:
            if self.write_problem:
                logger.info("The store of versions can be written to")
            self.write_problem, self._next_write_check = "", float("inf")
