"""Send the body of a response that has no end of its own, piece by piece."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable

logger = logging.getLogger(__name__)

_LAST_CHUNK = b"0\r\n\r\n"


class ResponseStream:
    """Writes what a producer yields, in chunks if `chunked`. While writing is paused, the producer has to wait."""

    def __init__(
        self, producer: AsyncGenerator[bytes, None], write: Callable[[bytes], None], *, chunked: bool
    ) -> None:
        self._producer = producer
        self._write = write
        self._chunked = chunked
        self._writable = asyncio.Event()
        self._writable.set()
        self._task = asyncio.get_running_loop().create_task(self._send_pieces())

    def pause(self) -> None:
        """Let the producer wait, because the client does not read."""
        self._writable.clear()

    def resume(self) -> None:
        """Let the producer continue."""
        self._writable.set()

    def stop(self) -> None:
        """End the producer: `asyncio.CancelledError` is raised in it."""
        if not self._task.cancelling():  # a second one would interrupt the producer's clean-up
            self._task.cancel()

    async def finished(self) -> bool:
        """Wait for the end, by the producer or by `stop`, and return whether the response is complete.

        It is not if the producer raised an error, which is logged.
        """
        await asyncio.wait([self._task])
        if not self._task.cancelled() and (error := self._task.exception()) is not None:
            logger.error("A streamed response failed", exc_info=error)
            return False
        if self._chunked:
            self._write(_LAST_CHUNK)
        return True

    async def _send_pieces(self) -> None:
        async with contextlib.aclosing(self._producer):
            async for piece in self._producer:
                if piece:
                    self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)
                await self._writable.wait()
