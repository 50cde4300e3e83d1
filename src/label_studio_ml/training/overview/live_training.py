"""One training as the dashboard follows it: its record, its metrics over time, and the last lines of its log."""

import threading
from collections import OrderedDict
from typing import Any

import msgspec

from label_studio_ml.training.metric_history import History
from label_studio_ml.training.overview.training_list import MAX_WHOLE_TEXT, row_of, waits_of
from label_studio_ml.training.records.job_record import read_job
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_views import without_tracebacks
from label_studio_ml.training.redis.redis_errors import broker_errors

#: Number of the last log lines that are sent with each change, and the most characters of them.
LIVE_LINES, LIVE_CHARACTERS = 100, 32_000
#: Number of lines before these that are read to find out whether a traceback began there.
CONTEXT_LINES = 50
#: Number of points to which a training's metrics are thinned out.
LIVE_POINTS = 1000
#: Number of trainings whose points are kept in memory.
_KEPT = 32


class LiveTrainings:
    """Reads trainings for the dashboard. The metrics of a training are read again only if there are new ones."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._points: OrderedDict[str, tuple[object, list[dict[str, Any]]]] = OrderedDict()

    @broker_errors()
    def read(self, job_store: JobStore, job_id: str) -> dict[str, Any] | None:
        """Return a training as JSON values, None if there is no such job. Raises BrokerError.

        `log.lines` are the last lines without tracebacks: None stands for a hidden line. `log.first` is the number of
        the first of them, `log.next` that of the line that comes next, `log.current` the unfinished line.
        """
        keys = job_store.keys
        with job_store.redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.job(job_id))
            pipe.lrange(keys.log(job_id), -(LIVE_LINES + CONTEXT_LINES), -1)
            pipe.llen(keys.points(job_id))
            pipe.lindex(keys.points(job_id), -1)
            fields, lines, point_count, last_point = pipe.execute()
        if not fields.get(b"project"):
            return None
        job = read_job(job_id, fields)
        wait = waits_of(job_store, [job], self._folder).get(job_id) if job.state == "queued" else None
        total = int(fields.get(b"lines", 0))
        return {
            **row_of(job, self._folder, wait, most=MAX_WHOLE_TEXT),
            "points": self._read_points(job_store, job_id, (point_count, last_point)),
            "log": last_lines(
                [line.decode(errors="replace") for line in lines],
                total,
                fields.get(b"current", b"").decode(errors="replace"),
                job_id,
            ),
        }

    def _read_points(
        self, job_store: JobStore, job_id: str, marker: tuple[int, object]
    ) -> list[dict[str, Any]]:
        """Return the thinned points of a job; `marker` changes whenever they do."""
        if not marker[0]:
            return []
        with self._lock:
            known = self._points.get(job_id)
        if known is not None and known[0] == marker:
            return known[1]
        history = History(LIVE_POINTS)
        for point in job_store.redis.lrange(job_store.keys.points(job_id), 0, -1):
            history.add(msgspec.json.decode(point))
        points = history.points()
        with self._lock:
            self._points[job_id] = (marker, points)
            self._points.move_to_end(job_id)
            while len(self._points) > _KEPT:
                self._points.popitem(last=False)
        return points


def last_lines(lines: list[str], total: int, current: str, job_id: str) -> dict[str, Any]:
    """Return the last of `lines` for the dashboard, `total` being the number of all lines of the log so far."""
    shown = without_tracebacks([*lines, current] if current else lines, job_id)
    current_shown = shown.pop() if current else ""
    shown = shown[-LIVE_LINES:]
    size, start = 0, len(shown)
    while start and size + len(shown[start - 1] or "") <= LIVE_CHARACTERS:
        start -= 1
        size += len(shown[start] or "")
    shown = shown[start:]
    return {"first": total - len(shown), "next": total, "lines": shown, "current": current_shown or ""}
