"""Columns and rows of the list of training jobs."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from label_studio_ml.cli.shared.tables import Column, Row
from label_studio_ml.cli.shared.units import duration, metrics_text, moment
from label_studio_ml.cli.streams import explanation
from label_studio_ml.config.tracker_settings import TRACKER_TITLES
from label_studio_ml.support.texts import plural
from label_studio_ml.trackers.gaps import gap_text

if TYPE_CHECKING:
    from label_studio_ml.training.records.job_record import Job

COLUMNS = (
    Column("JOB"),
    Column("PROJECT"),
    Column("STATE", state=True),
    Column("BEGAN"),
    Column("TOOK"),
    Column("EVENTS", wide=True),
    Column("TASKS", wide=True),
    Column("VERSION", wide=True),
    Column("METRICS", wide=True),
    Column("ASKED BY", wide=True),
    Column("TRACKED", wide=True),
    Column("WHAT", wide=True),
)

_COLOURS = {
    "started": "cyan",
    "finished": "green",
    "failed": "red",
    "cancelled": "yellow",
    "interrupted": "yellow",
}


def row(job: "Job") -> Row:
    """Return the row of a job.

    WHAT is why it failed, ended or was held back, else its comparison or last message, and what trackers lack: only the
    last column wraps.
    """
    state = _state(job)
    message = _with_code(job, job.full_error or job.ending or job.held_back or job.comparison or job.message)
    tasks = str(job.annotations) if job.annotations >= 0 else ""
    metrics, tracked = metrics_text(job.metrics), "; ".join(_places(job).values())
    gaps = [f"{text.rstrip('.')}." for record in job.trackers.values() if (text := gap_text(record))]
    message = " ".join([f"{message.rstrip('.')}." if message and gaps else message, *gaps]).strip()
    return Row(
        (
            job.id,
            job.project.partition(".")[0],
            state,
            moment(job.started or job.created),
            _took(job),
            str(job.events or ""),
            tasks,
            job.version,
            metrics,
            job.asked_by,
            tracked,
            message,
        ),
        _COLOURS.get(job.state, ""),
        details=(_numbers(job), job.version and f"version {job.version}", metrics, tracked, message),
    )


def tracker_texts(job: "Job") -> list[str]:
    """Return for each tracker its name and the URL, folder or database where it has the run, and what it lacks."""
    places = _places(job)
    texts = [[places.get(name, ""), gap_text(record)] for name, record in job.trackers.items()]
    return [text for pair in texts for text in pair if text]


def _places(job: "Job") -> dict[str, str]:
    """Return for each tracker that has the run its title and the URL, folder or database where it has it."""
    places = {name: record.get("url") or record.get("place", "") for name, record in job.trackers.items()}
    return {name: f"{TRACKER_TITLES.get(name, name)}: {place}" for name, place in places.items() if place}


def _state(job: "Job") -> str:
    """Return the state in words, with the progress of a running job."""
    state = "cancelling" if job.cancel and job.running else str(job.state)
    return f"{state} {job.progress:.0%}" if job.state == "started" and job.progress >= 0 else state


def _numbers(job: "Job") -> str:
    events = plural(job.events, "event") if job.events else ""
    tasks = plural(job.annotations, "labelled task") if job.annotations >= 0 else ""
    asked_by = f"asked for by {job.asked_by}" if job.asked_by else ""
    return ", ".join(text for text in (events, tasks, asked_by) if text)


def _with_code(job: "Job", message: str) -> str:
    """Return the message of a job with what it repeats, and the call that explains its error's code."""
    texts = [f"repeats job {job.retry_of}"] if job.retry_of else []
    texts += [message] if message else []
    text = "; ".join(texts)
    return f"{text}. {explanation(job.error_code)}" if job.error_code and job.error else text


def _took(job: "Job") -> str:
    """Return the time that a job ran, or has been running; empty if it has not started."""
    if not job.started:
        return ""
    end = datetime.fromisoformat(job.ended) if job.ended else datetime.now(UTC)
    return duration((end - datetime.fromisoformat(job.started)).total_seconds())
