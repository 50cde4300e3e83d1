"""Reads the requests of one connection: bytes in, whole requests or refusals out.

    between requests ──first byte──▶ head ──login, framing, size──▶ body ──▶ handed over
      └──line ends without end──▶ refused   └──▶ refused                └──too long, too large, not HTTP──▶ refused

A refusal is handed over like a request, so that it is answered after all that came before it. Nothing is read after it,
unless the request has no body: then the next one can be told apart.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

import httptools

from label_studio_ml.errors import BackendError, Overloaded
from label_studio_ml.web.calls import Admission, Response, json_response
from label_studio_ml.web.connections import Site, Stage, too_large
from label_studio_ml.web.head_checks import SINGLE, fault_of

logger = logging.getLogger(__name__)

#: Seconds for the head of a request, from its first byte on, line ends before it included.
HEAD_TIMEOUT = 30.0
#: Seconds between two pieces of a body; and for the whole body, besides what its size takes at the least rate, in bytes
#: a second.
BODY_TIMEOUT = 60.0
BODY_RATE = 16 << 10
#: The same for the whole body of a request without the login.
UNTRUSTED_TIMEOUT = 20.0
UNTRUSTED_RATE = 256 << 10
#: Bytes of a head beyond the pieces that it begins and ends in; and of line ends before it.
MAX_HEAD = 64 << 10
MAX_LINE_ENDS = 256
#: Headers of a request: as Python objects each takes far more than its bytes.
MAX_HEADERS = 128

#: Bytes of a body up to which it is not looked in advance whether there is room for it.
SMALL_BODY = 64 << 10

#: Names of headers as they come -> in lower case.
_NAMES: dict[bytes, str] = {}
_BLANK = ord(" ")
_REFUSED = Admission(trusted=False, max_body=0)


@dataclass(slots=True)
class Request:
    """One request. `charge` bytes are counted for its body; `refused` is its answer if it is not to be handled."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    admission: Admission
    keep: bool
    old: bool  # HTTP/1.0
    charge: int = 0
    refused: Response | None = None


