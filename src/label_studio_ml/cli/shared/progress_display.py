"""Progress of long commands, all in the same form: a bar on a terminal, else a line every few seconds."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from label_studio_ml.cli.shared.units import duration
from label_studio_ml.cli.streams import cursor_restored, make_console, say
from label_studio_ml.support.texts import plural, visible

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from label_studio_ml.projects.pipeline import Progress

#: Seconds between two updates of the bar, and between two lines without a terminal.
UPDATE = 0.2
_LINE_INTERVAL = 10.0
#: Characters to the left of the bar's note, with a short bar.
_NOTE_COLUMN = 50


@dataclass(frozen=True, slots=True)
class ProgressState:
    """How far a command is: `share` is from 0 to 1, None if unknown; `amount` says the same in words, if there are any.

    `note` has further values, such as metrics or failures. `done` and `total` count the same, if they are known.
    """

    title: str
    share: float | None = None
    amount: str = ""
    note: str = ""
    done: int | None = None
    total: int | None = None


class ProgressDisplay(Protocol):
    """Shows states, and lines of a log above them."""

    def show(self, state: ProgressState) -> None:
        """Show the present state."""

    def log(self, text: str) -> None:
        """Print a line of a log. Its colours are kept on a terminal; other control characters are escaped."""


@contextlib.contextmanager
def progress_display(file: TextIO, *, at_once: bool = False, keep: bool = True) -> Iterator[ProgressDisplay]:
    """Give a display on `file`, standard output or standard error, for the `with` block.

    Without a terminal, `at_once` prints the first state at once, not after a few seconds. Without `keep`, the bar
    vanishes at the end. After `report_to`, states are reported instead.
    """
    if _reports is not None:
        yield _reports
        return
    if not file.isatty():
        yield _Lines(file, at_once=at_once)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    console = make_console(file)
    note = Column(no_wrap=True, max_width=max(console.width - _NOTE_COLUMN, 20))
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", markup=False, table_column=note),
    )
    with cursor_restored(console), Progress(*columns, console=console, transient=not keep) as bar:
        yield _Bar(bar)


class _Bar:
    def __init__(self, bar: "RichProgress") -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, amount="", note="")

    def show(self, state: ProgressState) -> None:
        self._bar.update(
            self._task,
            description=visible(state.title),
            total=None if state.share is None else 1.0,
            completed=state.share or 0.0,
            amount=visible(state.amount),
            note=visible(state.note),
        )

    def log(self, text: str) -> None:
        from rich.text import Text

        line = Text.from_ansi(text)
        self._bar.console.print(line if line.plain == visible(line.plain) else Text(visible(line.plain)))


class _Lines:
    def __init__(self, file: TextIO, *, at_once: bool) -> None:
        self._file = file
        self._printed = ""
        self._printed_at = time.monotonic() - (_LINE_INTERVAL if at_once else 0.0)

    def show(self, state: ProgressState) -> None:
        """Print the state if it has changed and has more than a title, at most every `_LINE_INTERVAL` seconds."""
        details = ", ".join(text for text in (state.amount, state.note) if text)
        text = f"{state.title}: {details}"
        if details and text != self._printed and time.monotonic() - self._printed_at >= _LINE_INTERVAL:
            self._printed, self._printed_at = text, time.monotonic()
            say(text, file=self._file, flush=True)

    def log(self, text: str) -> None:
        say(text, file=self._file, flush=True)


class _Reports:
    """Writes each state as a line of JSON for the process that has started this one; log lines go to standard error."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._written: ProgressState | None = None

    def show(self, state: ProgressState) -> None:
        if state != self._written:
            self._written = state
            with contextlib.suppress(OSError):  # the other process is gone: this one's guard ends it
                self._file.write(json.dumps(asdict(state)).encode() + b"\n")

    def log(self, text: str) -> None:
        say(text, file=sys.stderr, flush=True)


#: Where this process reports its progress instead of showing it.
_reports: _Reports | None = None


def report_to(descriptor: int) -> None:
    """Write the progress of this process to `descriptor` from now on, a JSON object of `ProgressState` a line."""
    global _reports
    _reports = _Reports(descriptor)


@contextlib.asynccontextmanager
async def shown(progress: "Progress", title: str) -> AsyncIterator[None]:
    """Show the progress of a prediction run on standard error while the `async with` block runs."""
    with progress_display(sys.stderr) as display:
        updates = asyncio.create_task(_update(progress, title, display))
        try:
            yield
        finally:
            updates.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await updates
            if sys.stderr.isatty() or _reports is not None:
                display.show(run_state(progress, title))


async def _update(progress: "Progress", title: str, display: ProgressDisplay) -> None:
    while True:
        display.show(run_state(progress, title))
        await asyncio.sleep(UPDATE)


def run_state(progress: "Progress", title: str) -> ProgressState:
    """Return the state of a prediction run: tasks done, rate, time left if known, and failures."""
    done, total = progress.written + progress.failed, progress.total
    notes = [f"{progress.rate:.1f}/s"]
    if total is not None and 0 < done < total and progress.rate > 0:
        notes.append(f"{duration((total - done) / progress.rate)} left")
    if progress.failed:
        notes.append(f"{progress.failed:,} failed")
    return ProgressState(
        title,
        share=done / total if total else None,
        amount=plural(done, "task") if total is None else f"{done:,} of {plural(total, 'task')}",
        note=", ".join(notes),
        done=done,
        total=total,
    )
