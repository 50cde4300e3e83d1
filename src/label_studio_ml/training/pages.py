"""The parts of a job's record that change while it runs: progress, the last lines of its log, its metrics over time."""

from dataclasses import dataclass
from typing import Any

import msgspec

from label_studio_ml.training.jobs import JobBoard
from label_studio_ml.training.mailbox import broker_errors
from label_studio_ml.training.runlog import TAIL_BYTES, TAIL_LINES

#: Seconds that log and metrics stay in Redis after they were last written. The log's file stays.
KEPT = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class LogPart:
    """Some lines of a log. `first` is the number of the first (from 0), `current` the line that is being written."""

    first: int
    lines: list[str]
    current: str = ""

    @property
    def next(self) -> int:
        """The number of the first line after these."""
        return self.first + len(self.lines)


@dataclass(frozen=True, slots=True)
class ShownPart(LogPart):
    """Some lines of a log of which others are left out. `after` is the number of the first line after both."""

    after: int = 0

    @property
    def next(self) -> int:
        """The number of the first line after these, and after those that are left out."""
        return self.after


def write_live(
    board: JobBoard,
    job_id: str,
    fields: dict[str, str],
    *,
    points: list[dict[str, Any]] | None,
    first: int,
    lines: list[str],
) -> bool:
    """Write what is new of a running job; tell whether somebody asked for its end.

    `points` are all its metrics so far, None if nothing is new; `first` is the number of the first of the new `lines`.
    Nothing is written for a job whose record is gone. Raises BrokerError.
    """
    job, log, series = board.keys.job(job_id), board.keys.log(job_id), board.keys.points(job_id)
    with broker_errors():
        state, cancel, count = board.redis.hmget(job, "state", "cancel", "lines")
        if state is None:
            return False
        if fields or points is not None or lines:
            with board.redis.pipeline(transaction=True) as pipe:
                if fields:
                    pipe.hset(job, mapping=fields)
                if lines:
                    if int(count or 0) != first:  # lines between are lost: numbers must stay right
                        pipe.delete(log)
                    pipe.rpush(log, *lines)
                    pipe.ltrim(log, -min(TAIL_LINES, _fitting(lines)), -1)
                    pipe.hset(job, "lines", first + len(lines))
                    pipe.expire(log, KEPT)
                if points is not None:
                    pipe.delete(series)
                    pipe.rpush(series, *(msgspec.json.encode(point) for point in points))
                    pipe.expire(series, KEPT)
                pipe.execute()
    return bool(cancel)


def _fitting(lines: list[str]) -> int:
    """Return how many lines as long as these may be kept."""
    longest = max(len(line) for line in lines) + 1
    return max(len(lines), TAIL_BYTES // longest)


def read_log(board: JobBoard, job_id: str, after: int = 0, most: int = TAIL_LINES) -> LogPart:
    """Return the lines of a job's log from number `after` on that are still kept, `most` at most. Raises BrokerError.

    A negative `after` counts from the end.
    """
    with broker_errors(), board.redis.pipeline(transaction=True) as pipe:
        pipe.hmget(board.keys.job(job_id), "lines", "current")
        pipe.lrange(board.keys.log(job_id), 0, -1)
        (count, current), kept = pipe.execute()
    total = int(count or 0)
    first = total - len(kept)
    start = max(first, min(total, after if after >= 0 else total + after))
    lines = [line.decode() for line in kept[start - first :][:most]]
    return LogPart(start, lines, (current or b"").decode() if start + len(lines) == total else "")


def read_points(board: JobBoard, job_id: str) -> list[dict[str, Any]]:
    """Return a job's metrics over time, oldest first. Raises BrokerError."""
    with broker_errors():
        return [msgspec.json.decode(point) for point in board.redis.lrange(board.keys.points(job_id), 0, -1)]
