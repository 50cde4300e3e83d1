"""Write and read the parts of a job's record that change during the run: progress, last log lines, metrics."""

from dataclasses import dataclass
from typing import Any

import msgspec

from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.run_log import TAIL_BYTES, TAIL_LINES
from label_studio_ml.training.redis.redis_errors import broker_errors

#: Seconds that log lines and metrics stay in Redis after the last write. The log's file stays longer.
LOG_TTL = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class LogPart:
    """Consecutive lines of a log. `first` is the number of the first one, from 0; `current` is the unfinished line."""

    first: int
    lines: list[str]
    current: str = ""

    @property
    def next(self) -> int:
        """The number of the first line after the part."""
        return self.first + len(self.lines)


@dataclass(frozen=True, slots=True)
class ShownPart(LogPart):
    """Lines of a log without the hidden ones. `after` is the number of the first line after the part."""

    after: int = 0

    @property
    def next(self) -> int:
        """The number of the first line after the part, hidden lines counted."""
        return self.after


@broker_errors()
def write_progress(
    job_store: JobStore,
    job_id: str,
    fields: dict[str, str],
    *,
    points: list[dict[str, Any]] | None,
    first: int,
    lines: list[str],
) -> bool:
    """Write the changes of a running job to its record; return whether the job's cancellation was requested.

    `points` are all metrics so far, None if they have not changed; `first` is the number of the first of the new
    `lines`. If the record was removed, nothing is written and False is returned. Raises BrokerError.
    """
    job, log, series = job_store.keys.of_job(job_id)
    state, cancel, count = job_store.redis.hmget(job, "state", "cancel", "lines")
    if state is None:
        return False
    with job_store.redis.pipeline(transaction=True) as pipe:
        if fields:
            pipe.hset(job, mapping=fields)
        if lines:
            if int(count or 0) != first:  # lines in between are lost: start again
                pipe.delete(log)
            pipe.rpush(log, *lines)
            pipe.ltrim(log, -min(TAIL_LINES, _lines_that_fit(lines)), -1)
            pipe.hset(job, "lines", first + len(lines))
            pipe.expire(log, LOG_TTL)
        if points is not None:
            pipe.delete(series)
            pipe.rpush(series, *(msgspec.json.encode(point) for point in points))
            pipe.expire(series, LOG_TTL)
        pipe.execute()  # sends nothing if there are no changes
    return bool(cancel)


@broker_errors()
def append_line(job_store: JobStore, job_id: str, line: str) -> None:
    """Append a line to the log of a job whose run has ended, if the job has a record. Raises BrokerError."""
    count = job_store.redis.hget(job_store.keys.job(job_id), "lines")
    write_progress(job_store, job_id, {}, points=None, first=int(count or 0), lines=[line])


def _lines_that_fit(lines: list[str]) -> int:
    """Return how many lines of the length of the longest one fit into TAIL_BYTES; at least the number of `lines`."""
    longest = max(len(line) for line in lines) + 1
    return max(len(lines), TAIL_BYTES // longest)


@broker_errors()
def read_log(job_store: JobStore, job_id: str, after: int = 0, limit: int = TAIL_LINES) -> LogPart:
    """Return the stored lines of a job's log from number `after` on, at most `limit` of them. Raises BrokerError.

    A negative `after` counts from the end of the log.
    """
    with job_store.redis.pipeline(transaction=True) as pipe:
        pipe.hmget(job_store.keys.job(job_id), "lines", "current")
        pipe.lrange(job_store.keys.log(job_id), 0, -1)
        (count, current), stored = pipe.execute()
    total = int(count or 0)
    first = total - len(stored)
    start = max(first, min(total, after if after >= 0 else total + after))
    lines = [line.decode() for line in stored[start - first :][:limit]]
    return LogPart(start, lines, (current or b"").decode() if start + len(lines) == total else "")


@broker_errors()
def read_points(job_store: JobStore, job_id: str) -> list[dict[str, Any]]:
    """Return a job's metrics over time, oldest first. Raises BrokerError."""
    return [
        msgspec.json.decode(point) for point in job_store.redis.lrange(job_store.keys.points(job_id), 0, -1)
    ]
