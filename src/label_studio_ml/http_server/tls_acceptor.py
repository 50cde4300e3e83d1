"""Accept TLS connections, and tell clients that speak plain HTTP.

Handshakes in progress are registered as connections, so that the connection limit holds.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import cast

from label_studio_ml.http_server.connection import NEW_TIME, Connection
from label_studio_ml.http_server.connection_registry import Stage
from label_studio_ml.http_server.server_state import ServerState

logger = logging.getLogger(__name__)

#: Seconds for the handshake of a connection, and for the client's answer to the end of the TLS stream.
HANDSHAKE_TIMEOUT, SHUTDOWN_TIMEOUT = 10.0, 2.0
#: Seconds since its begin after which a handshake is ended during shutdown.
LAST_HANDSHAKE = 2.0
#: Maximum number of connections accepted at a time, and seconds of pause when the system has no file for one.
ACCEPT_BATCH, ACCEPT_RETRY = 64, 0.5

_EXPLANATION = b"This port speaks HTTPS: use https:// in place of http://\n"
#: Response to a request without TLS. Label Studio shows no more of it than the reason phrase.
_PLAIN_RESPONSE = (
    b"HTTP/1.1 400 This port speaks HTTPS\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_EXPLANATION), _EXPLANATION)
)


class Handshake(asyncio.Protocol):
    """A TLS handshake in progress. When it is complete, a `Connection` takes its place in the registry."""

    def __init__(self, server: ServerState, connected: socket.socket) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._socket = connected
        self._began = self._loop.time()

    @property
    def stage(self) -> Stage:
        """HEAD for NEW_TIME seconds, as of a new connection; then IDLE."""
        return Stage.HEAD if self._loop.time() - self._began <= NEW_TIME else Stage.IDLE

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

    async def complete(self, context: ssl.SSLContext) -> bool:
        """Perform the handshake, or answer a request without TLS; return whether the client speaks TLS.

        Never raises for a handshake that fails.
        """
        speaks_tls = True
        with contextlib.ExitStack() as opened:
            opened.callback(self._socket.close)
            try:
                async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                    speaks_tls = not (await self._first_byte()).isalpha()
                if speaks_tls:
                    opened.pop_all()  # the event loop closes it from here on
                    await self._shake_hands(context)
                else:
                    await self._explain()
            except OSError as error:  # also one of TLS, and a time-out
                logger.debug("A TLS handshake failed: %r", error)
            finally:
                self._server.connections.discard(self)
        return speaks_tls

    async def _shake_hands(self, context: ssl.SSLContext) -> None:
        left = self._began + HANDSHAKE_TIMEOUT - self._loop.time()
        await self._loop.connect_accepted_socket(
            lambda: self,
            self._socket,
            ssl=context,
            ssl_handshake_timeout=max(left, 0.1),
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )

    async def _first_byte(self) -> bytes:
        """Wait for the first byte that the client sends, and leave it in the socket: TLS begins with no letter."""
        while True:
            with contextlib.suppress(BlockingIOError):
                return self._socket.recv(1, socket.MSG_PEEK)
            readable = self._loop.create_future()
            self._loop.add_reader(self._socket, _settle, readable)
            try:
                await readable
            finally:
                self._loop.remove_reader(self._socket)

    async def _explain(self) -> None:
        """Send _PLAIN_RESPONSE, then read what the client sends until it has read that: closing would discard it."""
        async with asyncio.timeout(SHUTDOWN_TIMEOUT):
            await self._loop.sock_sendall(self._socket, _PLAIN_RESPONSE)
            self._socket.shutdown(socket.SHUT_WR)
            while await self._loop.sock_recv(self._socket, 1 << 16):
                pass


def _settle(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


class TlsAcceptor:
    """Accepts the TLS connections of a listening socket until `close`."""

    def __init__(self, server: ServerState, context: ssl.SSLContext) -> None:
        self._server = server
        self._context = context
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[bool]] = set()
        self._warned = False

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
        task.add_done_callback(self._ended)

    def _ended(self, handshake: "asyncio.Task[bool]") -> None:
        """Log, once, that a client does not speak TLS."""
        self._handshakes.discard(handshake)
        if handshake.cancelled() or handshake.exception() is not None or handshake.result() or self._warned:
            return
        self._warned = True
        logger.warning(
            "A client has sent plain HTTP to this port, which speaks HTTPS, and got a 400: its address of this "
            "backend must begin with https:// (this is logged once)"
        )
