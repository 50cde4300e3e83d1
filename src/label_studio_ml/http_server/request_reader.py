"""Parse the requests of one connection: bytes in, complete requests or refusals out.

    between requests ──first byte──▶ head ──login, framing, size──▶ body ──▶ handed over
      └──only line ends──▶ refused          └──▶ refused                └──timeout, too large, not HTTP──▶ refused

A refusal is handed over like a request, so that responses stay in order. Nothing is read after it, unless `admit`
refused a request without a body: then the beginning of the next request is known.
"""

import logging
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

import httptools

from label_studio_ml.errors import BackendError, Overloaded
from label_studio_ml.http_server.connection_registry import Site, Stage, too_large
from label_studio_ml.http_server.head_checks import SINGLE, fault_of
from label_studio_ml.http_server.messages import Admission, Call, Response, json_response

logger = logging.getLogger(__name__)

#: Seconds for the head of a request, from its first byte or the first empty line before it.
HEAD_TIMEOUT = 30.0
#: Seconds between two pieces of a body; and for the whole body, in addition to its received size divided by BODY_RATE
#: (bytes per second).
BODY_TIMEOUT = 60.0
BODY_RATE = 16 << 10
#: The same limit on the whole body of an untrusted request.
UNTRUSTED_TIMEOUT = 20.0
UNTRUSTED_RATE = 256 << 10
#: Maximum bytes of a head, without the pieces of input in which it begins and ends; and of line ends before it.
MAX_HEAD = 64 << 10
MAX_LINE_ENDS = 256
#: Maximum number of headers: as a Python object, each takes much more memory than its bytes.
MAX_HEADERS = 128

#: Length in bytes up to which a request's target is parsed with a cache.
SHORT = 64
#: Bytes of a body up to which the budget is not checked in advance.
SMALL_BODY = 64 << 10

#: Cache of header names: as received -> in lower case.
_NAMES: dict[bytes, str] = {}
_BLANK = ord(" ")
_REFUSED = Admission(trusted=False, max_body=0)


class Request(Call):
    """One request of a connection, filled in as it is received. `charge` is the number of bytes counted for its body.

    `refused` is its response if it must not be handled. `keep` says whether the connection stays open after it.
    """

    __slots__ = ("charge", "keep", "old", "refused")

    admission: Admission

    def __init__(self, method: str = "", refused: Response | None = None) -> None:
        # Call.__init__ is not used: setting each attribute twice would slow down small requests noticeably.
        self.method = method
        self.path = self.query = self.peer = self.caller = ""
        self.headers = {}
        self.body = b""
        self.admission = _REFUSED
        self.gone = None
        self.has_body = self.keep = self.old = False  # old: HTTP/1.0
        self.charge = 0
        self.refused = refused


#: Placeholder while no request is being read.
_NONE = Request()


