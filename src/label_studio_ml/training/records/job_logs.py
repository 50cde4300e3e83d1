"""Remove old logs of jobs that have no record any more: Redis keeps the records of each project's last jobs only.

The name of a log is the id of its job. If backends with different Redis servers share a folder of logs, each of them
also removes old logs of the others' jobs, because it finds no records of those jobs.
"""

import contextlib
import logging
import time
from pathlib import Path

from label_studio_ml.storage.private_files import JOB_LOG
from label_studio_ml.support.texts import plural
from label_studio_ml.training.records.job_store import JobStore

logger = logging.getLogger(__name__)

#: Seconds between two passes, and seconds of a day.
CLEAR_INTERVAL, DAY = 3600.0, 86_400.0


class JobLogs:
    """Retention of the job logs in `folder`: without a record, for `days` after the last line; 0 keeps all logs."""

    def __init__(self, folder: Path, days: int) -> None:
        self._folder = folder
        self._days = days
        self._cleared_at = float("-inf")

    def clear_regularly(self, job_store: JobStore) -> None:
        """Call `clear` if the last call is an hour ago and logs are not kept for ever. Raises BrokerError."""
        if self._days and time.monotonic() - self._cleared_at >= CLEAR_INTERVAL:
            self._cleared_at = time.monotonic()
            self.clear(job_store)

    def clear(self, job_store: JobStore) -> None:
        """Remove the logs that are too old and whose jobs have no record. Raises BrokerError."""
        removed, oldest_kept = 0, time.time() - self._days * DAY
        for path in self._folder.glob("*.log"):
            if not JOB_LOG.fullmatch(path.name):
                continue  # a file of another program
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest_kept and job_store.jobs.get(path.stem) is None:
                    path.unlink()
                    removed += 1
        if removed:
            logger.info("Removed %s of jobs that have no record any more", plural(removed, "log"))
