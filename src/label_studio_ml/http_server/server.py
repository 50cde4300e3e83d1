"""The HTTP server: accepts connections on a listening socket, enforces their timeouts, and drains them at shutdown."""

import asyncio
import logging
import socket
import ssl
from email.utils import formatdate
from functools import partial

from label_studio_ml.config.http_settings import DEFAULT_MAX_IN_FLIGHT
from label_studio_ml.http_server.body_budget import BodyBudget
from label_studio_ml.http_server.connection import Connection
from label_studio_ml.http_server.connection_registry import ConnectionRegistry
from label_studio_ml.http_server.root_path import RootPath
from label_studio_ml.http_server.server_state import RequestHandler, ServerState
from label_studio_ml.http_server.tls_acceptor import ACCEPT_BATCH, TlsAcceptor

logger = logging.getLogger(__name__)

#: Seconds between two checks of the connections' timeouts.
SWEEP = 1.0


class Server:
    """HTTP server for `endpoints`. After `stop`, requests in flight have `drain` seconds to finish.

    A body may have `max_body` bytes, all bodies in memory `max_in_flight`. At most `max_connections` are open at a time
    (0: no limit), and `backlog` wait to be accepted. With `tls`, connections are encrypted.
    """

    def __init__(
        self,
        endpoints: RequestHandler,
        max_body: int,
        drain: float,
        *,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT,
        max_connections: int = 0,
        backlog: int = 2048,
        tls: ssl.SSLContext | None = None,
        root_path: RootPath | None = None,
    ) -> None:
        self.state = ServerState(
            endpoints,
            min(max_body, max_in_flight),
            BodyBudget(max_in_flight),
            ConnectionRegistry(max_connections),
            root_path=root_path if root_path != RootPath() else None,
        )
        self._backlog = backlog
        self._tls = tls
        self._drain = drain
        self._stopping = asyncio.Event()
        self._connecting: set[asyncio.Task[tuple[asyncio.Transport, Connection]]] = set()

    def stop(self) -> None:
        """Stop accepting connections, and close the open ones as soon as they are idle."""
        self._stopping.set()

    async def serve(self, listener: socket.socket) -> None:
        """Serve on a listening socket until `stop`; return when all connections are closed, or `drain` has passed."""
        loop = asyncio.get_running_loop()
        self._check_connections()
        listener.setblocking(False)
        acceptor: TlsAcceptor | asyncio.AbstractServer
        if self._tls is not None:
            acceptor = TlsAcceptor(self.state, self._tls)
            acceptor.start(listener, self._backlog)
        else:
            factory = partial(self._accepted, listener)
            acceptor = await loop.create_server(factory, sock=listener, backlog=self._backlog)
        sweeping = asyncio.create_task(self._sweep())
        try:
            await self._stopping.wait()
            self.state.draining = True
            await asyncio.sleep(0.05)  # accept clients that have connected already
            acceptor.close()
            end = loop.time() + self._drain
            while (self.state.connections or self._connecting) and (now := loop.time()) < end:
                for connection in self.state.connections:
                    connection.drain(now)
                await asyncio.sleep(0.02)
        finally:
            sweeping.cancel()
            acceptor.close()
            for connection in self.state.connections:
                connection.abort()

    def _accepted(self, listener: socket.socket) -> Connection:
        """Return the protocol of an accepted connection, and accept further connections from the backlog.

        uvloop accepts one connection per iteration over all others. On a busy server, a new connection would therefore
        wait for as many iterations as there are connections before it, which takes seconds.
        """
        loop = asyncio.get_running_loop()
        # Descriptors are reserved for half of the backlog: see `descriptors.capacity`.
        for _ in range(min(ACCEPT_BATCH, self._backlog // 2 - len(self._connecting))):
            try:
                connected, _ = listener.accept()
            except OSError:  # the backlog is empty, or too many files are open
                break
            connected.setblocking(False)
            task = loop.create_task(loop.connect_accepted_socket(lambda: Connection(self.state), connected))
            self._connecting.add(task)
            task.add_done_callback(self._connected)
        return Connection(self.state)

    def _connected(self, task: "asyncio.Task[tuple[asyncio.Transport, Connection]]") -> None:
        self._connecting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.debug("A connection was lost before its first request: %r", task.exception())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self._check_connections()

    def _check_connections(self) -> None:
        self.state.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = asyncio.get_running_loop().time()
        for connection in self.state.connections:
            connection.sweep(now)
