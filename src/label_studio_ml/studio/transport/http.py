"""HTTP requests to Label Studio and to file servers, with redirects, login and retries.

The token is sent to Label Studio's own origin only, and there only where the caller allows it; the decision is made
again for each redirect. Peer addresses are checked (`address`). Cookies are neither kept nor sent; `.netrc` is not
read.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from label_studio_ml.errors import StudioAuthError, StudioError
from label_studio_ml.studio.addresses.allowed_addresses import guard
from label_studio_ml.studio.addresses.deadline import current
from label_studio_ml.studio.addresses.references import below, mask, origin
from label_studio_ml.studio.transport.api_tokens import Token, TokenKind
from label_studio_ml.studio.transport.token_cache import TokenCache, default_folder
from label_studio_ml.support.texts import whole_number

if TYPE_CHECKING:
    from requests import Response, Session

logger = logging.getLogger(__name__)

#: Number of attempts, and the longest wait in seconds between two attempts, whatever Retry-After says.
ATTEMPTS = 4
LONGEST_WAIT = 30.0
#: Larger numbers of seconds in Retry-After are read as this one.
_LONGEST_RETRY = 86_400

MAX_REDIRECTS = 10

#: Errors of the various OpenSSL releases for a response that is not TLS.
_PLAIN = re.compile(
    "wrong.version.number|http.request|unknown.protocol|packet.length.too.long", re.IGNORECASE
)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
#: Statuses which mean that a request was not carried out, so that even a POST may be sent again.
_NOT_DONE = frozenset({429, 503})


class Http:
    """HTTP client for one Label Studio and for the servers of its tasks' files. Thread-safe.

    `url` is Label Studio's address with its sub-path, if any; empty when it is not known. Timeouts are in seconds.
    `private` are the hosts that may be contacted although their addresses are private, `own_private` the private
    addresses that Label Studio itself may have. Access tokens are shared in `access_folder` (None: the user's cache).
    Inside a `Deadline`, a request ends with it. Raises StudioError when `url` is not an http(s) address.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        verify_tls: bool = True,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        private: tuple[str, ...] = (),
        own_private: tuple[str, ...] = ("*",),
        sleep: Callable[[float], None] = time.sleep,
        access_folder: Path | None = None,
    ) -> None:
        self.base = url.strip().rstrip("/")
        folder = access_folder or default_folder()
        self.token = Token(token, shelf=lambda refresh: TokenCache(folder, self.base, refresh))
        self._verify = verify_tls
        self._timeout = (connect_timeout, read_timeout)
        self._private, self._own_private = private, (*own_private, *private)
        self._sleep = sleep
        self._lock = threading.Lock()
        self._sessions: dict[bool, Session] = {}
        if self.base:
            try:
                origin(self.base)
            except ValueError as error:
                raise StudioError(
                    str(error),
                    fix="Set LABEL_STUDIO_URL to an address such as http://host:8080",
                    field="LABEL_STUDIO_URL",
                ) from None

    def __repr__(self) -> str:
        return f"Http({mask(self.base)!r}, {self.token!r})"

    def close(self) -> None:
        """Close the connections that are kept open."""
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.close()

    def access_token(self) -> str:
        """Return the token of the Authorization header, without its scheme; empty if there is none.

        Raises StudioError when a personal access token cannot be exchanged.
        """
        return self.token.authorization(self._exchange).rpartition(" ")[2]

    @contextmanager
    def request(
        self,
        method: str,
        url: str,
        *,
        login: Callable[[str], bool],
        stay: bool,
        error: type[StudioError] = StudioError,
        repeatable: bool = True,
        **arguments: Any,
    ) -> "Iterator[Response]":
        """Send a request and give the response, whatever its status, with its body not yet read.

        `login` decides for a URL at Label Studio whether the token is sent to it. With `stay`, a redirect away from
        Label Studio is an error. `arguments` are passed to requests (`json`, `params`). A request that fails or is
        answered with 429, 500, 502, 503 or 504 is sent again after a pause, at most `ATTEMPTS` times in all; a request
        that is not `repeatable` only if it was not carried out. Raises `error` when no response arrives or a redirect
        must not be followed, and StudioError when the personal access token cannot be exchanged.
        """
        response = self._send(method, url, login, stay, error, repeatable, arguments)
        try:
            yield response
        finally:
            response.close()

    def _send(
        self,
        method: str,
        url: str,
        login: Callable[[str], bool],
        stay: bool,
        error: type[StudioError],
        repeatable: bool,
        arguments: dict[str, Any],
    ) -> "Response":
        from requests import ConnectionError as NotConnected
        from requests import ConnectTimeout, RequestException, Timeout

        again = _TRY_AGAIN if repeatable else _NOT_DONE
        renewed = False
        attempt = 1
        while True:
            try:
                response = self._follow(method, url, login, stay, error, arguments)
            except (NotConnected, Timeout) as failure:
                if attempt == ATTEMPTS or not (repeatable or isinstance(failure, ConnectTimeout)):
                    raise self._unreachable(url, failure, error) from None
                wait = 0.5 * 2 ** (attempt - 1)
                if _too_late(wait):
                    raise self._unreachable(url, failure, error) from None
            except RequestException as failure:
                raise self._unreachable(url, failure, error) from None
            else:
                if response.status_code == 401 and not renewed and self._renew(response.url, login):
                    renewed = True
                    response.close()
                    continue
                if response.status_code not in again or attempt == ATTEMPTS:
                    return response
                wait = max(0.5 * 2 ** (attempt - 1), _retry_after(response))
                if _too_late(wait):
                    return response
                response.close()
            logger.debug("%s %s: try %d failed", method, mask(url), attempt)
            attempt += 1
            self._sleep(min(wait, LONGEST_WAIT))

    def _follow(
        self,
        method: str,
        url: str,
        login: Callable[[str], bool],
        stay: bool,
        error: type[StudioError],
        arguments: dict[str, Any],
    ) -> "Response":
        """Send a request and follow its redirects. Raises `error` for a redirect that must not be followed."""
        for _ in range(MAX_REDIRECTS):
            response = self._one(method, url, login, arguments)
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location:
                return response
            response.close()
            url, was = urljoin(response.url, location), response.url
            if urlsplit(url).scheme.lower() not in {"http", "https"}:
                raise error(f"{mask(was)} redirects to {mask(url)}, which is not an http(s) address")
            if (stay and below(self.base, url) is None) or method != "GET":
                raise error(
                    f"{mask(was)} redirects to {mask(url)}",
                    fix="Set LABEL_STUDIO_URL to the address that it redirects to",
                    field="LABEL_STUDIO_URL",
                )
            arguments = {}
        raise error(f"{mask(url)} redirects more than {MAX_REDIRECTS} times")

    def _one(
        self, method: str, url: str, login: Callable[[str], bool], arguments: dict[str, Any]
    ) -> "Response":
        from requests.utils import get_auth_from_url

        own = self._is_own(url)
        headers = {"Accept-Encoding": "gzip, deflate"}
        if own and login(url) and (value := self.token.authorization(self._exchange)):
            headers["Authorization"] = value
        user, password = get_auth_from_url(url)
        basic = (user, password) if user and "Authorization" not in headers else None
        return self._session(own).request(
            method,
            url,
            headers=headers,
            auth=basic or (lambda request: request),
            timeout=self._timeout,
            verify=self._verify,
            allow_redirects=False,
            stream=True,
            **arguments,
        )

    def _exchange(self, refresh: str) -> str:
        """Fetch an access token for the personal access token `refresh`. Raises StudioAuthError or StudioError."""
        url = f"{self.base}/api/token/refresh/"
        with self.request(
            "POST", url, login=lambda _: False, stay=True, json={"refresh": refresh}
        ) as response:
            if response.status_code in {400, 401, 403}:
                raise self.refused(response)
            try:
                access = response.json()["access"]
            except (ValueError, KeyError, TypeError):
                access = None
            if response.status_code != 200 or not isinstance(access, str) or not access:
                raise StudioError(
                    f"Label Studio did not exchange the personal access token: {self.status(response)}",
                    fix="Set LABEL_STUDIO_URL to Label Studio's address with its sub-path, if it has one",
                    field="LABEL_STUDIO_URL",
                ).answered(response.status_code)
            return access

    def refused(self, response: "Response", error: type[StudioError] = StudioAuthError) -> StudioError:
        """Return an `error` that says why Label Studio refused the token, and what to do."""
        status = self.status(response)
        return error(
            f"Label Studio refused the token: {status}",
            fix=self.token.advice(status),
            field="LABEL_STUDIO_API_KEY",
        )

    def status(self, response: "Response") -> str:
        """Return status, URL and the response's `detail`, in one line without secrets."""
        try:
            body = (
                response.json()
                if response.headers.get("Content-Type", "").startswith("application/json")
                else None
            )
        except (ValueError, OSError):
            body = None
        detail = body.get("detail") if isinstance(body, dict) else None
        text = f"{response.status_code} at {mask(response.url)}"
        return self.token.hide(f"{text} ({str(detail)[:200]})" if detail else text)

    def _renew(self, url: str, login: Callable[[str], bool]) -> bool:
        return (
            self.token.kind is TokenKind.PERSONAL and self._is_own(url) and login(url) and self.token.renew()
        )

    def _is_own(self, url: str) -> bool:
        try:
            return bool(self.base) and origin(url) == origin(self.base)
        except ValueError:
            return False

    def _session(self, own: bool) -> "Session":
        from http.cookiejar import DefaultCookiePolicy

        from requests import Session

        with self._lock:
            if own not in self._sessions:
                session = Session()
                session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
                if own:
                    guard(session, private=self._own_private, advice=unconfirmed(self.base))
                else:
                    guard(session, private=self._private)
                self._sessions[own] = session
            return self._sessions[own]

    def _unreachable(self, url: str, failure: Exception, error: type[StudioError]) -> StudioError:
        from requests.exceptions import SSLError, Timeout

        own = self._is_own(url)
        if (deadline := current()) is not None and deadline.passed:
            return overdue(url, deadline.seconds, error)
        fix = "Set LABEL_STUDIO_URL to an address at which this machine reaches Label Studio" if own else ""
        what = "cannot be reached"
        if isinstance(failure, SSLError) and _PLAIN.search(str(failure)):
            what = "does not speak TLS: what answers there is plain http"
            fix = f"Give the address with http:// in place of https://, as in {mask(_plain(url))}"
        elif isinstance(failure, SSLError):
            what, fix = (
                "has a TLS certificate that is not trusted",
                "Install its CA here, or set VERIFY_SSL=false",
            )
        elif isinstance(failure, Timeout):
            what = "did not answer in time"
        found = error(
            f"{mask(url)} {what} ({type(failure).__name__})", fix=fix, field="LABEL_STUDIO_URL" if own else ""
        )
        found.passing = not isinstance(failure, SSLError)
        return found


def unconfirmed(url: str) -> str:
    """Return the advice for a private address that is not confirmed as Label Studio's."""
    return f"Set LABEL_STUDIO_URL={mask(url)} if that is your Label Studio"


def overdue(url: str, seconds: float, error: type[StudioError]) -> StudioError:
    """Return an `error` for a transfer that did not end within `seconds`."""
    return error(
        f"{mask(url)} was not fetched within {seconds:g} seconds",
        fix="Raise FILES_TIMEOUT if the file is that slow to come",
        field="FILES_TIMEOUT",
    )


def _plain(url: str) -> str:
    parts = urlsplit(url)
    return f"http://{parts.netloc}"


def _too_late(wait: float) -> bool:
    deadline = current()
    return deadline is not None and (deadline.passed or min(wait, LONGEST_WAIT) >= deadline.remaining)


def _retry_after(response: "Response") -> float:
    """Return the wait in seconds that Retry-After asks for, as a number or a date; 0 without a valid one."""
    text = response.headers.get("Retry-After", "").strip()
    if (seconds := whole_number(text)) is not None:
        return float(min(seconds, _LONGEST_RETRY))
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)
