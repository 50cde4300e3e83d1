"""Publish the errors of a server for all servers of its backend, and read those of all of them."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from label_studio_ml.errors import BrokerError
from label_studio_ml.monitoring.error_groups import ErrorGroup, ErrorGroups
from label_studio_ml.reports.error_records import ErrorRecords
from label_studio_ml.training.records.job_store import JobStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds between two writes to Redis, if there are errors.
INTERVAL = 2.0


class ErrorReporter:
    """Publishes the errors in `groups`. `scrub` removes secrets from a text.

    `job_store` returns the job records, or raises BrokerError; it is None where there is no Redis: errors then stay in
    `groups`, as they do while Redis cannot be reached.
    """

    def __init__(
        self,
        groups: ErrorGroups,
        job_store: Callable[[], JobStore] | None,
        scrub: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._groups = groups
        self._job_store = job_store
        self._scrub = scrub
        self._task: asyncio.Task[None] | None = None
        #: The groups that were read last, and their state then.
        self._read: tuple[object, list[ErrorGroup]] = (None, [])

    def start(self) -> None:
        """Begin to publish every `INTERVAL` seconds."""
        self._task = asyncio.create_task(self._repeat())

    async def close(self) -> None:
        """Publish the last errors, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.publish()

    async def publish(self) -> None:
        """Publish the errors since the last call. While Redis cannot be reached, they are kept for the next one."""
        if self._job_store is None or not self._groups:
            return
        taken = self._groups.take()
        try:
            await self._call(lambda records: records.merge(self._scrubbed(taken)))
        except BrokerError as error:
            logger.debug("Errors are published later: %s", error)
            self._groups.merge(taken)

    async def all(self) -> tuple[list[ErrorGroup], str]:
        """Return all groups, that of the latest error first, and why those of other servers are missing, if so."""
        await self.publish()
        if self._job_store is None:
            return self._scrubbed(self._groups.all()), ""
        try:
            self._read = await self._call(self._read_if_changed)
        except BrokerError as error:
            return self._scrubbed(self._groups.all()), str(error)
        return self._read[1], ""

    async def remove(self, ids: Iterable[str]) -> None:
        """Remove groups, for all servers. Raises BrokerError."""
        members = list(ids)
        self._groups.remove(members)
        if self._job_store is not None:
            await self._call(lambda records: records.remove(members))

    async def forget(self, project: str) -> None:
        """Remove the groups of a project, for all servers. Best effort: errors of Redis are ignored."""
        self._groups.forget(project)
        if self._job_store is not None:
            try:
                await self._call(lambda records: records.forget(project))
            except BrokerError as error:
                logger.warning("Project %s: its errors are still shown: %s", project, error)

    def _read_if_changed(self, records: ErrorRecords) -> tuple[object, list[ErrorGroup]]:
        state = records.state()
        return self._read if state == self._read[0] else (state, records.all())

    def _scrubbed(self, groups: Iterable[ErrorGroup]) -> list[ErrorGroup]:
        return [
            msgspec.structs.replace(group, message=self._scrub(group.message), fix=self._scrub(group.fix))
            for group in groups
        ]

    async def _call(self, function: Callable[[ErrorRecords], T]) -> T:
        """Call a function in a thread with the records in Redis. Raises BrokerError."""
        open_job_store = self._job_store
        if open_job_store is None:
            raise BrokerError("There is no Redis")

        def call() -> T:
            job_store = open_job_store()
            return function(ErrorRecords(job_store.redis, job_store.keys))

        return await asyncio.to_thread(call)

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.publish()
            except Exception:  # the next errors are to be published
                logger.exception("The errors of this server could not be published")
