"""HTTP/1.1 connections of the endpoints: requests are read, answered in order, and the responses written.

    idle ──first byte──▶ reading ──request complete──▶ answering ──response written──▶ idle, or next queued request
      └──timeout──▶ closed    └──refused──▶ response, end of stream, closed

Back-pressure: while a client does not read its responses, nothing more is read from its connection. A client that
has closed its sending side after its last request still gets all responses.
"""

import asyncio
import functools
import http
import logging
import socket
from collections import deque
from typing import cast

from label_studio_ml.http_server.connection_registry import Site, Stage
from label_studio_ml.http_server.messages import Response
from label_studio_ml.http_server.request_reader import Request, RequestReader, failure

logger = logging.getLogger(__name__)

#: Seconds that an idle connection stays open: longer than the minute after which proxies close theirs.
KEEP_ALIVE = 75.0
#: Seconds for which a new connection counts as one whose first request is arriving.
FRESH = 5.0
#: Seconds without progress after which the connection of a client that does not read its response is aborted.
WRITE_TIMEOUT = 60.0
#: Seconds that a client has to read the last response and to stop sending, before its connection is aborted.
LINGER = 2.0
#: Seconds without a request after which a connection is closed during shutdown: a request that arrives while its
#: connection is closing would be lost.
LAST_REQUEST = 0.5
#: Maximum number of queued requests of a connection, at which reading pauses, and maximum bytes parsed at a time.
PIPELINE = 8
PIECE = 64 << 10

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINES: dict[int, bytes] = {
    int(status): f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in http.HTTPStatus
}


