"""Removing the logs of jobs whose records are gone: Redis keeps the records of a project's last jobs only.

A log is told by its name, the id of its job. Backends that share a folder of logs and have a Redis each cannot tell
each other's: there the log of another one's job goes as if its record was gone.
"""

import contextlib
import logging
import time
from pathlib import Path

from label_studio_ml.private_files import JOB_LOG
from label_studio_ml.texts import plural
from label_studio_ml.training.jobs import JobBoard

logger = logging.getLogger(__name__)

#: Seconds between two looks, and those of a day.
EVERY, DAY = 3600.0, 86_400.0


class JobLogs:
    """The logs of jobs in `folder`. One whose job has no record goes `days` after its last line; 0 keeps all."""

    def __init__(self, folder: Path, days: int) -> None:
        self._folder = folder
        self._days = days
        self._looked = float("-inf")

    def clear_now_and_then(self, board: JobBoard) -> None:
        """Remove what is too old, once an hour. Raises BrokerError."""
        if self._days and time.monotonic() - self._looked >= EVERY:
            self._looked = time.monotonic()
            self.clear(board)

    def clear(self, board: JobBoard) -> None:
        """Remove what is too old. Raises BrokerError."""
        gone, before = 0, time.time() - self._days * DAY
        for path in self._folder.glob("*.log"):
            if not JOB_LOG.fullmatch(path.name):
                continue  # another program's
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before and board.job(path.stem) is None:
                    path.unlink()
                    gone += 1
        if gone:
            logger.info("Removed %s of jobs that have no record any more", plural(gone, "log"))
