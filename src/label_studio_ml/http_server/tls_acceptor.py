"""Accept TLS connections. Handshakes in progress are registered as connections, so that the connection limit holds."""

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import cast

from label_studio_ml.http_server.connection import FRESH, Connection
from label_studio_ml.http_server.connection_registry import Stage
from label_studio_ml.http_server.server_state import ServerState

logger = logging.getLogger(__name__)

#: Seconds for the handshake of a connection, and for the client's answer to the end of the TLS stream.
HANDSHAKE_TIMEOUT, SHUTDOWN_TIMEOUT = 10.0, 2.0
#: Seconds since its begin after which a handshake is ended during shutdown.
LAST_HANDSHAKE = 2.0
#: Maximum number of connections accepted at a time, and seconds of pause when the system has no file for one.
ACCEPT_BATCH, ACCEPT_RETRY = 64, 0.5


class Handshake(asyncio.Protocol):
    """A TLS handshake in progress. When it is complete, a `Connection` takes its place in the registry."""

    def __init__(self, server: ServerState, connected: socket.socket) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._socket = connected
        self._began = self._loop.time()

    @property
    def stage(self) -> Stage:
        """HEAD for FRESH seconds, as of a new connection; then IDLE."""
        return Stage.HEAD if self._loop.time() - self._began <= FRESH else Stage.IDLE

    def sweep(self, now: float) -> None:
        """Do nothing: the event loop enforces HANDSHAKE_TIMEOUT."""

    def drain(self, now: float) -> None:
        """End the handshake if it began over LAST_HANDSHAKE seconds before `now`."""
        if now - self._began > LAST_HANDSHAKE:
            self.abort()

    def abort(self) -> None:
        """End the handshake: the event loop reads the end of the stream, and closes the socket."""
        with contextlib.suppress(OSError):  # the client has left
            self._socket.shutdown(socket.SHUT_RDWR)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Replace the handshake, which is complete, by a connection."""
        self._server.connections.discard(self)
        connection = Connection(self._server)
        cast("asyncio.Transport", transport).set_protocol(connection)
        connection.connection_made(transport)

    async def complete(self, context: ssl.SSLContext) -> None:
        """Perform the handshake. Never raises for one that fails."""
        try:
            await self._loop.connect_accepted_socket(
                lambda: self,
                self._socket,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
        except OSError as error:  # also one of TLS
            logger.debug("A TLS handshake failed: %r", error)
        finally:
            self._server.connections.discard(self)


class TlsAcceptor:
    """Accepts the TLS connections of a listening socket until `close`."""

    def __init__(self, server: ServerState, context: ssl.SSLContext) -> None:
        self._server = server
        self._context = context
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    def start(self, listener: socket.socket, backlog: int) -> None:
        """Accept connections from now on; `backlog` wait to be accepted."""
        listener.listen(backlog)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(listener))

    def close(self) -> None:
        """Accept nothing more, and close the listening socket. Handshakes in progress continue."""
        if self._accepting is not None:
            self._accepting.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    self._begin((await loop.sock_accept(listener))[0])
                    for _ in range(ACCEPT_BATCH):  # without a turn of the event loop for each
                        self._begin(listener.accept()[0])
                    await asyncio.sleep(0)  # `sock_accept` gives others no turn while connections wait
                except (BlockingIOError, ConnectionError):  # all are accepted, or the client has left
                    await asyncio.sleep(0)
                except OSError as error:
                    logger.warning("No connection can be accepted for %s s: %s", ACCEPT_RETRY, error.strerror)
                    await asyncio.sleep(ACCEPT_RETRY)
        finally:
            listener.close()

    def _begin(self, connected: socket.socket) -> None:
        """Begin the handshake of an accepted connection, or close it at the connection limit."""
        connected.setblocking(False)
        handshake = Handshake(self._server, connected)
        if not self._server.connections.add(handshake):
            connected.close()
            return
        task = asyncio.get_running_loop().create_task(handshake.complete(self._context))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)
