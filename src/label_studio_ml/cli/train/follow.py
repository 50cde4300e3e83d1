"""Follow a training job to its end: with a progress bar on a terminal, else with lines of text."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from label_studio_ml.cli.streams import say
from label_studio_ml.support.texts import plural, visible

if TYPE_CHECKING:
    from label_studio_ml.training.records.job_board import JobBoard
    from label_studio_ml.training.records.job_record import Job

#: Seconds between two reads of the job's record, and between two lines of progress without a terminal.
_LOOK = 0.2
_LINE = 5.0


class _View(Protocol):
    def show(self, job: "Job") -> None:
        """Show the progress of a queued or running job."""

    def line(self, text: str) -> None:
        """Show a line of the job's log."""


def follow(
    board: "JobBoard", job_id: str, *, log: bool = False, held_back: Callable[[], bool] = lambda: False
) -> "Job | None":
    """Show a job's progress, and its log if `log`, until it ends; return its record, None if there is none.

    Once `held_back` returns True, the record of a postponed job is returned although it is still queued. Raises
    BrokerError; KeyboardInterrupt is not caught.
    """
    from label_studio_ml.training.records.job_pages import read_log

    after = 0
    with _view() as view:
        while True:
            is_held_back = held_back()
            job = board.jobs.get(job_id)  # read before the log, so that the log of an ended job is complete
            if log and job is not None:
                part = read_log(board, job_id, after)
                after = part.next
                for line in part.lines:
                    view.line(line)
            if job is None or not job.running or (is_held_back and job.postponed):
                return job
            view.show(job)
            time.sleep(_LOOK)


def outcome(job: "Job") -> int:
    """Print the outcome of a job that has ended, and return the exit code: 0 if it finished, else 1."""
    if job.state == "cancelled":
        say(f"label-studio-ml: the training was cancelled: {job.ending}", file=sys.stderr)
        return 1
    if job.state != "finished":
        say(f"label-studio-ml: the training failed: {job.error}", file=sys.stderr)
        return 1
    if not job.version:
        say("Finished; the model's fit changed nothing, so there is no new version")
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


def summary(job: "Job") -> str:
    """Return the job's message and latest metrics in one line."""
    return ", ".join(word for word in (job.message, metrics_text(job)) if word)


def metrics_text(job: "Job") -> str:
    """Return the job's latest metrics in one line, such as `loss 0.123 accuracy 0.9`."""
    return " ".join(f"{name} {_figure(value)}" for name, value in job.metrics.items())


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "nan" if value is None else str(value)


@contextlib.contextmanager
def _view() -> Iterator[_View]:
    if not sys.stdout.isatty():
        yield _Lines()
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}", markup=False),
    )
    with Progress(*columns) as progress:
        yield _Bar(progress)


class _Bar:
    """A progress bar below the log."""

    def __init__(self, progress: "object") -> None:
        from rich.progress import Progress

        assert isinstance(progress, Progress)
        self._progress = progress
        self._task = progress.add_task("queued", total=None, what="")

    def show(self, job: "Job") -> None:
        """Update the bar with the job's state, progress and summary."""
        state = "cancelling" if job.cancel else "training" if job.state == "started" else "queued"
        known = job.progress >= 0
        self._progress.update(
            self._task,
            description=state,
            total=1.0 if known else None,
            completed=max(job.progress, 0.0),
            what=visible(summary(job)),
        )

    def line(self, text: str) -> None:
        """Print a line above the bar with its ANSI colours; if it has other control characters, as escapes."""
        from rich.text import Text

        line = Text.from_ansi(text)
        self._progress.console.print(line if line.plain == visible(line.plain) else Text(visible(line.plain)))


class _Lines:
    """Plain lines of text, for output that is not a terminal."""

    def __init__(self) -> None:
        self._said = ""
        self._when = -_LINE
        self._started = False

    def show(self, job: "Job") -> None:
        """Print a line if the progress has changed, at most every `_LINE` seconds."""
        if job.state == "started" and not self._started:
            self._started = True
            say(f"Started; its log is logs/jobs/{job.id}.log", flush=True)
        percent = f"{job.progress:.0%}" if job.progress >= 0 else ""
        text = " ".join(word for word in (percent, summary(job)) if word)
        if text != self._said and time.monotonic() - self._when >= _LINE:
            self._said, self._when = text, time.monotonic()
            say(text, flush=True)

    def line(self, text: str) -> None:
        """Print a line of the job's log."""
        say(text, flush=True)
