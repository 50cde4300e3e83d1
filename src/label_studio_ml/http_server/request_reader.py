"""Parse the requests of one connection: bytes in, complete requests or refusals out.

    between requests ──first byte──▶ head ──login, framing, size──▶ body ──▶ handed over
      └──only line ends──▶ refused          └──▶ refused                └──timeout, too large, not HTTP──▶ refused

A refusal is handed over like a request, so that responses stay in order. Nothing is read after it, unless `admit`
refused a request without a body: then the beginning of the next request is known.
"""

import logging
from collections.abc import Callable

import httptools

from label_studio_ml.errors import BackendError, Overloaded
from label_studio_ml.http_server.body_budget import too_large
from label_studio_ml.http_server.connection_registry import Stage
from label_studio_ml.http_server.head_checks import SINGLE, fault_of
from label_studio_ml.http_server.incoming_request import IncomingRequest, failure
from label_studio_ml.http_server.messages import Response
from label_studio_ml.http_server.server_state import ServerState

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

#: Bytes of a body up to which the budget is not checked in advance.
SMALL_BODY = 64 << 10

#: Cache of header names: as received -> in lower case.
_NAMES: dict[bytes, str] = {}
_BLANK = ord(" ")


#: Placeholder while no request is being read.
_NONE = IncomingRequest()


