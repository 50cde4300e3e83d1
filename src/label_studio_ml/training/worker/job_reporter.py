"""Write a run's reports and log lines to its job's record while it runs, and read cancellation requests there."""

import logging
import threading
from types import TracebackType
from typing import Any

import msgspec

from label_studio_ml.errors import BrokerError
from label_studio_ml.training.job import Report
from label_studio_ml.training.metric_history import History
from label_studio_ml.training.records.job_pages import write_progress
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.run_log import Scrubber, Tail

logger = logging.getLogger(__name__)

#: Seconds between two updates, each of which writes the changes and reads the cancellation request.
UPDATE_INTERVAL = 0.4
#: Number of points of metrics in the record; the file in the version's folder may have more.
MAX_POINTS = 1000


class JobReporter:
    """Context manager with a thread that keeps a job's record up to date; its exit writes the rest.

    `tail` has the run's log lines; `scrubber` removes secrets from messages. The event `cancelled` is set when the
    record has a cancellation request.
    """

    def __init__(self, job_store: JobStore, job_id: str, tail: Tail, scrubber: Scrubber) -> None:
        self.cancelled = threading.Event()
        self._job_store = job_store
        self._job = job_id
        self._tail = tail
        self._scrubber = scrubber
        self._lock = threading.Lock()
        self._fields: dict[str, str] = {}
        self._metrics: dict[str, Any] = {}
        self._history = History(MAX_POINTS)
        self._new_points = False
        self._lines = 0
        self._current = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._update_regularly, daemon=True, name="job reporter")

    def add_report(self, report: Report) -> None:
        """Add a report of the run to the next update of the record."""
        with self._lock:
            if report.progress is not None:
                self._fields["progress"] = f"{report.progress:.4f}"
            if report.message is not None:
                self._fields["message"] = self._scrubber.text(report.message)
            if report.point is not None:
                values = {name: value for name, value in report.point.items() if name not in ("step", "time")}
                self._metrics.update(values)
                self._fields["metrics"] = msgspec.json.encode(self._metrics).decode()
                self._history.add(report.point)
                self._new_points = True

    def __enter__(self) -> "JobReporter":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._update()

    def _update_regularly(self) -> None:
        while not self._done.wait(UPDATE_INTERVAL):
            self._update()

    def _update(self) -> None:
        with self._lock:
            fields, self._fields = self._fields, {}
            points = self._history.points() if self._new_points else None
            self._new_points = False
        first, lines = self._tail.since(self._lines)
        if self._tail.current != self._current:
            self._current = fields["current"] = self._tail.current
        try:
            cancelled = write_progress(
                self._job_store, self._job, fields, points=points, first=first, lines=lines
            )
        except BrokerError as error:
            logger.warning("Job %s: its record cannot be written: %s", self._job, error)
            with self._lock:  # retry with the next update; newer values take precedence
                self._fields = {**fields, **self._fields}
                self._new_points = self._new_points or points is not None
            return
        self._lines = first + len(lines)
        if cancelled:
            self.cancelled.set()
