"""The time that a worker spends on prediction jobs before a training, or its own end, pre-empts them."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import redis

from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.training.records.job_store import JobStore

logger = logging.getLogger(__name__)

#: Seconds between two checks for other work.
INTERVAL = 0.3
#: Number of consecutive checks that must find a waiting training: another worker may take it in between.
MIN_CHECKS = 2
#: Seconds for which a pre-empted job waits for a Label Studio that does not answer.
GRACE = 10.0


class Preemption:
    """The check whether a prediction job must end: a training waits, the worker stops, or `other_reason` returns one.

    `reason` says why the job must end, empty as long as it may go on.
    """

    def __init__(self, job_store: JobStore, stopping: threading.Event) -> None:
        self._job_store = job_store
        self._stopping = stopping
        self._checks_with_training = 0
        self.reason = ""
        self.other_reason: Callable[[], str] = str

    def over(self) -> bool:
        """Return whether the job must end, so that no further task is to be predicted."""
        return bool(self.reason)

    def check(self) -> None:
        """Check for reasons to end the job, and set `reason`."""
        if self.reason:
            return
        if self._stopping.is_set():
            self.reason = "the worker is to end"
            return
        with contextlib.suppress(redis.RedisError):
            waiting = self._job_store.redis.llen(self._job_store.keys.wake_ups)
            self._checks_with_training = self._checks_with_training + 1 if waiting else 0
        if self._checks_with_training >= MIN_CHECKS:
            self.reason = "a training waits"
            logger.info("A training waits: no further tasks are predicted now")
        else:
            self.reason = self.other_reason()

    async def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until the job must end."""
        for _ in range(max(1, round(seconds / INTERVAL))):
            await asyncio.to_thread(self.check)
            if self.over():
                return
            await asyncio.sleep(min(seconds, INTERVAL))

    async def watch(self, api: ProjectApi) -> None:
        """Check until the job must end, then stop `api`: at once if the worker stops, else after `GRACE` seconds."""
        while not self.over():
            await asyncio.sleep(INTERVAL)
            await asyncio.to_thread(self.check)
        if not self._stopping.is_set():
            await asyncio.sleep(GRACE)
        api.stop()


@contextlib.asynccontextmanager
async def in_background(
    work: Awaitable[None], after: Callable[[], None] = lambda: None
) -> AsyncIterator[None]:
    """Run `work` in the background while the block runs; cancel it and call `after` when the block ends."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        after()
