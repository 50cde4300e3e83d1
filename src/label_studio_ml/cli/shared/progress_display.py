"""Progress display of a prediction run: a bar on a terminal, else a line every few seconds."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from label_studio_ml.cli.streams import say
from label_studio_ml.support.texts import plural, visible

if TYPE_CHECKING:
    from label_studio_ml.projects.pipeline import Progress

#: Seconds between two updates of the bar, and between two lines without a terminal.
_LOOK = 0.2
_LINE = 10.0


@contextlib.asynccontextmanager
async def shown(progress: "Progress", what: str) -> AsyncIterator[None]:
    """Show `progress` on standard error, under the title `what`, while the `async with` block runs."""
    showing = asyncio.create_task(_bar(progress, what) if sys.stderr.isatty() else _lines(progress, what))
    try:
        yield
    finally:
        showing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await showing


async def _bar(progress: "Progress", what: str) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f}/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(visible(what), total=None, rate=0.0, failed="")
        try:
            while True:
                _update(bar, task, progress)
                await asyncio.sleep(_LOOK)
        finally:
            _update(bar, task, progress)


def _update(bar: "object", task: int, progress: "Progress") -> None:
    bar.update(  # type: ignore[attr-defined]
        task,
        total=progress.total,
        completed=progress.written + progress.failed,
        rate=progress.rate,
        failed=f"{progress.failed} failed" if progress.failed else "",
    )


async def _lines(progress: "Progress", what: str) -> None:
    while True:
        await asyncio.sleep(_LINE)
        say(f"{what}: {line(progress)}", file=sys.stderr, flush=True)


def line(progress: "Progress") -> str:
    """Return one line with the tasks done, the rate, the time left if known, and the failures."""
    done = progress.written + progress.failed
    text = (
        f"{done:,} of {plural(progress.total, 'task')}"
        if progress.total is not None
        else plural(done, "task")
    )
    left = ""
    if progress.total is not None and done and progress.rate > 0:
        left = (
            f", {time.strftime('%H:%M:%S', time.gmtime(max(progress.total - done, 0) / progress.rate))} left"
        )
    failed = f", {progress.failed:,} failed" if progress.failed else ""
    return f"{text}, {progress.rate:.1f}/s{left}{failed}"
