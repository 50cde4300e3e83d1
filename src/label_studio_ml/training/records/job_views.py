"""JSON representations of training jobs, for `/job_status`, `/jobs` and the command line."""

import re
from typing import Any

from label_studio_ml.training.records.job_pages import LogPart, ShownPart, read_log, read_points
from label_studio_ml.training.records.job_record import Job
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import Repredictions

#: Number of log lines in a job's representation, for a single job, and for each job in a list.
LINES_OF_JOB = 20
LINES_IN_LIST = 3

#: The first line of a traceback, and a line in it that names a file.
_TRACEBACK_START = re.compile(r"\s*(\+ )?(Exception Group )?Traceback \(most recent call last\):")
_TRACEBACK_FILE = re.compile(r'[\s|]+File ".*", line \d+')


def describe(job: Job, part: LogPart | None = None) -> dict[str, Any]:
    """Return a job's record and the log lines in `part`, without empty fields.

    The state is in the field `job_status`, the name that Label Studio reads.
    """
    fields = {
        "job": job.id,
        "project": job.project,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "message": job.message,
        "metrics": job.metrics,
        "model_version": job.version,
        "error": job.error,
        "error_code": job.error_code,
        "retried_by": job.retried_by,
        "retry_of": job.retry_of,
        "ending": job.ending,
        "cancel_requested": job.cancel if job.running else "",
        "source": job.source,
        "model_class": job.model_class,
        "asked_by": job.asked_by,
        "held_back": job.held_back,
        "comparison": job.comparison,
        "trackers": job.trackers,
        "events": job.events,
        "log": [*part.lines, *([part.current] if part.current else [])] if part is not None else [],
    }
    numbers = {
        "progress": job.progress if job.progress >= 0 else None,
        "annotations": job.annotations if job.annotations >= 0 else None,
    }
    return {
        "job_status": job.state,
        **{name: value for name, value in fields.items() if value},
        **{name: value for name, value in numbers.items() if value is not None},
    }


def reprediction(job_store: JobStore, uid: str) -> dict[str, Any] | None:
    """Return the progress of a project's re-prediction, None if there was none. Raises BrokerError."""
    progress = Repredictions(job_store).get(uid)
    if progress is None:
        return None
    fields = {
        "project": uid,
        "state": progress.state,
        "model_version": progress.version,
        "began": progress.began,
        "tasks": progress.total,
        "predicted": progress.written,
        "failed": progress.failed,
        "error": progress.error,
    }
    return {name: value for name, value in fields.items() if value != ""}


def shown_log(job_store: JobStore, job_id: str, after: int) -> LogPart:
    """Return the lines of a job's log from number `after` on, without tracebacks, for clients.

    Tracebacks would show the model's code and the machine's folders; the name of the log file replaces each of them.
    A negative `after` counts shown lines from the end. `next` of the result counts hidden lines. Raises BrokerError.
    """
    part = read_log(job_store, job_id)
    shown_lines = without_tracebacks(part.lines, job_id)
    numbered = [(number, line) for number, line in enumerate(shown_lines, part.first) if line is not None]
    numbered = (
        numbered[after:] if after < 0 else [(number, line) for number, line in numbered if number >= after]
    )
    current = "" if _TRACEBACK_FILE.match(part.current) else part.current
    first = (
        numbered[0][0] if numbered else max(part.first, min(after, part.next) if after >= 0 else part.next)
    )
    return ShownPart(first, [line for _, line in numbered], current, part.next)


def without_tracebacks(lines: list[str], job_id: str, *, instead: str = "") -> list[str | None]:
    """Return the lines of a log with None for those of tracebacks.

    The first line of each is replaced by `instead`, by default the name of the job's log file; the last one, with the
    error, stays.
    """
    instead = instead or f"(traceback: see logs/jobs/{job_id}.log)"
    shown: list[str | None] = []
    in_traceback = False
    for line in lines:
        starts = _TRACEBACK_START.match(line) is not None
        in_traceback = (
            starts or _TRACEBACK_FILE.match(line) is not None or (in_traceback and line[:1].isspace())
        )
        shown.append(instead if starts else None if in_traceback else line)
    return shown


def job(job_store: JobStore, job_id: str) -> dict[str, Any] | None:
    """Return a job's record with its last log lines, None if there is no such job. Raises BrokerError."""
    job = job_store.jobs.get(job_id)
    return describe(job, shown_log(job_store, job_id, -LINES_OF_JOB)) if job is not None else None


def jobs(job_store: JobStore, uid: str, limit: int) -> list[dict[str, Any]]:
    """Return the project's job records, newest first, at most `limit` of them. Raises BrokerError."""
    return [
        describe(job, shown_log(job_store, job.id, -LINES_IN_LIST)) for job in job_store.jobs.of(uid, limit)
    ]


def log(job_store: JobStore, job_id: str, after: int) -> dict[str, Any] | None:
    """Return the lines of a job's log from number `after` on, None if there is no such job. Raises BrokerError.

    `next` is the value of `after` for the next call; `current` is the unfinished line.
    """
    job = job_store.jobs.get(job_id)
    if job is None:
        return None
    part = shown_log(job_store, job_id, after)
    body = {"job": job_id, "job_status": job.state, "first": part.first, "next": part.next}
    return {**body, "lines": part.lines, **({"current": part.current} if part.current else {})}


def metrics(job_store: JobStore, job_id: str) -> dict[str, Any] | None:
    """Return a job's metrics over time, None if there is no such job. Raises BrokerError."""
    if job_store.jobs.get(job_id) is None:
        return None
    return {"job": job_id, "points": read_points(job_store, job_id)}