class RequestReader:
    """Parser of the input of one connection.

    `take` is called with each request, `may_continue` when the client waits for `100 Continue`. `now` is a time of the
    event loop.
    """

    #: CPython looks up attributes more slowly if an object has more than 30 of them in a dict.
    __slots__ = (
        "_body",
        "_budget",
        "_count",
        "_doubled",
        "_head",
        "_heard",
        "_in_body",
        "_limit",
        "_line_ends",
        "_may_continue",
        "_parser",
        "_progress",
        "_request",
        "_resuming",
        "_since",
        "_site",
        "_size",
        "_take",
        "_target",
        "_upgrading",
        "closed",
        "expects_continue",
        "peer",
        "reading",
    )

    def __init__(
        self, site: Site, take: Callable[[Request], None], may_continue: Callable[[], None], now: float
    ) -> None:
        self._site = site
        self._budget = site.budget
        self._take = take
        self._may_continue = may_continue
        self._parser = httptools.HttpRequestParser(self)
        #: Address of the client, empty if unknown.
        self.peer = ""
        #: Whether a request is being read.
        self.reading = False
        #: Whether no request is accepted after the current or last one.
        self.closed = False
        #: Whether the client waits for `100 Continue` before it sends the body.
        self.expects_continue = False
        #: The request being read.
        self._request = _NONE
        self._target = b""
        self._doubled = ""
        self._body: bytes | bytearray = b""
        self._size = self._limit = self._head = self._count = 0
        #: Whether further headers are ignored: they are trailers, or follow a refusal.
        self._in_body = False
        self._upgrading = self._resuming = False
        #: Incremented at the beginning and end of each request, and for each piece of a body.
        self._progress = 0
        self._since = self._heard = now
        self._line_ends = 0

    def feed(self, data: bytes, now: float) -> None:
        """Parse a piece of input."""
        self._heard = now
        progress = self._progress
        rest: bytes | memoryview = data
        while True:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                # The request is handled without the upgrade that it asks for; what follows is HTTP.
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
        """Count input that neither began nor ended a request nor added to a body; refuse it if it is too much."""
        if self.reading:
            self._head += size  # the head goes on, or trailers arrive
            if self._head > MAX_HEAD:
                self.refuse(failure(431, f"The head of the request has more than {MAX_HEAD} bytes"))
        elif not self.closed:
            if not self._line_ends:
                self._since = now
            self._line_ends += size
            if self._line_ends > MAX_LINE_ENDS:
                self.refuse(failure(400, "This is not an HTTP request: there are only line ends"))

    def _resume(self) -> None:
        """Continue with a new parser after the head of an upgrade request: the old parser skips the body."""
        self._parser = httptools.HttpRequestParser(self)
        if self._upgrading:
            headers = self._request.headers
            chunked = "transfer-encoding" in headers
            length = headers.get("content-length", "")
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
            self._resuming = True
            self._parser.feed_data(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode("latin-1"))

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self.closed or self._resuming:
            return
        self._progress += 1
        self._request = Request()
        self._target = b""
        self._doubled = ""
        self._head = self._count = 0
        self._in_body = self._upgrading = self.expects_continue = False
        self.reading = True
        if not self._line_ends:
            self._since = self._heard
        self._line_ends = 0

    def on_url(self, url: bytes) -> None:
        """Append a piece of the request's target."""
        if not self._resuming:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header, replacing an earlier one of that name; ignore trailers."""
        if self._in_body:
            return
        self._count += 1
        if self._count > MAX_HEADERS:
            self.refuse(failure(431, f"The head of the request has more than {MAX_HEADERS} headers"))
            return
        try:
            known = _NAMES[name]
        except KeyError:
            known = name.decode("latin-1").lower()
            if len(_NAMES) < 256 and len(name) <= 64:
                _NAMES[name] = known
        headers = self._request.headers
        if known in headers and known in SINGLE:
            self._doubled = known
        if value and value[-1] <= _BLANK:
            value = value.rstrip()
        headers[known] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Check the head and decide whether the request is handled, before its body is read."""
        self._in_body = True
        if self._resuming:
            self._resuming = False
            return
        if self.closed or not self.reading:
            return
        self._since = self._heard
        parser, request = self._parser, self._request
        headers = request.headers
        version = parser.get_http_version()
        request.keep = bool(parser.should_keep_alive())
        length = headers.get("content-length")
        request.has_body = (length is not None and length.strip("0") != "") or "transfer-encoding" in headers
        if fault := fault_of(version, headers, self._doubled):
            self.refuse(failure(fault.status, fault.detail))
            return
        request.method = parser.get_method().decode("latin-1")
        request.old = version == "1.0"
        target = self._target
        request.path, request.query = _split(target) if len(target) > SHORT else _split_short(target)
        self._admit(int(length or 0))
        if not request.has_body or not self.reading or version != "1.1":
            return
        if "expect" in headers and headers["expect"].lower() == "100-continue":
            self.expects_continue = True
            self._may_continue()

    def _admit(self, length: int) -> None:
        """Call `admit` for the request; refuse it if it is not admitted, or its body is too large."""
        site, request = self._site, self._request
        try:
            admission = request.admission = site.endpoints.admit(request)
            limit = admission.max_body
            if limit > site.max_body:
                limit = site.max_body
            self._limit = limit
            if length > limit:
                raise too_large(limit, trusted=admission.trusted)
            if length > SMALL_BODY and admission.trusted:  # untrusted bodies make room when they arrive
                self._budget.check(length, trusted=admission.trusted)
        except BackendError as error:
            self._refuse_for(error)
        except Exception:
            logger.exception("A request was not admitted")
            self.refuse(failure(500, "internal error; see logs/server.log"))

    def _refuse_for(self, error: BackendError) -> None:
        request = self._request
        request.peer = self.peer
        response = self._site.endpoints.refuse(error, request)
        if request.has_body:
            self.refuse(response)
        else:
            request.refused = response

    def on_body(self, body: bytes) -> None:
        """Append a piece of the body; refuse the request if the body exceeds a limit."""
        if not self.reading:
            return
        size = len(body)
        self._progress += 1
        trusted = self._request.admission.trusted
        if not trusted:
            self._site.untrusted.make_room(size, self, self._size)
            self._site.untrusted.begin(self)
        try:
            self._budget.take(size, trusted=trusted, before=self._size)
        except BackendError as error:
            self._refuse_for(error)
            return
        if not self._size:
            self._body = body
        else:  # one bytearray: a list of many small chunks would take many times their size
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        self._size += size
        if self._size > self._limit:
            self._refuse_for(too_large(self._limit, trusted=trusted))

    def on_message_complete(self) -> None:
        """Hand the complete request over to `take`."""
        if not self.reading:
            return
        request = self._request
        if not self._upgrading and request.has_body and self._parser.should_upgrade():
            self._upgrading = True
            return
        self.reading = False
        self._progress += 1
        if not request.admission.trusted:
            self._site.untrusted.end(self)
        if request.method == "CONNECT":
            request.keep = False
        if self._size:
            body = self._body
            request.body = body if isinstance(body, bytes) else bytes(body)
            request.charge = self._size
            self._body, self._size = b"", 0
        self._request, self._upgrading = _NONE, False
        self.closed = not request.keep
        self._take(request)

    # Refusals, timeouts and aborted requests

    def refuse(self, response: Response) -> None:
        """Hand over a response instead of the request being read, and read nothing after it."""
        method = self._request.method
        self.close()
        self._take(Request(method, response))

    def close(self) -> None:
        """Stop reading, and discard a partly read request."""
        self.closed = self._in_body = True
        self.reading = self._upgrading = False
        self._site.untrusted.end(self)
        self._budget.give_back(self._size, trusted=self._request.admission.trusted)
        self._request, self._body, self._size = _NONE, b"", 0

    def give_up(self) -> None:
        """Refuse the request being read: other untrusted requests need the memory of its body."""
        self._refuse_for(
            Overloaded(
                "The body took too long, and others need its room",
                fix="Send it faster, or with this backend's user and password",
            )
        )

    @property
    def received(self) -> int:
        """Number of bytes of the body received so far."""
        return self._size

    @property
    def stage(self) -> Stage:
        """Progress of the request being read, IDLE if there is none."""
        if not self.reading:
            return Stage.IDLE
        if not self._in_body:
            return Stage.HEAD
        return Stage.TRUSTED_BODY if self._request.admission.trusted else Stage.UNTRUSTED_BODY

    def late(self, now: float) -> bool:
        """Return whether the request being read exceeds a timeout at the time `now`."""
        since = now - self._since
        if self.reading and self._in_body:
            trusted = self._request.admission.trusted
            if not trusted and since > UNTRUSTED_TIMEOUT + self._size / UNTRUSTED_RATE:
                return True
            return now - self._heard > BODY_TIMEOUT or since > BODY_TIMEOUT + self._size / BODY_RATE
        return bool(self.reading or self._line_ends) and since > HEAD_TIMEOUT

    def restart_clock(self, now: float) -> None:
        """Restart the timeouts of the request being read: time spent on answering earlier requests does not count."""
        self._since = self._heard = now


def failure(status: int, detail: str) -> Response:
    """Return the response to a request that is not handled."""
    return json_response(status, {"status": status, "detail": detail})


def _split(target: bytes) -> tuple[str, str]:
    """Return the decoded path, and the query, of a request's target, which may be an absolute URL."""
    if not target.startswith(b"/") and b"://" in target:
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            return target.decode("latin-1"), ""
        target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    path, _, query = target.decode("latin-1").partition("?")
    return unquote(path) if "%" in path else path, query


_split_short = lru_cache(maxsize=256)(_split)
