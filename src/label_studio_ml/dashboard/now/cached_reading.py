"""Read something slow at most every few seconds, however often it is asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: A reading is reused for this many times the time that it took, so that it never takes much of the server's time.
SHARE = 50.0


class CachedReading(Generic[T]):
    """The result of `read`, reused for `seconds` or for SHARE times the time that the reading took, if that is longer.

    Calls while it is being read wait for that reading. Lives on one event loop.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._until = 0.0
        self._reading: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return the result. Raises what `read` raises; an error is not reused."""
        now = time.monotonic()
        reading = self._reading
        is_old = reading is None or (
            reading.done() and (now > self._until or reading.cancelled() or reading.exception() is not None)
        )
        if reading is None or is_old:
            reading = self._reading = asyncio.ensure_future(self._timed())
        return await asyncio.shield(reading)

    async def _timed(self) -> T:
        began = time.monotonic()
        result = await self._read()
        ended = time.monotonic()
        self._until = ended + max(self._seconds, SHARE * (ended - began))
        return result
