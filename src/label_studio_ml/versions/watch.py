"""Noticing within a second or so what others put into a store."""

import logging
import threading
import time
from typing import Protocol

from label_studio_ml.errors import VersionError
from label_studio_ml.versions import disk
from label_studio_ml.versions.artifacts import ArtifactStore

logger = logging.getLogger(__name__)


class Watched(Protocol):
    """What is brought up to date: the projects in the store `artifacts`; `problem` is what is wrong with that."""

    artifacts: ArtifactStore
    problem: str

    def bring(self, uid: str, mark: str | None = None) -> None:
        """Bring one project up to date, whose hint has this mark. Raises VersionError."""


#: Seconds between two looks at the object that changes with everything: one small read.
EVERY = 1.0
#: Seconds after which everything is looked at, whatever that object says.
EVERYTHING = 300.0
#: Longest pause while the store is away, in seconds.
_LONGEST_PAUSE = 5.0


#: Projects in a row that may fail before the others wait, too.
_MOST_FAILURES = 3


def _bring(store: Watched, changed: dict[str, str]) -> None:
    """Bring projects up to date, also those after one that cannot be. Raises what kept the last one from it."""
    failure: VersionError | None = None
    failed = 0
    for uid, mark in changed.items():
        try:
            store.bring(uid, mark)
            failed = 0
        except VersionError as error:
            failure, failed = error, failed + 1
            if failed == _MOST_FAILURES:
                break
    if failure is not None:
        raise failure


def watch(store: Watched, marks: dict[str, str], stopping: threading.Event) -> None:
    """Bring the projects of `marks` up to date when the store says that they changed, until `stopping` is set."""
    seen: bytes | None = b"?"
    looked, pause = time.monotonic(), 0.0
    while not stopping.wait(pause):
        try:
            token = store.artifacts.get("changed")
            everything = time.monotonic() - looked > EVERYTHING
            late = "?" in list(marks.values())
            if token != seen or everything or late:
                now = store.artifacts.marks("hints")
                changed = {
                    uid: found
                    for uid, mark in list(marks.items())
                    if (found := now.get(disk.file_name(uid), "")) != mark or everything
                }
                _bring(store, changed)
                looked = time.monotonic() if everything else looked
                seen = token
            if store.problem:
                logger.info("The store of versions can be reached")
            store.problem, pause = "", EVERY
        except VersionError as error:
            if store.problem != str(error):
                logger.error("%s. What is loaded is served", error)
            store.problem = str(error)
            pause = min(_LONGEST_PAUSE, max(EVERY, 2 * pause))
        except Exception:
            logger.exception("Looking for new versions failed")
            pause = _LONGEST_PAUSE
