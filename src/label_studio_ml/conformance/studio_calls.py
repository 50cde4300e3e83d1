"""Send calls to a backend as Label Studio's client does: its headers, time limits, retries, redirects and login."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.support.pinned_requests import distrust_reason
from label_studio_ml.support.url_secrets import without_login

if TYPE_CHECKING:
    from requests import Response

#: The `User-Agent` of Label Studio's client. That of its webhooks is the one of `requests`.
USER_AGENT = "heartex/1.23.2"

#: How often Label Studio's client tries again: always when it gets no connection, a GET also when no answer comes.
RETRIES = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that Label Studio waits for an answer, by default, and for a connection.

    `webhook` is for events; a request for a training has the limit of predictions.
    """

    connect: float = 1.0
    health: float = 1.0
    setup: float = 3.0
    versions: float = 3.0
    predict: float = 100.0
    webhook: float = 1.0


class Untrusted(Exception):
    """The certificate of the backend is not trusted. The text is the reason."""


@dataclass(frozen=True, slots=True)
class StudioCalls:
    """Calls of one backend. `url` may contain a login, which Label Studio's webhooks send as well.

    `login` is user and password as in the form of Label Studio's page: webhooks go without it.
    """

    url: str
    login: tuple[str, str] | None = None
    limits: Limits = field(default_factory=Limits)

    def get(self, path: str, limit: float) -> Answer:
        """Send a GET without a query, as Label Studio does. Raises Untrusted."""
        return self._call("GET", path, limit)

    def post(self, path: str, body: Any, limit: float) -> Answer:
        """Send a POST with a body as JSON. Raises Untrusted."""
        return self._call("POST", path, limit, json=body)

    def send(
        self, path: str, content: bytes, limit: float, *, login: tuple[str, str] | None = None
    ) -> Answer:
        """Send a POST with `content` as it is, which is to be JSON. `login` replaces the client's. Raises Untrusted."""
        headers = {"Content-Type": "application/json"}
        return self._call("POST", path, limit, login=login or self.login, data=content, extra_headers=headers)

    def with_login(self, login: tuple[str, str] | None) -> "StudioCalls":
        """Return the calls with another login, and without one in the URL."""
        return StudioCalls(without_login(self.url), login, self.limits)

    def event(self, payload: Any) -> Answer:
        """Send an event to the webhook that Label Studio makes for a backend: once, without login. Raises Untrusted."""
        import requests

        url = f"{self.url.rstrip('/')}/webhook"
        with requests.Session() as session:
            return _timed(
                "POST /webhook",
                self.limits.webhook,
                lambda: session.post(url, json=payload, headers={}, timeout=self.limits.webhook),
            )

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
        import requests
        from requests.adapters import HTTPAdapter

        login = login or self.login
        # Label Studio 1.23 has no limit of its own for connections if a login is set.
        timeout: Any = limit if login else (self.limits.connect, limit)
        url = f"{self.url.rstrip('/')}{path}"
        with requests.Session() as session:
            session.headers.update({"User-Agent": USER_AGENT, **(extra_headers or {})})
            session.auth = login
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
            return _timed(
                f"{method} {path}", limit, lambda: session.request(method, url, timeout=timeout, **arguments)
            )


def _timed(call: str, limit: float, send: Any) -> Answer:
    """Send a request and return its answer. Raises Untrusted if the server's certificate is refused."""
    import requests

    start = time.monotonic()
    try:
        response: Response = send()
    except requests.RequestException as error:
        if reason := distrust_reason(error):
            raise Untrusted(reason) from None
        seconds = time.monotonic() - start
        timed_out = _timed_out(error)
        return Answer(
            call, seconds, limit, failure=_failure(call, limit, error, timed_out), timed_out=timed_out
        )
    return Answer(
        call,
        time.monotonic() - start,
        limit,
        status=response.status_code,
        reason=response.reason or "",
        content=response.content,
        content_type=response.headers.get("Content-Type", "").lower(),
        redirects=tuple(step.status_code for step in response.history),
        url=without_login(response.url),
        method=response.request.method or "",
    )


def _timed_out(error: Exception) -> bool:
    """Tell whether the server was connected and did not answer in time; after retries, the cause is in `reason`."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    if isinstance(error, requests.ReadTimeout):
        return True
    return isinstance(getattr(error.args[0] if error.args else None, "reason", None), ReadTimeoutError)


def _failure(call: str, limit: float, error: Exception, timed_out: bool) -> str:
    """Return in a phrase why there is no answer."""
    import requests

    text = str(error)
    if timed_out:
        asked = f", asked {RETRIES + 1} times" if call.startswith("GET") else ""
        return f"no answer within {limit:g} s{asked}"
    if isinstance(error, requests.ConnectTimeout):
        return "no connection within the time limit"
    if isinstance(error, requests.TooManyRedirects):
        return "redirects without an end"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return "an answer that ends too early or cannot be decoded"
    for part, meaning in _CAUSES.items():
        if part in text:
            return meaning
    return f"no answer: {text.rpartition(': ')[2].rstrip(')')[:200]}"


#: Parts of the errors of `requests`, and what they mean.
_CAUSES = {
    "Connection refused": "nothing listens at this address",
    "Name or service not known": "the host name is not known",
    "nodename nor servname": "the host name is not known",
    "No address associated": "the host name is not known",
    "Temporary failure in name resolution": "the host name is not known",
    "Remote end closed connection": "the connection was closed without an answer",
    "Connection aborted": "the connection was closed without an answer",
    "Connection reset": "the connection was closed without an answer",
    "No route to host": "there is no route to the host",
    "wrong version number": "the server does not speak HTTPS",
    "BadStatusLine": "an answer that is not HTTP",
}
