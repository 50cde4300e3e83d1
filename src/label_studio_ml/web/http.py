"""The HTTP/1.1 face of the endpoints: one connection, from bytes to answers.

    idle ──first byte──▶ reading ──whole request──▶ answering ──answer written──▶ idle, or the next one that waits
      └──too long──▶ closed    └──too long, too large, not HTTP──▶ refused: answer, end of stream, closed

Requests of one connection are answered one after the other, in order. Who does not read its answers is not read from.
"""

import asyncio
import functools
import http
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote

import httptools

from label_studio_ml.errors import BackendError, BodyTooLarge
from label_studio_ml.web.calls import Response, json_response

logger = logging.getLogger(__name__)

#: Seconds that a connection may stay open with nothing to do: more than the minute after which proxies close theirs.
KEEP_ALIVE = 75.0
#: Seconds for the head of a request, and between two pieces of its body.
HEAD_TIMEOUT = 30.0
BODY_TIMEOUT = 60.0
#: Seconds without progress after which a caller that does not read its answer is given up.
WRITE_TIMEOUT = 60.0
#: Seconds that a caller that was refused has to read the answer and to stop sending.
LINGER = 2.0
#: Seconds without a request after which a connection is closed when the server is about to end: a request that crosses
#: the closing of its connection would be lost.
LAST_REQUEST = 0.5
#: Requests of one connection that may wait before it is not read any further, and bytes parsed at a time.
PIPELINE = 8
PIECE = 64 << 10
#: Bytes of a head beyond the pieces that it begins and ends in.
MAX_HEAD = 64 << 10

_LINES: dict[int, bytes] = {
    int(status): f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in http.HTTPStatus
}
_NAMES: dict[bytes, str] = {}


class Answering(Protocol):
    """What stands behind the connections."""

    async def handle(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        gone: Callable[[], bool] | None = None,
    ) -> Response:
        """Answer one request; never raises."""

    def refuse(self, error: BackendError, path: str, headers: Mapping[str, str]) -> Response:
        """Answer a request that could not even be read."""


@dataclass(eq=False)
class Site:
    """What all connections share. `date` is the Date header's line; `draining` asks callers to leave."""

    endpoints: Answering
    max_body: int
    connections: "set[Connection]" = field(default_factory=set)
    draining: bool = False
    date: bytes = b""


@dataclass(slots=True)
class _Request:
    method: str
    target: bytes
    headers: dict[str, str]
    body: bytes
    keep: bool
    old: bool  # HTTP/1.0
    refused: Response | None = None


