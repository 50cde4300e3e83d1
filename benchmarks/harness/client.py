"""Load and probes from this process, for what wrk cannot do: sparse requests, rates, and looking at the answers."""

import asyncio
import time
from dataclasses import dataclass

#: Seconds until a request counts as failed.
PATIENCE = 100.0

#: Connections that an open loop opens at most.
MOST_CONNECTIONS = 2000


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was sent (time.monotonic), seconds to its answer, status (0: none), the answer's body."""

    sent: float
    took: float
    status: int
    body: bytes


def request(path: str, body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire: a POST, or a GET where there is no body."""
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to a port of this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    async def ask(self, wire: bytes) -> Sample:
        """Send a request and wait for its answer."""
        assert self.transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        sent = time.monotonic()
        self.transport.write(wire)
        try:
            status, body = await asyncio.wait_for(self._waiting, PATIENCE)
        except (OSError, TimeoutError):
            status, body = 0, b""
        return Sample(sent, time.monotonic() - sent, status, body)

    @property
    def open_still(self) -> bool:
        """Whether the server has not closed it: servers close what is idle for some seconds."""
        return self.transport is not None and not self.transport.is_closing()

    def close(self) -> None:
        """Close the connection."""
        if self.transport is not None:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) >= length and self._waiting is not None and not self._waiting.done():
            self._buffer = rest[length:]
            self._waiting.set_result((int(lines[0].split()[1]), rest[:length]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("the server closed the connection"))


async def closed_loop(port: int, wires: list[bytes], *, connections: int, seconds: float) -> list[Sample]:
    """Ask one request after the other on each connection, until the time is up."""
    end = time.monotonic() + seconds
    samples: list[Sample] = []

    async def ask(number: int) -> None:
        connection = await Connection.open(port)
        while time.monotonic() < end:
            sample = await connection.ask(wires[number % len(wires)])
            samples.append(sample)
            number += connections
            if not sample.status:
                connection = await Connection.open(port)
        connection.close()

    await asyncio.gather(*(ask(number) for number in range(connections)))
    return samples


async def open_loop(port: int, wire: bytes, *, rate: float, seconds: float) -> list[Sample]:
    """Ask `rate` requests a second whether or not earlier ones are answered, and wait for the answers."""
    idle: list[Connection] = []
    running: set[asyncio.Task[None]] = set()
    samples: list[Sample] = []

    async def ask() -> None:
        connection = idle.pop() if idle else None
        while connection is not None and not connection.open_still:
            connection = idle.pop() if idle else None
        connection = connection or await Connection.open(port)
        sample = await connection.ask(wire)
        samples.append(sample)
        if sample.status:
            idle.append(connection)

    began = time.monotonic()
    for number in range(int(rate * seconds)):
        delay = began + number / rate - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        if len(running) < MOST_CONNECTIONS:
            task = asyncio.create_task(ask())
            running.add(task)
            task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    for connection in idle:
        connection.close()
    return samples


async def probe(
    port: int, wires: dict[str, bytes], *, every: float, seconds: float
) -> dict[str, list[Sample]]:
    """Ask each of `wires` on a connection of its own, once in `every` seconds, by the clock."""

    async def ask(wire: bytes, offset: float) -> list[Sample]:
        connection = await Connection.open(port)
        began = time.monotonic() + offset
        samples = []
        for number in range(int(seconds / every)):
            await asyncio.sleep(max(0.0, began + number * every - time.monotonic()))
            samples.append(await connection.ask(wire))
        connection.close()
        return samples

    step = every / len(wires)
    answers = await asyncio.gather(*(ask(wire, place * step) for place, wire in enumerate(wires.values())))
    return dict(zip(wires, answers, strict=True))


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
