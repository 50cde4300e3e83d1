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
EVERY = 1.0
#: Seconds after which all projects are synchronised, even if that object is the same.
EVERYTHING = 300.0
#: Seconds without an answer to a call after which the store counts as unreachable.
SILENCE = 5.0
#: Seconds between two tries to write to the store after one that failed.
WRITE_AGAIN = 30.0
#: Longest pause between two reads while the store is unreachable, in seconds.
_LONGEST_PAUSE = 5.0
#: Number of projects in a row that fail before the others are left for the next round.
_MOST_FAILURES = 3


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
        self._asked: float | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._write_again = 0.0
        #: By project: the unexpected error that ended its last synchronisation.
        self._unexpected: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why this machine cannot read the store, empty if it can."""
        asked = self._asked
        silent = 0.0 if asked is None else time.monotonic() - asked
        if silent > SILENCE:
            return (
                f"MODEL_DIR={self._artifacts.url} has not answered for {silent:.0f} s. "
                "Check its server and the way to it"
            )
        return self._problem

    def start(self) -> None:
        """Start the thread."""
        self._problem = self._problem or "it was not asked yet"
        self._thread = threading.Thread(target=self._look_forever, daemon=True, name="store-watch")
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; wait 1 s for it at most."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _look_forever(self) -> None:
        seen: bytes | None = b"?"
        looked, pause, failures = time.monotonic(), 0.0, 0
        while not self._stopping.wait(pause):
            try:
                self._asked = time.monotonic()
                token = self._artifacts.get("changed")
                self._asked = None
                everything = time.monotonic() - looked > EVERYTHING
                if token != seen or everything or "?" in list(self.marks.values()):
                    now = self._artifacts.marks("hints")
                    changed = {
                        uid: found
                        for uid, mark in list(self.marks.items())
                        if (found := now.get(version_files.file_name(uid), "")) != mark or everything
                    }
                    self._synchronise_all(changed)
                    looked = time.monotonic() if everything else looked
                    seen = token
                if self._problem:
                    logger.info("The store of versions can be reached")
                self._problem, pause, failures = "", EVERY, 0
                self._try_to_write()
            except VersionError as error:
                if self._problem != str(error):
                    logger.error("%s. What is loaded is served", error)
                self._problem = str(error)
                failures += 1
                pause = pause_after(failures, first=EVERY, longest=_LONGEST_PAUSE)
            except Exception:
                logger.exception("Looking for new versions failed")
                pause = _LONGEST_PAUSE
            finally:
                self._asked = None

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
                self._unexpected.pop(uid, None)
            except DecisionError as error:
                failure = error
            except VersionError as error:
                failure, failed = error, failed + 1
                if failed == _MOST_FAILURES:
                    break
            except Exception as error:  # noqa: BLE001
                failure = self._explained(uid, error)
        if failure is not None:
            raise failure

    def _explained(self, uid: str, error: Exception) -> VersionError:
        """Return a VersionError for an unexpected error, whose traceback is logged unless it was at the last try."""
        text = f"{type(error).__name__}: {error}"
        if self._unexpected.get(uid) != text:
            self._unexpected[uid] = text
            logger.error("Project %s cannot be synchronised", uid, exc_info=error)
        return VersionError(f"Project {uid} cannot be synchronised with the store ({text})")

    def _try_to_write(self) -> None:
        """Check whether the store can be written to: once at the start, then every 30 s while that fails."""
        if time.monotonic() < self._write_again:
            return
        try:
            self._asked = time.monotonic()
            self._artifacts.check()
        except (VersionError, SettingsError) as error:
            if self.write_problem != str(error):
                logger.error("%s. Nothing can be published or promoted", error)
            self.write_problem = str(error)
            self._write_again = time.monotonic() + WRITE_AGAIN
        else:
            if self.write_problem:
                logger.info("The store of versions can be written to")
            self.write_problem, self._write_again = "", float("inf")
