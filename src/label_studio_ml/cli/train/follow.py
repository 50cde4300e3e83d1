"""Follow a training job to its end: with a progress bar on a terminal, else with lines of text."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from label_studio_ml.cli.shared.progress_display import UPDATE, ProgressState, progress_display
from label_studio_ml.cli.shared.units import metrics_text
from label_studio_ml.cli.streams import explanation, say
from label_studio_ml.cli.train.job_list import tracker_texts
from label_studio_ml.support.texts import plural

if TYPE_CHECKING:
    from label_studio_ml.cli.shared.open_job_store import OpenJobStore
    from label_studio_ml.training.records.job_record import Job
    from label_studio_ml.training.records.job_store import JobStore


#: Seconds between two checks whether a worker is running.
CHECK_INTERVAL = 5.0


class WorkerCheck:
    """Checks every 5 s, while a job is followed, whether a worker is running.

    `idle_reason` is what `OpenJobStore.idle` returned at the last check, empty if a worker was running.
    """

    def __init__(self, open_jobs: "OpenJobStore") -> None:
        self._open_jobs = open_jobs
        self.idle_reason = open_jobs.idle()
        self._next = time.monotonic() + CHECK_INTERVAL

    def has_left(self) -> bool:
        """Check if the interval has passed; return whether no worker runs now and one did at the previous check."""
        if time.monotonic() < self._next:
            return False
        previous, self.idle_reason = self.idle_reason, self._open_jobs.idle()
        self._next = time.monotonic() + CHECK_INTERVAL
        return bool(self.idle_reason) and not previous


def follow(
    job_store: "JobStore",
    job_id: str,
    *,
    log: bool = False,
    is_postponed: Callable[[], bool] = lambda: False,
    stop_following: Callable[[], bool] = lambda: False,
) -> "Job | None":
    """Show a job's progress, and its log if `log`, until it ends; return its record, None if there is none.

    Once `is_postponed` returns True, the record of a postponed job is returned although it is still queued; once
    `stop_following` does, that of any job. Raises BrokerError; KeyboardInterrupt is not caught.
    """
    from label_studio_ml.training.records.job_pages import read_log

    after = 0
    start_shown = sys.stdout.isatty()  # on a terminal, the progress bar shows it
    with progress_display(sys.stdout, at_once=True) as display:
        while True:
            was_postponed = is_postponed()
            # The record is read before the log, so that the log of an ended job is complete.
            job = job_store.jobs.get(job_id)
            if log and job is not None:
                page = read_log(job_store, job_id, after)
                after = page.next
                for line in page.lines:
                    display.log(line)
            if job is None or not job.running or (was_postponed and job.postponed):
                return job
            if job.state == "started" and not start_shown:
                start_shown = True
                say(f"Started; its log is logs/jobs/{job.id}.log", flush=True)
            if stop_following():
                return job
            display.show(_state(job))
            time.sleep(UPDATE)


def outcome(job: "Job") -> int:
    """Print the outcome of a job that has ended, and return the exit code: 0 if it finished, else 1."""
    for text in tracker_texts(job):
        say(f"Tracker {text}")
    if job.state == "cancelled":
        say(f"label-studio-ml: the training was cancelled: {job.ending}", file=sys.stderr)
        return 1
    if job.state != "finished":
        ended = "was interrupted" if job.state == "interrupted" else "failed"
        more = [explanation(job.error_code)] if job.error_code else []
        say(f"label-studio-ml: the training {ended}: {job.full_error}", *more, file=sys.stderr)
        return 1
    if not job.version and not job.events:
        say("Finished without a training of its own: an earlier job had its event already")
        return 0
    if not job.version:
        say("Finished; fit changed nothing, so there is no new version")
        return 0
    learned = (
        f", learned from {plural(job.annotations, 'labelled task')} ({job.source})"
        if job.annotations >= 0
        else ""
    )
    say(f"Finished: version {job.version}{learned}")
    if job.held_back:
        say(f"It is held back, and the version before stays served: {job.held_back}")
    elif job.comparison:
        say(f"It was {job.comparison}")
    return 0


def _state(job: "Job") -> ProgressState:
    return ProgressState(
        "cancelling" if job.cancel else "training" if job.state == "started" else "queued",
        share=job.progress if job.progress >= 0 else None,
        amount=f"{job.progress:.0%}" if job.progress >= 0 else "",
        note=", ".join(text for text in (job.message, metrics_text(job.metrics)) if text),
    )