class Connection(asyncio.Protocol):
    """One connection. Its timeouts are enforced by `sweep`, which must be called about once a second."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._reader = RequestReader(site, self._take, self._tell_to_continue, now)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._unread: deque[bytes] = deque()
        self._ended = False
        self._lost = self._half_closed = self._old = False
        #: Whether the last request that began to be answered is trusted.
        self._trusted = True
        self._asked = False
        self._blocked = self._held = False
        self._stuck = 0
        #: Times of the event loop: of the last use; and since when responses are not read, or the connection lingers.
        self._used = self._since = now

    @property
    def idle(self) -> bool:
        """Whether no request is being read, queued or answered."""
        return self._task is None and not self._waiting and not self._reader.reading

    @property
    def answering(self) -> bool:
        """Whether a request is being answered or queued."""
        return self._task is not None or bool(self._waiting)

    @property
    def stage(self) -> Stage:
        """Progress of the connection's request.

        An untrusted client that does not read its responses, or has queued requests, counts as HEAD only. So does a new
        connection for FRESH seconds: it may not have been read yet. While a trusted response is partly unsent,
        the stage is ANSWERING.
        """
        if self.answering:
            demanding = self._blocked or self._waiting
            return Stage.HEAD if demanding and not self._trusted else Stage.ANSWERING
        if self._transport is not None and self._transport.get_write_buffer_size():
            return Stage.ANSWERING if self._trusted else Stage.HEAD
        if self._asked or self._reader.reading or self._loop.time() - self._used > FRESH:
            return self._reader.stage
        return Stage.HEAD

    def gone(self) -> bool:
        """Return whether the client has left. A client that has only closed its sending side still reads."""
        if self._half_closed and not self._lost and self._is_broken():
            self._lost = True
            self.abort()
        return self._lost

    def _is_broken(self) -> bool:
        """Return whether the socket has an error, because the client's machine has reset the connection."""
        if self._transport is None:
            return True
        try:
            connected: socket.socket = self._transport.get_extra_info("socket")
            return connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        except OSError:
            return True

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, or abort it at the connection limit."""
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        # A Unix socket has no peer address.
        self._reader.peer = str(name[0]) if isinstance(name, tuple) else ""
        if not self._site.connections.add(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after the connection is closed. A request that is being answered is processed to its end."""
        self._lost = True
        self._forget()
        self._site.connections.discard(self)

    def eof_received(self) -> bool:
        """Record that the client sends nothing more; return whether the connection stays open for responses."""
        self._half_closed = True
        if self._reader.reading:
            self._reader.close()
        if not self.answering and not self._unread:
            return False
        if self._task is not None:
            self._probe()
        return True

    def pause_writing(self) -> None:
        """Stop answering until the client has read more.

        If queued requests have untrusted bodies, the connection is aborted, as others need their memory.
        """
        self._blocked = True
        if any(request.charge and not request.admission.trusted for request in self._waiting):
            self.abort()
            return
        self._stuck = 0
        self._since = self._loop.time()
        self._hold()

    def resume_writing(self) -> None:
        """Continue with the next response."""
        self._blocked = False
        if self._ended:  # unread input would reset the connection and cut off the response
            self._since = self._loop.time()
            self._hold()
        self._next()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, or queue them while too many requests wait."""
        reader = self._reader
        if reader.closed and not reader.reading:
            return  # input after the last request is ignored
        if self._unread:
            self._unread.append(data)
        elif len(data) <= PIECE:
            reader.feed(data, self._loop.time())
            if len(self._waiting) >= PIPELINE:
                self._hold()
        else:
            self._unread.extend(data[start : start + PIECE] for start in range(0, len(data), PIECE))
            self._feed_on()

    @property
    def _over(self) -> bool:
        """Whether no further request is read."""
        return self._reader.closed and not self._reader.reading

    def _feed_on(self) -> None:
        """Parse queued input until PIPELINE requests wait, or the client does not read its responses."""
        while self._unread and len(self._waiting) < PIPELINE and not self._blocked:
            self._reader.feed(self._unread.popleft(), self._loop.time())
            if self._over:
                self._unread.clear()
        self._hold()

    def _hold(self) -> None:
        """Pause or resume reading from the socket, depending on queued requests and input."""
        hold = self._blocked or len(self._waiting) >= PIPELINE or bool(self._unread)
        transport = self._transport
        if hold == self._held or self._half_closed or transport is None or transport.is_closing():
            return
        self._held = hold
        (transport.pause_reading if hold else transport.resume_reading)()

    # Answering

    def _take(self, request: Request) -> None:
        self._asked = True
        self._site.connections.used(self)
        self._waiting.append(request)
        if self._task is None:
            self._next()

    def _tell_to_continue(self) -> None:
        if self._reader.expects_continue and not self.answering and self._transport is not None:
            self._reader.expects_continue = False
            self._transport.write(_CONTINUE)

    def _probe(self) -> None:
        """Write to a half-closed HTTP/1.1 client: if it no longer reads, the connection is reset (see `gone`)."""
        if self._transport is not None and not self._transport.is_closing() and not self._old:
            self._transport.write(_CONTINUE)

    def _next(self) -> None:
        """Start answering the next queued request, unless one is being answered or the client does not read."""
        if self._task is not None or self._blocked or self._ended or self._lost:
            return
        if not self._waiting and self._unread and self._half_closed:
            self._feed_on()  # may start the next request
        if self._task is not None:
            return
        if self._waiting:
            request = self._waiting.popleft()
            self._old = request.old
            self._trusted = request.admission.trusted
            self._task = self._loop.create_task(self._answer(request))
            return
        if self._half_closed:
            self._end()
            return
        self._used = self._loop.time()
        if self._reader.reading:
            self._reader.restart_clock(self._used)
            self._tell_to_continue()
        if self._unread:
            self._feed_on()
        else:
            self._hold()

    async def _answer(self, request: Request) -> None:
        try:
            if request.refused is not None:
                response = request.refused
            else:
                request.gone, request.peer = self.gone, self._reader.peer
                response = await self._site.endpoints.handle(request)
        except Exception:
            logger.exception("A request was not answered")
            response = failure(500, "internal error; see logs/server.log")
        finally:
            if request.charge:
                self._site.budget.give_back(request.charge, trusted=request.admission.trusted)
        try:
            self._write(request, response)
        except Exception:  # the response may be partly sent, so nothing can follow it
            logger.exception("An answer was not sent")
            self._ended = True
            self._forget()
            self.abort()
        self._task = None
        self._next()

    def _write(self, request: Request, response: Response) -> None:
        transport = self._transport
        if self._lost or transport is None or transport.is_closing():
            return
        start = _start_of(response.status, response.content_type)
        lines = [b"%b%bcontent-length: %d\r\n" % (start, self._site.date, len(response.body))]
        keep = request.keep and not self._site.draining
        for name, value in response.headers.items():
            if name == "Connection":
                keep = keep and value.lower() != "close"
            else:
                lines.append(f"{name}: {value}\r\n".encode("latin-1"))
        if not keep:
            lines.append(b"connection: close\r\n")
        elif request.old:
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        if request.method != "HEAD":
            lines.append(response.body)
        transport.write(b"".join(lines))
        if not keep:
            self._end(linger=True)

    def _forget(self) -> None:
        """Drop queued requests and input, and a partly read request."""
        for request in self._waiting:
            self._site.budget.give_back(request.charge, trusted=request.admission.trusted)
        self._waiting.clear()
        self._unread.clear()
        self._reader.close()

    def _end(self, *, linger: bool = False) -> None:
        """Close the connection after the written responses.

        With `linger`, close only the sending side at first: the client may still send, and unread input would reset the
        connection and cut off the response. The client or `sweep` closes it later.
        """
        transport = self._transport
        if self._ended or transport is None:
            return
        self._ended = True
        self._forget()
        self._since = self._loop.time()
        if not linger or self._half_closed or not transport.can_write_eof() or transport.is_closing():
            transport.close()
            return
        transport.write_eof()
        self._hold()

    def sweep(self, now: float) -> None:
        """Enforce the timeouts; `now` is the event loop's time."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._ended and now - self._since > LINGER and not transport.get_write_buffer_size():
            transport.abort()
            return
        if self._blocked or self._ended:
            left = transport.get_write_buffer_size()
            if left != self._stuck:
                self._stuck, self._since = left, now
            elif now - self._since > WRITE_TIMEOUT:
                transport.abort()
        elif self.answering:
            return
        elif self._reader.late(now):
            self._reader.refuse(failure(408, "The request did not come to its end"))
        elif not self._reader.reading and now - self._used > KEEP_ALIVE:
            self._end()

    def drain(self, now: float) -> None:
        """Close the connection if it is idle and was last used over LAST_REQUEST seconds before `now`."""
        if self.idle and now - self._used > LAST_REQUEST:
            self._end()

    def abort(self) -> None:
        """Close the connection immediately; unsent output is lost."""
        if self._transport is not None:
            self._transport.abort()


@functools.lru_cache(maxsize=64)
def _start_of(status: int, content_type: str) -> bytes:
    """Return the status line and the Content-Type line of a response."""
    line = _LINES.get(status) or b"HTTP/1.1 %d Error\r\n" % status
    return line + f"content-type: {content_type}\r\n".encode("latin-1")
