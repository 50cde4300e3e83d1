"""The time that a worker has for predictions, until somebody else wants it."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import redis

from label_studio_ml.projects.api import ProjectApi
from label_studio_ml.training.jobs import JobBoard

logger = logging.getLogger(__name__)

#: Seconds between two looks at what else there is to do.
LOOK = 0.3
#: Looks after which a training that waits is taken for one that no other worker takes.
PATIENT = 2
#: Seconds that Label Studio may be away after somebody wants the worker.
GRACE = 10.0


class Turn:
    """Lasts until a training waits or the worker is to end; then `why` says so. `also` may say another cause."""

    def __init__(self, board: JobBoard, stopping: threading.Event) -> None:
        self._board = board
        self._stopping = stopping
        self._waited = 0
        self.why = ""
        self.also: Callable[[], str] = str

    def over(self) -> bool:
        """Tell whether no further task is to be predicted now."""
        return bool(self.why)

    def look(self) -> None:
        """See who else wants the worker."""
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
        """Wait so long, or until the turn is over."""
        for _ in range(max(1, round(seconds / LOOK))):
            await asyncio.to_thread(self.look)
            if self.over():
                return
            await asyncio.sleep(min(seconds, LOOK))

    async def watch(self, api: ProjectApi) -> None:
        """Look until the turn is over; end waiting for a Label Studio that is away a while after that."""
        while not self.over():
            await asyncio.sleep(LOOK)
            await asyncio.to_thread(self.look)
        if not self._stopping.is_set():
            await asyncio.sleep(GRACE)
        api.stop()


@contextlib.asynccontextmanager
async def beside_it(work: Awaitable[None], after: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """Do something else while the block runs, and end it with the block."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        after()
