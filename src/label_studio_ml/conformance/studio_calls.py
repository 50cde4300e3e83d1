"""Send calls to a backend as Label Studio's client does: its headers, time limits, retries, redirects and login."""

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.transport.bounded_call import Endless, bounded_call
from label_studio_ml.conformance.transport.run_limit import TimeLimit
from label_studio_ml.support.pinned_requests import distrust_reason
from label_studio_ml.support.url_secrets import mask, without_login

if TYPE_CHECKING:
    from requests import Response

    from label_studio_ml.conformance.transport.studio_session import StudioSession

#: The `User-Agent` of Label Studio's client. That of its webhooks is the one of `requests`.
USER_AGENT = "heartex/1.23.2"

#: How often Label Studio's client tries again: always when it gets no connection, a GET also when no answer comes.
RETRIES = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that Label Studio waits for an answer, by default, and for a connection.

    `webhook` is for events; a request for a training has the limit of predictions. `rest` is a limit that Label Studio
    does not have: for the time after the other limits, or a quarter of the limit of the call if that is longer.
    """

    connect: float = 1.0
    health: float = 1.0
    setup: float = 3.0
    versions: float = 3.0
    predict: float = 100.0
    webhook: float = 1.0
    rest: float = 10.0

    def total(self, call: str, connect: float, limit: float) -> float:
        """Return the seconds after which a call is given up, whatever arrives: after all tries, and `rest`."""
        tries = RETRIES + 1
        return tries * connect + (tries if call.startswith("GET") else 1) * limit + max(self.rest, limit / 4)


class Untrusted(Exception):
    """The certificate of the backend is not trusted. The text is the reason."""


@dataclass(frozen=True, slots=True)
class StudioCalls:
    """Calls of one backend. `url` may contain a login, which Label Studio's webhooks send as well.

    `login` is user and password as in the form of Label Studio's page: webhooks go without it. `time_limit` is that of
    all calls together: beyond it, each method that sends a call raises OutOfTime.
    """

    url: str
    login: tuple[str, str] | None = None
    limits: Limits = field(default_factory=Limits)
    time_limit: TimeLimit = field(default_factory=TimeLimit)

    @property
    def used_login(self) -> tuple[str, str] | None:
        """User and password of the calls: those of the form, else those in the URL; None without any."""
        parts = urlsplit(self.url)
        if self.login is not None or not parts.username:
            return self.login
        return unquote(parts.username), unquote(parts.password or "")

    def get(self, path: str, limit: float) -> Answer:
        """Send a GET without a query, as Label Studio does. Raises Untrusted."""
        return self._call("GET", path, limit)

    def post(self, path: str, body: Any, limit: float) -> Answer:
        """Send a POST with a body as JSON. Raises Untrusted."""
        return self._call("POST", path, limit, json=body)

    def post_in_background(self, path: str, body: Any, limit: float) -> threading.Thread:
        """Send a POST from a thread, and return the thread as soon as the server has the body, or cannot get it.

        It is returned after `limit` seconds at the latest. The answer is not returned, nor is an error of the call.
        """
        handed_over = threading.Event()
        content = _WatchedBody(json.dumps(body).encode(), handed_over)

        def call() -> None:
            try:
                with contextlib.suppress(Exception):
                    headers = {"Content-Type": "application/json"}
                    self._call("POST", path, limit, data=content, extra_headers=headers)
            finally:
                handed_over.set()

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        handed_over.wait(limit)
        return thread

    def send(
        self, path: str, content: bytes, limit: float, *, login: tuple[str, str] | None = None
    ) -> Answer:
        """Send a POST with `content` as it is, which is to be JSON. `login` replaces the client's. Raises Untrusted."""
        headers = {"Content-Type": "application/json"}
        return self._call("POST", path, limit, login=login or self.login, data=content, extra_headers=headers)

    def with_login(self, login: tuple[str, str] | None) -> "StudioCalls":
        """Return the calls with another login, and without one in the URL."""
        return replace(self, url=without_login(self.url), login=login)

    def event(self, payload: Any) -> Answer:
        """Send an event to the webhook that Label Studio makes for a backend: once, without login. Raises Untrusted."""
        url, limit = f"{self.url.rstrip('/')}/webhook", self.limits.webhook

        def send(session: "StudioSession") -> "Response":
            return session.post(url, json=payload, headers={}, timeout=limit, stream=True)

        return self._answer("POST /webhook", limit, self.limits.total("POST", limit, limit), 0, send)

    def _call(
        self,
        method: str,
        path: str,
        limit: float,
        *,
        login: tuple[str, str] | None = None,
        extra_headers: dict[str, str] | None = None,
        **arguments: Any,
    ) -> Answer:
        login = login or self.login
        # Label Studio 1.23 has no limit of its own for connections if a login is set.
        connect = limit if login else self.limits.connect
        url = f"{self.url.rstrip('/')}{path}"

        def send(session: "StudioSession") -> "Response":
            session.headers.update({"User-Agent": USER_AGENT, **(extra_headers or {})})
            session.auth = login
            return session.request(method, url, timeout=(connect, limit), stream=True, **arguments)

        total = self.limits.total(method, connect, limit)
        return self._answer(f"{method} {path}", limit, total, RETRIES, send)

    def _answer(
        self,
        call: str,
        limit: float,
        total: float,
        retries: int,
        send: "Callable[[StudioSession], Response]",
    ) -> Answer:
        """Send a call and return its answer. `total` limits the seconds for all of it.

        Raises Untrusted, and OutOfTime if the time limit of all calls is over before `total`.
        """
        from label_studio_ml.conformance.transport.studio_session import StudioSession

        allowed = self.time_limit.allowed(total)
        start = time.monotonic()
        try:
            with StudioSession(retries, allowed) as session:
                answer = _timed(call, limit, allowed, session, lambda: send(session))
        finally:
            self.time_limit.record(call, time.monotonic() - start)
        if answer.timed_out and allowed < total and self.time_limit.is_over:
            raise self.time_limit.interrupted(call, answer.seconds)
        return answer


