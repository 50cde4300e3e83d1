"""A fake, and no more: the transport of a connection, in memory, and a client that sends an input over it.

It keeps to what asyncio's own transports do as far as the connection can tell: nothing is received after `close` or
while reading is paused, the loss of the connection is told from the event loop, and a full buffer of the client makes
it stop the writing.
"""

import asyncio
import random
import socket
from dataclasses import dataclass
from typing import Any

from label_studio_ml.http_server.connection import Connection
from label_studio_ml.http_server.server_state import ServerState

from .mutations import Input

#: Turns of the event loop after which a connection that is still open hangs.
MOST_TURNS = 2_000
#: Seconds by which a connection is told that it is later, at most: less than a caller has to read an answer.
LATER = 59.0


@dataclass(frozen=True, slots=True)
class Received:
    """What a client got: `data`, and whether the server cut the connection off before its last answer.

    `reads` is false for a client that stops reading at times.
    """

    data: bytes
    cut_off: bool
    reads: bool


class FakeTransport(asyncio.Transport):
    """Keeps what is written. `chance` decides when the client's buffer is full."""

    def __init__(self, chance: random.Random, some_socket: socket.socket) -> None:
        super().__init__()
        self._chance = chance
        self._socket = some_socket
        self._protocol: asyncio.Protocol | None = None
        self._loop = asyncio.get_running_loop()
        self.blocks = chance.random() < 0.1
        self.received = bytearray()
        self.closing = self.paused = self.eof = self.aborted = False

    def begin(self, protocol: asyncio.Protocol) -> None:
        """Tell the connection that it is there."""
        self._protocol = protocol
        protocol.connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the address of a client on this machine, and a socket that is connected."""
        return {"peername": ("127.0.0.1", 1), "socket": self._socket}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep bytes; tell the connection at times to wait with more."""
        if self.eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.closing:
            return
        self.received += data
        if self.blocks and self._protocol is not None:
            self._protocol.pause_writing()
            self._loop.call_soon(self._protocol.resume_writing)

    def write_eof(self) -> None:
        """End this side."""
        self.eof = True

    def can_write_eof(self) -> bool:
        """Return that it can."""
        return True

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self.closing

    def close(self) -> None:
        """Receive nothing more, and tell the connection from the event loop that it is lost."""
        if not self.closing and self._protocol is not None:
            self.closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """Close it, and note that what follows is not answered."""
        self.aborted = True
        self.close()

    def get_write_buffer_size(self) -> int:
        """Return that all was sent."""
        return 0

    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`."""
        self.paused = True

    def resume_reading(self) -> None:
        """Receive again."""
        self.paused = False


async def exchange(
    site: ServerState, one: Input, chance: random.Random, some_socket: socket.socket
) -> Received:
    """Send an input to a new connection of a site, end that side, and return all that comes back.

    `chance` decides when the event loop has a turn in between, and when the connection is told that it is later. Raises
    AssertionError where the connection does not come to its end or leaves something behind.
    """
    transport = FakeTransport(chance, some_socket)
    connection = Connection(site)
    transport.begin(connection)
    later = chance.uniform(0, LATER) if chance.random() < 0.02 else 0.0
    turns = 0
    for part in (*one.parts, b""):
        while transport.paused and not transport.closing and turns < MOST_TURNS:
            turns += 1
            await asyncio.sleep(0)
        if transport.closing or transport.paused:
            break
        if part:
            connection.data_received(part)
        elif not connection.eof_received():
            transport.close()
        if later and chance.random() < 0.5:
            connection.sweep(asyncio.get_running_loop().time() + later)
        for _ in range(chance.choice((0, 0, 1, 4))):
            await asyncio.sleep(0)
    while (len(site.connections) or connection.answering) and turns < MOST_TURNS:
        turns += 1
        await asyncio.sleep(0)
    assert transport.closing, "the connection stays open"
    assert not len(site.connections), "the connection is still known"
    assert site.budget.in_use == 0, f"{site.budget.in_use} bytes of bodies are counted after the end"
    assert not len(site.untrusted), "a body is waited for after the end"
    # After its last answer, which ends its side, the server cuts off a client that goes on sending.
    cut_off = transport.aborted and not transport.eof
    return Received(bytes(transport.received), cut_off, reads=not transport.blocks)
