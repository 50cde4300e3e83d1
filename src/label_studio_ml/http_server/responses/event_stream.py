"""Server-sent events, as the HTML standard defines them (section 9.2)."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from label_studio_ml.http_server.messages import Response

#: Seconds without an event after which a comment is sent: proxies close silent connections, and only a write shows
#: that a client has vanished.
HEARTBEAT = 15.0

_COMMENT = b":\n\n"
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event. Browsers send the last `id` in Last-Event-ID when they connect again, after `retry` milliseconds.

    Raises ValueError if `event` or `id` contain line ends.
    """

    data: str
    event: str = ""
    id: str = ""
    retry: int | None = None

    def __post_init__(self) -> None:
        """Check the fields that are written on one line."""
        if _LINE_END.search(self.event + self.id) or "\0" in self.id:
            raise ValueError("event and id of a server-sent event must be one line each")

    def encode(self) -> bytes:
        """Return the event as it is sent."""
        lines = [f"event: {self.event}"] if self.event else []
        if self.id:
            lines.append(f"id: {self.id}")
        if self.retry is not None:
            lines.append(f"retry: {self.retry}")
        lines += [f"data: {line}" for line in _LINE_END.split(self.data)]
        return ("\n".join(lines) + "\n\n").encode()


def event_stream(events: AsyncGenerator[ServerSentEvent, None], heartbeat: float = HEARTBEAT) -> Response:
    """Return a response that sends `events` until they end, the client leaves, or the server stops.

    The generator is closed then. It has to wait while the client does not read.
    """
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would keep events back
    return Response(200, b"", headers, "text/event-stream", _encoded(events, heartbeat))


async def _encoded(
    events: AsyncGenerator[ServerSentEvent, None], heartbeat: float
) -> AsyncGenerator[bytes, None]:
    async def next_event() -> ServerSentEvent | None:
        return await anext(events, None)

    pending = asyncio.create_task(next_event())
    try:
        yield _COMMENT  # clients know at once that they are connected
        while True:
            done, _ = await asyncio.wait([pending], timeout=heartbeat)
            if not done:
                yield _COMMENT
                continue
            event = pending.result()
            if event is None:
                return
            yield event.encode()
            pending = asyncio.create_task(next_event())
    finally:
        pending.cancel()
        await asyncio.wait([pending])
        await events.aclose()
