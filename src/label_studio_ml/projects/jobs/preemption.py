"""The time that a worker spends on prediction jobs before a training, or its own end, pre-empts them."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import redis

from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.training.records.job_board import JobBoard

logger = logging.getLogger(__name__)

#: Seconds between two checks for other work.
LOOK = 0.3
#: Number of checks in a row that must see a waiting training: another worker may take it before.
PATIENT = 2
#: Seconds that a pre-empted job goes on waiting for a Label Studio that does not answer.
GRACE = 10.0


class Preemption:
    """The turn of one job: it ends when a training waits, the worker is stopped, or `also` returns a reason.

    `why` is the reason, empty as long as the turn lasts.
    """

    def __init__(self, board: JobBoard, stopping: threading.Event) -> None:
        self._board = board
        self._stopping = stopping
        self._waited = 0
        self.why = ""
        self.also: Callable[[], str] = str

    def over(self) -> bool:
        """Return whether the turn has ended, so that no further task is to be predicted."""
        return bool(self.why)

    def look(self) -> None:
        """Check for reasons to end the turn, and set `why`."""
        if self.why:
            return
        if self._stopping.is_set():
            self.why = "the worker is to end"
            return
        with contextlib.suppress(redis.RedisError):
            waiting = self._board.redis.llen(self._board.keys.wake_ups)
            self._waited = self._waited + 1 if waiting else 0
        if self._waited >= PATIENT:
            self.why = "a training waits"
            logger.info("A training waits: no further tasks are predicted now")
        else:
            self.why = self.also()

    async def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until the turn is over."""
        for _ in range(max(1, round(seconds / LOOK))):
            await asyncio.to_thread(self.look)
            if self.over():
                return
            await asyncio.sleep(min(seconds, LOOK))

    async def watch(self, api: ProjectApi) -> None:
        """Check until the turn is over, then stop `api`: at once if the worker stops, else after `GRACE` seconds."""
        while not self.over():
            await asyncio.sleep(LOOK)
            await asyncio.to_thread(self.look)
        if not self._stopping.is_set():
            await asyncio.sleep(GRACE)
        api.stop()


@contextlib.asynccontextmanager
async def beside_it(work: Awaitable[None], after: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """Run `work` in the background while the block runs; cancel it and call `after` when the block ends."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        after()