class RequestReader:
    """Parser of the input of one connection.

    `on_request` is called with each request, `on_expect` when the client waits for `100 Continue`. `now` is a time of
    the event loop.
    """

    #: CPython looks up attributes more slowly if an object has more than 30 of them in a dict.
    __slots__ = (
        "_body",
        "_budget",
        "_count",
        "_head",
        "_in_body",
        "_last_input",
        "_limit",
        "_line_ends",
        "_on_expect",
        "_on_request",
        "_parser",
        "_progress",
        "_repeated",
        "_request",
        "_resuming",
        "_server",
        "_size",
        "_started",
        "_target",
        "_upgrading",
        "closed",
        "expects_continue",
        "peer",
        "reading",
    )

    def __init__(
        self,
        server: ServerState,
        on_request: Callable[[IncomingRequest], None],
        on_expect: Callable[[], None],
        now: float,
    ) -> None:
        self._server = server
        self._budget = server.budget
        self._on_request = on_request
        self._on_expect = on_expect
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
        self._repeated = ""
        self._body: bytes | bytearray = b""
        self._size = self._limit = self._head = self._count = 0
        #: Whether further headers are ignored: they are trailers, or follow a refusal.
        self._in_body = False
        self._upgrading = self._resuming = False
        #: Incremented at the beginning and end of each request, and for each piece of a body.
        self._progress = 0
        self._started = self._last_input = now
        self._line_ends = 0

    def feed(self, data: bytes, now: float) -> None:
        """Parse a piece of input."""
        self._last_input = now
        progress = self._progress
        unparsed: bytes | memoryview = data
        while True:
            try:
                self._parser.feed_data(unparsed)
            except httptools.HttpParserUpgrade as upgrade:
                # The request is handled without the upgrade that it asks for; what follows is HTTP.
                unparsed = memoryview(unparsed)[upgrade.args[0] :]
                self._resume()
                if unparsed and not self.closed:
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
                self._started = now
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
        self._request = IncomingRequest()
        self._target = b""
        self._repeated = ""
        self._head = self._count = 0
        self._in_body = self._upgrading = self.expects_continue = False
        self.reading = True
        if not self._line_ends:
            self._started = self._last_input
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
            lower_name = _NAMES[name]
        except KeyError:
            lower_name = name.decode("latin-1").lower()
            if len(_NAMES) < 256 and len(name) <= 64:
                _NAMES[name] = lower_name
        headers = self._request.headers
        if lower_name in headers and lower_name in SINGLE:
            self._repeated = lower_name
        if value and value[-1] <= _BLANK:
            value = value.rstrip()
        headers[lower_name] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Check the head and decide whether the request is handled, before its body is read."""
        self._in_body = True
        if self._resuming:
            self._resuming = False
            return
        if self.closed or not self.reading:
            return
        self._started = self._last_input
        parser, request = self._parser, self._request
        headers = request.headers
        version = parser.get_http_version()
        request.keep_alive = bool(parser.should_keep_alive())
        length = headers.get("content-length")
        request.has_body = (length is not None and length.strip("0") != "") or "transfer-encoding" in headers
        if fault := fault_of(version, headers, self._repeated):
            self.refuse(failure(fault.status, fault.detail))
            return
        request.method = parser.get_method().decode("latin-1")
        request.http10 = version == "1.0"
        request.set_target(self._target)
        if self._server.root_path is not None:
            request.requested_path = request.path
            request.path = self._server.root_path.strip(request.path, self.peer, headers)
        self._admit(int(length or 0))
        if not request.has_body or not self.reading or version != "1.1":
            return
        if "expect" in headers and headers["expect"].lower() == "100-continue":
            self.expects_continue = True
            self._on_expect()

    def _admit(self, length: int) -> None:
        """Call `admit` for the request; refuse it if it is not admitted, or its body is too large."""
        server, request = self._server, self._request
        try:
            admission = request.admission = server.endpoints.admit(request)
            limit = admission.max_body
            if limit > server.max_body:
                limit = server.max_body
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
        response = self._server.endpoints.refuse(error, request)
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
            self._server.untrusted.make_room(size, self, self._size)
            self._server.untrusted.add(self)
        try:
            self._budget.reserve(size, trusted=trusted, counted=self._size)
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
        """Hand the complete request over to `on_request`."""
        if not self.reading:
            return
        request = self._request
        if not self._upgrading and request.has_body and self._parser.should_upgrade():
            self._upgrading = True
            return
        self.reading = False
        self._progress += 1
        if not request.admission.trusted:
            self._server.untrusted.discard(self)
        if request.method == "CONNECT":
            request.keep_alive = False
        if self._size:
            body = self._body
            request.body = body if isinstance(body, bytes) else bytes(body)
            request.charge = self._size
            self._body, self._size = b"", 0
        self._request, self._upgrading = _NONE, False
        self.closed = not request.keep_alive
        self._on_request(request)

    # Refusals, timeouts and aborted requests

    def refuse(self, response: Response) -> None:
        """Hand over a response instead of the request being read, and read nothing after it."""
        method = self._request.method
        self.close()
        self._on_request(IncomingRequest(method, response))

    def close(self) -> None:
        """Stop reading, and discard a partly read request."""
        self.closed = self._in_body = True
        self.reading = self._upgrading = False
        self._server.untrusted.discard(self)
        self._budget.release(self._size, trusted=self._request.admission.trusted)
        self._request, self._body, self._size = _NONE, b"", 0

    def evict(self) -> None:
        """Refuse the request being read: other untrusted requests need the memory of its body."""
        self._refuse_for(
            Overloaded(
                "The body arrived too slowly, and other requests need its memory",
                fix="Send it faster, or with this backend's user and password",
            )
        )

    @property
    def finished(self) -> bool:
        """Whether no request is being read, and none will be."""
        return self.closed and not self.reading

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

    def timed_out(self, now: float) -> bool:
        """Return whether the request being read exceeds a timeout at the time `now`."""
        elapsed = now - self._started
        if self.reading and self._in_body:
            trusted = self._request.admission.trusted
            if not trusted and elapsed > UNTRUSTED_TIMEOUT + self._size / UNTRUSTED_RATE:
                return True
            return now - self._last_input > BODY_TIMEOUT or elapsed > BODY_TIMEOUT + self._size / BODY_RATE
        return bool(self.reading or self._line_ends) and elapsed > HEAD_TIMEOUT

    def restart_clock(self, now: float) -> None:
        """Restart the timeouts of the request being read: time spent on answering earlier requests does not count."""
        self._started = self._last_input = now
