"""The HTTP server: a listening socket, its connections, and their end."""

import asyncio
import logging
import socket
from email.utils import formatdate
from functools import partial

from label_studio_ml.http_settings import DEFAULT_MAX_IN_FLIGHT
from label_studio_ml.web.connections import Answering, BodyBudget, Connections, Site
from label_studio_ml.web.http import Connection

logger = logging.getLogger(__name__)

#: Seconds between two looks at the connections.
SWEEP = 1.0
#: Connections that are accepted besides each that the event loop accepts.
MORE = 64


class Server:
    """Serves `endpoints` until it is told to stop; then what is under way has `drain` seconds to finish.

    A body may have `max_body` bytes, all bodies in memory `max_in_flight`. At most `max_connections` are open at a time
    (0: any number), and `backlog` wait to be accepted.
    """

    def __init__(
        self,
        endpoints: Answering,
        max_body: int,
        drain: float,
        *,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT,
        max_connections: int = 0,
        backlog: int = 2048,
    ) -> None:
        self.site = Site(
            endpoints, min(max_body, max_in_flight), BodyBudget(max_in_flight), Connections(max_connections)
        )
        self._backlog = backlog
        self._drain = drain
        self._stopping = asyncio.Event()
        self._connecting: set[asyncio.Task[tuple[asyncio.Transport, Connection]]] = set()

    def stop(self) -> None:
        """Take no more connections, and end those there are as soon as they are answered."""
        self._stopping.set()

    async def serve(self, listener: socket.socket) -> None:
        """Serve on a listening socket until `stop`, and return when no connection is left."""
        loop = asyncio.get_running_loop()
        self._look()
        listener.setblocking(False)
        server = await loop.create_server(
            partial(self._accepted, listener), sock=listener, backlog=self._backlog
        )
        sweeping = asyncio.create_task(self._sweep())
        try:
            await self._stopping.wait()
            self.site.draining = True
            await asyncio.sleep(0.05)  # for those who have connected already
            server.close()
            end = loop.time() + self._drain
            while (self.site.connections or self._connecting) and (now := loop.time()) < end:
                for connection in self.site.connections:
                    connection.drain(now)
                await asyncio.sleep(0.02)
        finally:
            sweeping.cancel()
            server.close()
            for connection in self.site.connections:
                connection.abort()

    def _accepted(self, listener: socket.socket) -> Connection:
        """Return what serves a connection that was accepted, and accept those that wait behind it.

        uvloop accepts one connection between two looks at all others: a new one would wait for as many of these as
        there are connections before it, which takes seconds where those keep the server busy.
        """
        loop = asyncio.get_running_loop()
        # Descriptors are reserved for half of the backlog: see `descriptors.capacity`.
        for _ in range(min(MORE, self._backlog // 2 - len(self._connecting))):
            try:
                connected, _ = listener.accept()
            except OSError:  # none waits, or there are too many open files
                break
            connected.setblocking(False)
            task = loop.create_task(loop.connect_accepted_socket(lambda: Connection(self.site), connected))
            self._connecting.add(task)
            task.add_done_callback(self._connected)
        return Connection(self.site)

    def _connected(self, task: "asyncio.Task[tuple[asyncio.Transport, Connection]]") -> None:
        self._connecting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.debug("A connection was lost as it began: %r", task.exception())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self._look()

    def _look(self) -> None:
        self.site.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = asyncio.get_running_loop().time()
        for connection in self.site.connections:
            connection.sweep(now)