class _WatchedBody(io.BytesIO):
    """The body of a request that sets `sent` when all of it has been read and given to the connection."""

    def __init__(self, content: bytes, sent: threading.Event) -> None:
        super().__init__(content)
        self._sent = sent

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes; the client reads again when it has sent what it has read."""
        part = super().read(size)
        if not part:
            self._sent.set()
        return part


_READS_ON = (
    "Label Studio reads as long as it goes on, and so long the person waits who opens the page or submits"
)
_SMALLER = "End each answer, and return less for a task: fewer regions, or shorter ones"
_WAITS = "Label Studio waits so long before it asks again, twice, and with it the person who opens the page"


def _timed(call: str, limit: float, total: float, session: "StudioSession", send: Any) -> Answer:
    """Send a request of a session and return its answer. `total` limits the seconds for all of it.

    Raises Untrusted if the server's certificate is refused.
    """
    import requests

    from label_studio_ml.conformance.transport.studio_session import LongWait

    start = time.monotonic()

    def failed(failure: str, fix: str, **fields: Any) -> Answer:
        return Answer(call, time.monotonic() - start, limit, failure=failure, failure_fix=fix, **fields)

    try:
        response, content = bounded_call(send, total)
    except Endless as error:
        failure = f"an answer that has not ended after {error}"
        fix = _SMALLER if error.too_large else "End each answer: send it in one piece, with a Content-Length"
        return failed(failure, fix, timed_out=True, hang=_READS_ON)
    except LongWait as error:
        fix = "Leave Retry-After out of answers to GET, or let it be a second"
        return failed(str(error), fix, hang=_WAITS)
    except requests.RequestException as error:
        if reason := distrust_reason(error):
            raise Untrusted(reason) from None
        cause = _cause(call, limit, error)
        if session.targets and not isinstance(error, requests.TooManyRedirects):
            fix = "Correct the redirect, or enter the final address in Label Studio"
            meaning = f"a redirect to {mask(session.targets[-1])}: {cause.meaning}"
            return failed(meaning, fix, timed_out=_timed_out(error))
        return failed(cause.meaning, cause.fix, unreachable=cause.unreachable, timed_out=_timed_out(error))
    except Exception as error:  # noqa: BLE001 - an address that a redirect names may be of any form
        cause_text = f"{type(error).__name__}: {error}"[:_LONGEST]
        return failed(f"an answer that Label Studio's client cannot read ({cause_text})", _CORRECT)
    return Answer(
        call,
        time.monotonic() - start,
        limit,
        status=response.status_code,
        reason=response.reason or "",
        content=content,
        encoding=response.encoding,
        content_type=response.headers.get("Content-Type", "").lower(),
        redirects=tuple(step.status_code for step in response.history),
        url=mask(response.url),
        method=response.request.method or "",
    )


def _timed_out(error: Exception) -> bool:
    """Tell whether the server was connected and did not answer in time; after retries, the cause is in `reason`."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    if isinstance(error, requests.ReadTimeout):
        return True
    cause = error.args[0] if error.args else None  # of a time-out in the middle of the body, or after retries
    return isinstance(cause, ReadTimeoutError) or isinstance(getattr(cause, "reason", None), ReadTimeoutError)


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why there is no answer: in a phrase, with what to do, and whether there was no connection either."""

    meaning: str
    fix: str
    unreachable: bool = False


#: Characters of an error that are shown.
_LONGEST = 200
_START = "Start the backend, or correct the URL"
_CORRECT = "Correct the answer's status, headers and redirects"
_CRASHED = "See the log of the backend, and of a proxy before it: the process that answers may have ended"


def _cause(call: str, limit: float, error: Exception) -> _Cause:
    """Return why there is no answer."""
    import requests

    text = str(error)
    if _timed_out(error):
        asked = f", asked {RETRIES + 1} times" if call.startswith("GET") else ""
        fix = "Answer sooner: do slow work in the background, or in a faster model"
        return _Cause(f"no answer within {limit:g} s{asked}", fix)
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
        return _Cause("no address of a web server", _CORRECT)
    if isinstance(error, requests.exceptions.InvalidHeader):
        fix = "Send the seconds to wait in the header Retry-After, as a whole number, or an HTTP date"
        return _Cause(
            "an answer with a header Retry-After that is neither a number of seconds nor a date", fix
        )
    if isinstance(error, requests.ConnectTimeout):
        return _Cause("no connection within the time limit", _START, unreachable=True)
    if isinstance(error, requests.TooManyRedirects):
        fix = "Correct the redirects of the backend, or of a proxy before it"
        return _Cause("redirects without an end", fix)
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        fix = "Send as many bytes as the header Content-Length says, with the encoding of the header Content-Encoding"
        return _Cause("an answer that ends too early or cannot be decoded", fix)
    for part, cause in _CAUSES.items():
        if part in text:
            return cause
    return _Cause(f"no answer: {text.rpartition(': ')[2].rstrip(')')[:200]}", _START, unreachable=True)


_TOO_MANY_HEADERS = _Cause("an answer with headers that are too many or too long", _CORRECT)
_UNKNOWN_HOST = _Cause("the host name is not known", "Correct the URL", unreachable=True)
_CLOSED = _Cause("the connection was closed without an answer", _CRASHED)

#: Parts of the errors of `requests`, and what they mean.
_CAUSES = {
    "Connection refused": _Cause("nothing listens at this address", _START, unreachable=True),
    "Name or service not known": _UNKNOWN_HOST,
    "nodename nor servname": _UNKNOWN_HOST,
    "No address associated": _UNKNOWN_HOST,
    "Temporary failure in name resolution": _UNKNOWN_HOST,
    "got more than": _TOO_MANY_HEADERS,
    "LineTooLong": _TOO_MANY_HEADERS,
    "BadStatusLine": _Cause(
        "an answer that is not HTTP", "Correct the port: another kind of server answers there"
    ),
    "Remote end closed connection": _CLOSED,
    "Connection aborted": _CLOSED,
    "Connection reset": _CLOSED,
    "No route to host": _Cause("there is no route to the host", "Correct the URL", unreachable=True),
    "wrong version number": _Cause(
        "the server does not speak HTTPS", "Give the URL with http://, or correct the port", unreachable=True
    ),
}