class RequestReader:
    """Parses what one connection brings.

    `take` gets each request; `may_continue` is called where the client waits for a `100 Continue`. `now` is a time.
    """

    #: An object with more than 30 attributes in a dict has none that CPython finds without hashing.
    __slots__ = (
        "_admission",
        "_body",
        "_count",
        "_doubled",
        "_has_body",
        "_head",
        "_headers",
        "_heard",
        "_in_body",
        "_keep",
        "_limit",
        "_line_ends",
        "_may_continue",
        "_method",
        "_parser",
        "_path",
        "_progress",
        "_query",
        "_refused",
        "_resuming",
        "_since",
        "_site",
        "_size",
        "_take",
        "_target",
        "_upgrading",
        "_version",
        "closed",
        "expects_continue",
        "reading",
    )

    def __init__(
        self, site: Site, take: Callable[[Request], None], may_continue: Callable[[], None], now: float
    ) -> None:
        self._site = site
        self._take = take
        self._may_continue = may_continue
        self._parser = httptools.HttpRequestParser(self)
        #: Whether a request is being read.
        self.reading = False
        #: Whether no request is taken after the one that is being read, or was read last.
        self.closed = False
        #: Whether the client waits for a `100 Continue` before it sends the body.
        self.expects_continue = False
        self._in_body = self._has_body = False
        self._upgrading = self._resuming = False
        #: Grows with each request that begins or ends, and each part of a body.
        self._progress = 0
        self._since = self._heard = now
        self._line_ends = 0
        self._reset()

    def _reset(self) -> None:
        """Forget the request before."""
        self._in_body = self._has_body = self._upgrading = self.expects_continue = False
        self._target = b""
        self._path = self._query = self._method = self._version = self._doubled = ""
        self._headers: dict[str, str] = {}
        self._admission = _REFUSED
        self._limit = 0
        self._refused: Response | None = None
        self._keep = True
        self._body: bytes | bytearray = b""
        self._size = self._head = self._count = 0

    def feed(self, data: bytes, now: float) -> None:
        """Parse a piece of what the client sends."""
        self._heard = now
        progress = self._progress
        rest: bytes | memoryview = data
        while True:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                # The request is handled as if it had not asked for another protocol; what follows is HTTP.
                rest = memoryview(rest)[upgrade.args[0] :]
                self._resume()
                if rest and not self.closed:
                    continue
            except httptools.HttpParserError as error:
                if not self.closed:
                    self.refuse(failure(400, f"This is not an HTTP request: {error}"))
                return
            break
        if progress == self._progress:
            self._count_overhead(len(data), now)

    def _count_overhead(self, size: int, now: float) -> None:
        """Count bytes that brought neither a new request, nor a part of a body, nor the end of a request."""
        if self.reading:
            self._head += size  # no end of the head in sight, or nothing but trailers
            if self._head > MAX_HEAD:
                self.refuse(failure(431, f"The head of the request has more than {MAX_HEAD} bytes"))
        elif not self.closed:
            if not self._line_ends:
                self._since = now
            self._line_ends += size
            if self._line_ends > MAX_LINE_ENDS:
                self.refuse(failure(400, "This is not an HTTP request: there are only line ends"))

    def _resume(self) -> None:
        """Go on after the head of a request that wants another protocol: the parser has left its body out."""
        self._parser = httptools.HttpRequestParser(self)
        if self._upgrading:
            chunked = "transfer-encoding" in self._headers
            length = self._headers.get("content-length", "")
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
            self._resuming = True
            self._parser.feed_data(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode("latin-1"))

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self.closed or self._resuming:
            return
        self._progress += 1
        self._reset()
        self.reading = True
        if not self._line_ends:
            self._since = self._heard
        self._line_ends = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        if not self._resuming:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, the last one of its name; trailers after a body count for nothing."""
        if self._in_body:
            return
        self._count += 1
        if self._count > MAX_HEADERS:
            self.refuse(failure(431, f"The head of the request has more than {MAX_HEADERS} headers"))
            self._in_body = True  # what is left of the head is not kept
            return
        known = _NAMES.get(name)
        if known is None:
            known = name.decode("latin-1").lower()
            if len(_NAMES) < 256 and len(name) <= 64:
                _NAMES[name] = known
        headers = self._headers
        if known in headers and known in SINGLE:
            self._doubled = known
        if value and value[-1] <= _BLANK:
            value = value.rstrip()
        headers[known] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Decide whether the request is handled, before its body comes."""
        self._in_body = True
        if self._resuming:
            self._resuming = False
            return
        if self.closed or not self.reading:
            return
        self._since = self._heard
        parser, headers = self._parser, self._headers
        self._version = parser.get_http_version()
        self._keep = bool(parser.should_keep_alive())
        length = headers.get("content-length")
        self._has_body = (length is not None and length.strip("0") != "") or "transfer-encoding" in headers
        if fault := fault_of(self._version, headers, self._doubled):
            self.refuse(failure(fault.status, fault.detail))
            return
        self._method = parser.get_method().decode("latin-1")
        self._path, self._query = _split(self._target)
        self._admit(int(length or 0))
        if not self._has_body or not self.reading or self._version != "1.1":
            return
        if headers.get("expect", "").lower() == "100-continue":
            self.expects_continue = True
            self._may_continue()

    def _admit(self, length: int) -> None:
        """Ask whether the request may be made; refuse it where it may not."""
        site = self._site
        try:
            self._admission = site.endpoints.admit(
                self._method, self._path, self._headers, has_body=self._has_body
            )
            self._limit = min(site.max_body, self._admission.max_body)
            if length > self._limit:
                raise too_large(self._limit, trusted=self._admission.trusted)
            if length > SMALL_BODY and self._admission.trusted:  # else others may have to make room for it
                site.budget.check(length, trusted=self._admission.trusted)
        except BackendError as error:
            self._refuse_for(error)
        except Exception:
            logger.exception("A request was not admitted")
            self.refuse(failure(500, "internal error; see logs/server.log"))

    def _refuse_for(self, error: BackendError) -> None:
        response = self._site.endpoints.refuse(error, self._path, self._headers)
        if self._has_body:
            self.refuse(response)
        else:
            self._refused = response

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if not self.reading:
            return
        size = len(body)
        self._progress += 1
        trusted = self._admission.trusted
        if not trusted:
            self._site.untrusted.make_room(size, self)
            self._site.untrusted.begin(self)
        try:
            self._site.budget.take(size, trusted=trusted)
        except BackendError as error:
            self._refuse_for(error)
            return
        if not self._size:
            self._body = body
        else:  # in one piece: a body in many small chunks would take many times its size as a list of them
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        self._size += size
        if self._size > self._limit:
            self._refuse_for(too_large(self._limit, trusted=trusted))

    def on_message_complete(self) -> None:
        """Hand the request over."""
        if not self.reading:
            return
        if not self._upgrading and self._has_body and self._parser.should_upgrade():
            self._upgrading = True
            return
        self.reading = False
        self._progress += 1
        if not self._admission.trusted:
            self._site.untrusted.end(self)
        keep = self._keep and self._method != "CONNECT"
        body = self._body if isinstance(self._body, bytes) else bytes(self._body)
        request = Request(
            self._method,
            self._path,
            self._query,
            self._headers,
            body,
            self._admission,
            keep,
            self._version == "1.0",
            self._size,
            self._refused,
        )
        self._body, self._size = b"", 0
        self.closed = not keep
        self._take(request)

    # The end of a request that does not come to its end

    def refuse(self, response: Response) -> None:
        """Hand over an answer to what cannot be read, or is not to be; nothing is read after it."""
        method = self._method if self.reading else ""
        self.close()
        self._take(Request(method, "", "", {}, b"", _REFUSED, keep=False, old=False, refused=response))

    def close(self) -> None:
        """Read nothing more, and forget what was read of a request."""
        self.reading, self.closed = False, True
        self._site.untrusted.end(self)
        self._site.budget.give_back(self._size, trusted=self._admission.trusted)
        self._body, self._size = b"", 0

    def give_up(self) -> None:
        """Refuse the request that is being read: its body takes room that others need."""
        self._refuse_for(
            Overloaded(
                "The body took too long, and others need its room",
                fix="Send it faster, or with this backend's user and password",
            )
        )

    @property
    def stage(self) -> Stage:
        """How far the request that is being read is."""
        if not self.reading:
            return Stage.IDLE
        if not self._in_body:
            return Stage.HEAD
        return Stage.TRUSTED_BODY if self._admission.trusted else Stage.UNTRUSTED_BODY

    def late(self, now: float) -> bool:
        """Tell whether a request that is being read takes too long."""
        since = now - self._since
        if self.reading and self._in_body:
            if not self._admission.trusted and since > UNTRUSTED_TIMEOUT + self._size / UNTRUSTED_RATE:
                return True
            return now - self._heard > BODY_TIMEOUT or since > BODY_TIMEOUT + self._size / BODY_RATE
        return bool(self.reading or self._line_ends) and since > HEAD_TIMEOUT

    def restart_clock(self, now: float) -> None:
        """Count the time of a request that is being read from now on: until now the connection was not read from."""
        self._since = self._heard = now


def failure(status: int, detail: str) -> Response:
    """Return the answer to a request that is not handled."""
    return json_response(status, {"status": status, "detail": detail})


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