class Connection(asyncio.Protocol):
    """One connection. `sweep` is to be called about once a second: it ends what takes too long."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[_Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._unread: deque[bytes] = deque()
        self._target = b""
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._head = 0
        self._begun = 0
        self._reading = self._in_body = False
        self._continue = False
        self._last_one = False  # no request is taken after the one that is read or was read last
        self._ended = False
        self._lost = False
        self._blocked = self._held = False
        self._stuck = 0
        self._heard = self._since = self._loop.time()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._task is None and not self._waiting and not self._reading

    def gone(self) -> bool:
        """Tell whether the caller has left."""
        return self._lost

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = transport  # type: ignore[assignment]
        self._site.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the caller left. What is being answered is finished all the same."""
        self._lost = True
        self._waiting.clear()
        self._unread.clear()
        self._site.connections.discard(self)

    def pause_writing(self) -> None:
        """Answer nothing further until the caller has read more."""
        self._blocked = True
        self._stuck = 0
        self._since = self._loop.time()
        self._hold()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take what the caller sends."""
        self._heard = self._loop.time()
        if self._last_one and not self._reading:
            return  # nothing after the last request is of interest
        if self._unread:
            self._unread.append(data)
        elif len(data) <= PIECE:
            self._feed(data)
        else:
            self._unread.extend(data[start : start + PIECE] for start in range(0, len(data), PIECE))
            self._feed_on()

    def _feed_on(self) -> None:
        """Parse what was put aside, as far as requests may wait."""
        while self._unread and len(self._waiting) < PIPELINE and not self._blocked:
            self._feed(self._unread.popleft())
            if self._last_one and not self._reading:
                self._unread.clear()
        self._hold()

    def _hold(self) -> None:
        """Read from the caller as long as it may send more."""
        hold = self._blocked or len(self._waiting) >= PIPELINE or bool(self._unread)
        if hold != self._held and self._transport is not None and not self._transport.is_closing():
            self._held = hold
            (self._transport.pause_reading if hold else self._transport.resume_reading)()

    def _feed(self, data: bytes) -> None:
        begun, size = self._begun, self._size
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request is answered as if it had not asked for that
        except httptools.HttpParserError as error:
            if not self._last_one:
                self._refuse(_failure(400, f"This is not an HTTP request: {error}"))
            return
        if self._reading and begun == self._begun and size == self._size:
            self._head += len(data)  # no end of the head in sight, or nothing but trailers
            if self._head > MAX_HEAD:
                self._refuse(_failure(431, f"The head of the request has more than {MAX_HEAD} bytes"))
        if len(self._waiting) >= PIPELINE:
            self._hold()

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._last_one:
            return
        self._begun += 1
        self._reading, self._in_body, self._continue = True, False, False
        self._target, self._headers, self._parts = b"", {}, []
        self._size = self._head = 0
        self._since = self._heard

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, the last one of its name; trailers after a body count for nothing."""
        if self._in_body:
            return
        known = _NAMES.get(name)
        if known is None:
            known = name.decode("latin-1").lower()
            if len(_NAMES) < 256:
                _NAMES[name] = known
        self._headers[known] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Look whether the body may come."""
        self._in_body = True
        if self._last_one or not self._reading:
            return
        headers = self._headers
        if int(headers.get("content-length") or 0) > self._site.max_body:
            self._refuse_body()
        elif headers.get("expect", "").lower() == "100-continue":
            self._continue = True
            self._tell_to_continue()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if not self._reading:
            return
        self._parts.append(body)
        self._size += len(body)
        if self._size > self._site.max_body:
            self._refuse_body()

    def on_message_complete(self) -> None:
        """Hand the request over."""
        if not self._reading:
            return
        parser = self._parser
        keep = bool(parser.should_keep_alive()) and not parser.should_upgrade()
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._reading = False
        self._parts = []
        self._last_one = not keep
        self._take(
            _Request(
                parser.get_method().decode("latin-1"),
                self._target,
                self._headers,
                body,
                keep,
                parser.get_http_version() == "1.0",
            )
        )

    # Answering

    def _take(self, request: _Request) -> None:
        self._waiting.append(request)
        if self._task is None:
            self._next()

    def _refuse_body(self) -> None:
        path, _ = _split(self._target)
        self._refuse(self._site.endpoints.refuse(too_large(self._site.max_body), path, self._headers))

    def _refuse(self, response: Response) -> None:
        """Answer what cannot be read, after all that came before it; nothing is read after it."""
        self._reading, self._last_one = False, True
        self._parts = []
        self._take(_Request("", b"", {}, b"", keep=False, old=False, refused=response))

    def _tell_to_continue(self) -> None:
        if self._continue and self._task is None and not self._waiting and self._transport is not None:
            self._continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _next(self) -> None:
        """Begin to answer the next request, if there is one and the caller reads."""
        if self._task is not None or self._blocked or self._ended or self._lost:
            return
        if self._waiting:
            self._task = self._loop.create_task(self._answer(self._waiting.popleft()))
            return
        self._since = self._heard = self._loop.time()
        if self._reading:
            self._tell_to_continue()
        if self._unread:
            self._feed_on()
        else:
            self._hold()

    async def _answer(self, request: _Request) -> None:
        try:
            if request.refused is not None:
                response = request.refused
            else:
                path, query = _split(request.target)
                response = await self._site.endpoints.handle(
                    request.method, path, query, request.headers, request.body, self.gone
                )
        except Exception:
            logger.exception("A request was not answered")
            response = _failure(500, "internal error; see logs/server.log")
        self._write(request, response)
        self._task = None
        self._next()

    def _write(self, request: _Request, response: Response) -> None:
        transport = self._transport
        if self._lost or transport is None or transport.is_closing():
            return
        lines = [
            _LINES.get(response.status) or b"HTTP/1.1 %d Error\r\n" % response.status,
            self._site.date,
            _type_line(response.content_type),
            b"content-length: %d\r\n" % len(response.body),
        ]
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

    def _end(self, *, linger: bool = False) -> None:
        """Send nothing more. With `linger`, let the caller read first: what it still sends would cut the answer off."""
        transport = self._transport
        if self._ended or transport is None:
            return
        self._ended = self._last_one = True
        self._reading = False
        self._waiting.clear()
        self._unread.clear()
        self._since = self._loop.time()
        if not linger or not transport.can_write_eof() or transport.is_closing():
            transport.close()
            return
        transport.write_eof()
        self._hold()

    def sweep(self, now: float) -> None:
        """End what takes too long."""
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
        elif self._task is not None or self._waiting:
            return
        elif self._reading:
            late = now - (self._heard if self._in_body else self._since)
            if late > (BODY_TIMEOUT if self._in_body else HEAD_TIMEOUT):
                self._refuse(_failure(408, "The request did not come to its end"))
        elif now - self._heard > KEEP_ALIVE:
            self._end()

    def drain(self, now: float) -> None:
        """End as soon as there is nothing to do, and nothing on its way."""
        if self.idle and now - self._heard > LAST_REQUEST:
            self._end()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()


@functools.lru_cache(maxsize=16)
def _type_line(content_type: str) -> bytes:
    return f"content-type: {content_type}\r\n".encode("latin-1")


def _split(target: bytes) -> tuple[str, str]:
    """Return path, decoded, and query of a request's target."""
    if not target.startswith(b"/") and b"://" in target:
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            return target.decode("latin-1"), ""
        target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    path, _, query = target.decode("latin-1").partition("?")
    return unquote(path) if "%" in path else path, query


def _failure(status: int, detail: str) -> Response:
    return json_response(status, {"status": status, "detail": detail})


def too_large(limit: int) -> BodyTooLarge:
    """Return the error of a body over `limit` bytes."""
    return BodyTooLarge(
        f"The body is larger than {limit} bytes",
        fix="Send fewer tasks in one request, or raise LABEL_STUDIO_ML_MAX_BODY",
        field="body",
    )
