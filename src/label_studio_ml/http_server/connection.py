"""HTTP/1.1 connections of the endpoints: requests are read, answered in order, and the responses written.

The states of a connection are in `connection_states`, those of the request being read in `request_reader`.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import AsyncGenerator
from typing import cast

from label_studio_ml.http_server.connection_registry import Stage
from label_studio_ml.http_server.connection_states import (
    ANSWERING,
    BLOCKED,
    ENDED,
    ENDING,
    LOST,
    NEW,
    PAUSED,
    READING,
    READY,
    Input,
    State,
)
from label_studio_ml.http_server.incoming_request import IncomingRequest, failure
from label_studio_ml.http_server.messages import Admission, Response
from label_studio_ml.http_server.request_reader import RequestReader
from label_studio_ml.http_server.responses.response_head import CONTINUE, WITHOUT_BODY, head_lines, keeps_open
from label_studio_ml.http_server.responses.response_stream import ResponseStream
from label_studio_ml.http_server.server_state import ServerState

logger = logging.getLogger(__name__)

#: Seconds that an idle connection stays open: longer than the minute after which proxies close theirs.
KEEP_ALIVE = 75.0
#: Seconds for which a new connection counts as one whose first request is arriving.
NEW_TIME = 5.0
#: Seconds without progress after which the connection of a client that does not read its response is aborted.
WRITE_TIMEOUT = 60.0
#: Seconds that a client has to read the last response and to stop sending, before its connection is aborted.
LINGER = 2.0
#: Seconds without a request after which a connection is closed during shutdown: a request that arrives while its
#: connection is closing would be lost.
LAST_REQUEST = 0.5
#: Maximum number of queued requests of a connection, at which reading pauses, and maximum bytes parsed at a time.
MAX_QUEUED = 8
PIECE = 64 << 10


_NO_REQUEST = Admission(trusted=True, max_body=0)


class Connection(asyncio.Protocol):
    """One connection. Its timeouts are enforced by `sweep`, which must be called about once a second."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._reader = RequestReader(server, self._enqueue, self._send_continue, now)
        self._transport: asyncio.Transport | None = None
        self._state = NEW
        self._input = READING
        #: Requests to be answered, after the one that `_task` answers; and received bytes that are not parsed yet.
        self._queue: deque[IncomingRequest] = deque()
        self._task: asyncio.Task[None] | None = None
        self._unparsed: deque[bytes] = deque()
        #: Of the last request that began to be answered: what it may do, and whether it is one of HTTP/1.0.
        self._admission = _NO_REQUEST
        self._http10 = False
        #: The response that is being sent piece by piece, if any.
        self._stream: ResponseStream | None = None
        #: Times of the event loop: of the last use; and since when responses are not read, or the connection lingers.
        self._last_used = self._paused_since = now
        #: Bytes of responses that were unsent at the last check.
        self._unsent = 0

    def _enter(self, state: State) -> bool:
        """Change the state if an arrow leads there from the current one, and return whether it does."""
        if state not in self._state.next_states:
            return False
        self._state = state
        return True

    @property
    def state(self) -> State:
        """What the connection does."""
        return self._state

    @property
    def answering(self) -> bool:
        """Whether a request is being answered or queued."""
        return self._task is not None or bool(self._queue)

    @property
    def stage(self) -> Stage:
        """Progress of the connection's request.

        An untrusted client that does not read its responses, gets a stream, or has queued requests, counts as HEAD
        only. So does a new connection for NEW_TIME seconds: it may not have been read yet. While a trusted response is
        partly unsent, the stage is ANSWERING.
        """
        trusted = self._admission.trusted
        if self.answering:
            demanding = self._state is BLOCKED or self._queue or self._stream is not None
            return Stage.HEAD if demanding and not trusted else Stage.ANSWERING
        if self._transport is not None and self._transport.get_write_buffer_size():
            return Stage.ANSWERING if trusted else Stage.HEAD
        is_new = self._state is NEW and self._loop.time() - self._last_used <= NEW_TIME
        return Stage.HEAD if is_new and not self._reader.reading else self._reader.stage

    def gone(self) -> bool:
        """Return whether the client has left. A client that has only closed its sending side still reads."""
        if self._input is ENDED and self._state is not LOST and self._is_broken():
            self.abort()
        return self._state is LOST

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
        if not self._server.connections.add(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after the connection is closed. A request that is being answered is processed to its end."""
        self._enter(LOST)
        self._discard_requests()
        self._server.connections.discard(self)

    def eof_received(self) -> bool:
        """Record that the client sends nothing more; return whether the connection stays open for responses."""
        self._input = ENDED
        if self._reader.reading:
            self._reader.close()
        if not self.answering and not self._unparsed:
            return False
        if self._stream is not None:
            self._stream.stop()
        elif self._task is not None:
            self._probe()
        return self._can_half_close()  # TLS always ends in both directions

    def pause_writing(self) -> None:
        """Stop answering until the client has read more.

        If queued requests have untrusted bodies, the connection is aborted, as others need their memory.
        """
        self._enter(BLOCKED)
        if self._stream is not None:
            self._stream.pause()
        if any(request.charge and not request.admission.trusted for request in self._queue):
            self.abort()
            return
        self._unsent = 0
        self._paused_since = self._loop.time()
        self._set_input(PAUSED)

    def resume_writing(self) -> None:
        """Continue with the next response."""
        if self._state is ENDING:  # unread input would reset the connection and cut off the response
            self._paused_since = self._loop.time()
            self._set_input(READING)
        elif self._state is BLOCKED:
            self._enter(READY if self._task is None else ANSWERING)
            if self._stream is not None:
                self._stream.resume()
                self._update_input()  # the end of the client's input ends the stream
            self._answer_next()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, or queue them while too many requests wait."""
        if self._reader.finished:
            return  # input after the last request is ignored
        if self._unparsed:
            self._unparsed.append(data)
        elif len(data) <= PIECE:
            self._reader.feed(data, self._loop.time())
            if len(self._queue) >= MAX_QUEUED:
                self._update_input()
        else:
            self._unparsed.extend(data[start : start + PIECE] for start in range(0, len(data), PIECE))
            self._parse_further()

    def _parse_further(self) -> None:
        """Parse received bytes until MAX_QUEUED requests wait, or the client does not read its responses."""
        while self._unparsed and len(self._queue) < MAX_QUEUED and self._state is not BLOCKED:
            self._reader.feed(self._unparsed.popleft(), self._loop.time())
            if self._reader.finished:
                self._unparsed.clear()
        self._update_input()

    def _update_input(self) -> None:
        """Pause or resume reading from the socket, depending on queued requests and unparsed bytes."""
        full = self._state is BLOCKED or len(self._queue) >= MAX_QUEUED or bool(self._unparsed)
        self._set_input(PAUSED if full else READING)

    def _set_input(self, change: Input) -> None:
        """Pause or resume reading from the socket, unless the client has closed its sending side."""
        transport = self._transport
        if change is self._input or self._input is ENDED or transport is None or transport.is_closing():
            return
        self._input = change
        (transport.pause_reading if change is PAUSED else transport.resume_reading)()

    # Answering

    def _enqueue(self, request: IncomingRequest) -> None:
        self._server.connections.mark_used(self)
        self._queue.append(request)
        self._answer_next()

    def _send_continue(self) -> None:
        if self._reader.expects_continue and not self.answering and self._transport is not None:
            self._reader.expects_continue = False
            self._transport.write(CONTINUE)

    def _probe(self) -> None:
        """Write to a half-closed HTTP/1.1 client: if it no longer reads, the connection is reset (see `gone`)."""
        if self._transport is not None and not self._transport.is_closing() and not self._http10:
            self._transport.write(CONTINUE)

    def _answer_next(self) -> None:
        """Start answering the next queued request, unless one is being answered or the client does not read."""
        if self._state is not NEW and self._state is not READY:
            return
        if self._queue:
            request = self._queue.popleft()
            self._admission, self._http10 = request.admission, request.http10
            self._enter(ANSWERING)
            self._task = self._loop.create_task(self._respond(request))
        elif self._input is ENDED:
            if self._unparsed:
                self._parse_further()  # may start the next request
            if not self.answering:
                self._end()
        else:
            self._read_on()

    def _read_on(self) -> None:
        """Read the next request, as all earlier ones are answered."""
        self._last_used = self._loop.time()
        if self._reader.reading:
            self._reader.restart_clock(self._last_used)
            self._send_continue()
        if self._unparsed:
            self._parse_further()
        else:
            self._update_input()

    async def _respond(self, request: IncomingRequest) -> None:
        try:
            if request.refused is not None:
                response = request.refused
            else:
                request.gone, request.peer = self.gone, self._reader.peer
                response = await self._server.endpoints.handle(request)
        except Exception:
            logger.exception("A request was not answered")
            response = failure(500, "internal error; see logs/server.log")
        finally:
            if request.charge:
                self._server.budget.release(request.charge, trusted=request.admission.trusted)
        try:
            self._write(request, response)
            if response.stream is not None:
                await self._send_stream(request, response, response.stream)
        except Exception:  # the response may be partly sent, so nothing can follow it
            logger.exception("A response was not sent")
            self.abort()
        self._task = None
        if self._state is ANSWERING:
            self._enter(READY)
        self._answer_next()

    def _write(self, request: IncomingRequest, response: Response) -> None:
        transport = self._transport
        if self._state is LOST or transport is None or transport.is_closing():
            return
        keep_alive = keeps_open(request, response, draining=self._server.draining)
        lines = head_lines(request, response, self._server.date, keep_alive=keep_alive)
        if request.method != "HEAD" and response.status not in WITHOUT_BODY:
            lines.append(response.body)
        transport.write(b"".join(lines))
        if not keep_alive and response.stream is None:
            self._end(linger=self._can_half_close() or request.refused is not None)

    async def _send_stream(
        self, request: IncomingRequest, response: Response, producer: AsyncGenerator[bytes, None]
    ) -> None:
        """Send a body piece by piece, after its head, until the producer ends or has to."""
        transport = self._transport
        if transport is None or request.method == "HEAD" or self._state is LOST or transport.is_closing():
            await producer.aclose()
        else:
            self._stream = ResponseStream(producer, self._write_piece, chunked=not request.http10)
            if self._state is BLOCKED:
                self._stream.pause()
            complete = await self._stream.finished()
            self._stream = None
            if not complete:
                self.abort()
        if not keeps_open(request, response, draining=self._server.draining):
            self._end(linger=self._can_half_close())

    def _write_piece(self, piece: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(piece)

    # The end

    def _discard_requests(self) -> None:
        """Discard queued requests, unparsed bytes, and a partly read request; stop the response that is a stream."""
        if self._stream is not None:
            self._stream.stop()
        for request in self._queue:
            self._server.budget.release(request.charge, trusted=request.admission.trusted)
        self._queue.clear()
        self._unparsed.clear()
        self._reader.close()

    def _end(self, *, linger: bool = False) -> None:
        """Close the connection after the written responses.

        With `linger`, close only the sending side at first: the client may still send, and unread input would reset the
        connection and cut off the response. The client or `sweep` closes it later. Over TLS, the sending side stays
        open until then, as nothing could be read after its end; clients know the response's end from its length.
        """
        transport = self._transport
        was_blocked = self._state is BLOCKED
        if transport is None or not self._enter(ENDING):
            return
        self._discard_requests()
        self._paused_since = self._loop.time()
        if not linger or self._input is ENDED or transport.is_closing():
            transport.close()
            return
        if self._can_half_close():
            transport.write_eof()
        if not was_blocked:
            self._set_input(READING)

    def _can_half_close(self) -> bool:
        """Return whether one direction of the connection can end before the other, which is not so over TLS."""
        return self._transport is not None and self._transport.can_write_eof()

    def sweep(self, now: float) -> None:
        """Enforce the timeouts; `now` is the event loop's time."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._state is ENDING or self._state is BLOCKED:
            self._sweep_unsent(transport, now)
        elif self.answering:
            return
        elif self._reader.timed_out(now):
            self._reader.refuse(failure(408, "The request was not complete in time"))
        elif not self._reader.reading and now - self._last_used > KEEP_ALIVE:
            self._end()

    def _sweep_unsent(self, transport: asyncio.Transport, now: float) -> None:
        """Abort the connection if its client has stopped reading, or does not close it after the last response."""
        unsent = transport.get_write_buffer_size()
        if self._state is ENDING and now - self._paused_since > LINGER and not unsent:
            (self.abort if self._can_half_close() else transport.close)()
        elif unsent != self._unsent:
            self._unsent, self._paused_since = unsent, now
        elif now - self._paused_since > WRITE_TIMEOUT:
            self.abort()

    def drain(self, now: float) -> None:
        """Close the connection if it was last used over LAST_REQUEST seconds before `now`; end a stream at once."""
        if self._stream is not None:
            self._stream.stop()
        if not self.answering and not self._reader.reading and now - self._last_used > LAST_REQUEST:
            self._end()

    def abort(self) -> None:
        """Close the connection immediately; unsent output is lost."""
        self._enter(LOST)
        self._discard_requests()
        if self._transport is not None:
            self._transport.abort()
