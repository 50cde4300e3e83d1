"""Format a list of training jobs: one long line per job for files and pipes, wrapped lines for a terminal."""

import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from label_studio_ml.cli.train.follow import metrics_text
from label_studio_ml.support.texts import plural, visible

if TYPE_CHECKING:
    from label_studio_ml.training.records.job_record import Job

_COLUMNS = ("JOB", "PROJECT", "STATE", "BEGAN", "TOOK")
_MORE = ("EVENTS", "TASKS", "VERSION", "METRICS", "ASKED BY", "WHAT")
_INDENT = "  "


def lines(jobs: "Iterable[Job]", width: int | None) -> list[str]:
    """Return the lines of a list of jobs, after a line of headings.

    For a terminal of `width` characters, each job has a line with id, project, state and times, and indented lines
    with numbers, version, metrics and message, wrapped at blanks only. With `width` None, each job has one line of any
    length. Ids and numbers are never cut.
    """
    found = list(jobs)
    if width is None:
        return _aligned([(*_COLUMNS, *_MORE), *((*_first(job), *_rest(job)) for job in found)])
    head, *rows = _aligned([_COLUMNS, *map(_first, found)])
    shown = [head]
    for job, row in zip(found, rows, strict=True):
        shown.append(row)
        for text in (_numbers(job), job.version and f"version {job.version}", metrics_text(job), what(job)):
            shown.extend(_wrapped(text, width))
    return shown


def what(job: "Job") -> str:
    """Return a job's message: why it failed, ended or was held back, else its comparison or its last message."""
    return job.error or job.ending or job.held_back or job.comparison or job.message


def _first(job: "Job") -> tuple[str, ...]:
    state = "cancelling" if job.cancel and job.running else str(job.state)
    if job.state == "started" and job.progress >= 0:
        state += f" {job.progress:.0%}"
    return (job.id, job.project.partition(".")[0], state, _clock(job.started or job.created), _took(job))


def _rest(job: "Job") -> tuple[str, ...]:
    annotations = str(job.annotations) if job.annotations >= 0 else ""
    said = " ".join(what(job).split())
    return (str(job.events or ""), annotations, job.version, metrics_text(job), job.asked_by, said)


def _numbers(job: "Job") -> str:
    events = plural(job.events, "event") if job.events else ""
    tasks = plural(job.annotations, "labelled task") if job.annotations >= 0 else ""
    asked_by = f"asked for by {job.asked_by}" if job.asked_by else ""
    return ", ".join(text for text in (events, tasks, asked_by) if text)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        visible(" ".join(text.split())),
        max(width, 40),
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return the rows as lines with aligned columns; trailing blanks are removed."""
    rows = [tuple(map(visible, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _clock(text: str) -> str:
    """Return an ISO time as local time of this machine; empty text stays empty."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}" if text else ""


def _took(job: "Job") -> str:
    """Return the time that a job ran, or has been running, as H:MM:SS; empty if it has not started."""
    if not job.started:
        return ""
    end = datetime.fromisoformat(job.ended) if job.ended else datetime.now(UTC)
    seconds = max(0, int((end - datetime.fromisoformat(job.started)).total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
