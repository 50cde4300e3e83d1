"""HTTP requests to Label Studio and to file servers, with redirects, login and retries.

The token is sent to Label Studio's own origin only, and there only where the caller allows it; the decision is made
again for each redirect. Peer addresses are checked (`address`). Cookies are neither kept nor sent; `.netrc` is not
read.
"""

import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from label_studio_ml.errors import StudioError
from label_studio_ml.storage.retries import retry
from label_studio_ml.studio.addresses.allowed_addresses import guard
from label_studio_ml.studio.addresses.deadline import current
from label_studio_ml.studio.addresses.references import below, origin
from label_studio_ml.studio.transport.api_tokens import Token, TokenKind, exchanged
from label_studio_ml.studio.transport.studio_errors import NOT_DONE, may_pass, unconfirmed, unreachable
from label_studio_ml.studio.transport.token_cache import TokenCache, default_folder
from label_studio_ml.support.texts import whole_number
from label_studio_ml.support.url_secrets import mask

if TYPE_CHECKING:
    from requests import Response, Session

logger = logging.getLogger(__name__)

#: Decides for a URL at Label Studio whether the token is sent to it.
Login = Callable[[str], bool]

#: Number of attempts, and the longest wait in seconds between two attempts, whatever Retry-After says.
ATTEMPTS = 4
MAX_WAIT = 30.0
#: Larger numbers of seconds in Retry-After are read as this one.
_MAX_RETRY_AFTER = 86_400

MAX_REDIRECTS = 10

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})


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
        self.token = Token(token, shared_cache=lambda refresh: TokenCache(folder, self.base, refresh))
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
        login: Login = lambda url: True,
        stay: bool = True,
        error: type[StudioError] = StudioError,
        repeatable: bool = True,
        **arguments: Any,
    ) -> "Iterator[Response]":
        """Send a request and give the response, whatever its status, with its body not yet read.

        With `stay`, a redirect away from Label Studio is an error. `arguments` are passed to requests (`json`,
        `params`). A request that fails or is answered with 429, 500, 502, 503 or 504 is sent again after a pause, at
        most `ATTEMPTS` times in all; a request that is not `repeatable` only if it was not carried out. Raises `error`
        when no response arrives but a later request may get one, and StudioError when it will not, when a redirect must
        not be followed, or when the personal access token cannot be exchanged.
        """
        follow = functools.partial(self._follow, method, url, login, stay, arguments)
        response = self._retried(follow, url, login, error, repeatable)
        try:
            yield response
        finally:
            response.close()

    def _retried(
        self,
        send: "Callable[[], Response]",
        url: str,
        login: Login,
        error: type[StudioError],
        repeatable: bool,
    ) -> "Response":
        from requests import ConnectTimeout, HTTPError, RequestException

        retried_statuses = _RETRIED_STATUSES if repeatable else NOT_DONE
        retried_errors = RequestException if repeatable else (HTTPError, ConnectTimeout)
        renewed = False

        def attempt() -> "Response":
            nonlocal renewed
            response = send()
            if response.status_code == 401 and not renewed and self._renew(response.url, login):
                renewed = True
                response.close()
                response = send()
            if response.status_code in retried_statuses:
                raise HTTPError(response=response)
            return response

        def failed(failure: Exception) -> None:
            logger.debug("%s: a try failed", mask(url))
            if (response := _response(failure)) is not None:
                response.close()

        deadline = current()
        try:
            return retry(
                attempt,
                on=(RequestException, ValueError),  # ValueError: redirected to what is no URL
                seconds=math.inf if deadline is None else deadline.remaining,
                tries=ATTEMPTS,
                first=0.5,
                longest=MAX_WAIT,
                least=_retry_after,
                is_passing=lambda failure: isinstance(failure, retried_errors) and may_pass(failure),
                failed=failed,
                sleep=self._sleep,
            )
        except (RequestException, ValueError) as failure:
            if (response := _response(failure)) is not None:
                return response
            raise unreachable(url, failure, error, own=self._is_own(url)) from None

    def _follow(
        self,
        method: str,
        url: str,
        login: Login,
        stay: bool,
        arguments: dict[str, Any],
    ) -> "Response":
        """Send a request and follow its redirects. Raises StudioError for a redirect that must not be followed."""
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send_once(method, url, login, arguments)
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location:
                return response
            response.close()
            from_url = response.url
            try:
                url = urljoin(from_url, location)
                origin(url)
            except ValueError:
                message = f"{mask(from_url)} redirects to {mask(location)}, which is not an http(s) address"
                raise StudioError(message) from None
            if (stay and below(self.base, url) is None) or method != "GET":
                raise StudioError(
                    f"{mask(from_url)} redirects to {mask(url)}",
                    fix="Set LABEL_STUDIO_URL to the address that it redirects to",
                    field="LABEL_STUDIO_URL",
                )
            arguments = {}
        raise StudioError(f"{mask(url)} redirects more than {MAX_REDIRECTS} times")

    def _send_once(self, method: str, url: str, login: Login, arguments: dict[str, Any]) -> "Response":
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
        url = f"{self.base}/api/token/refresh/"
        post = functools.partial(self.request, "POST", url, login=lambda _: False)
        return exchanged(refresh, self.token, post)

    def _renew(self, url: str, login: Login) -> bool:
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


def _response(failure: Exception) -> "Response | None":
    return getattr(failure, "response", None)


def _retry_after(failure: Exception) -> float:
    """Return the wait in seconds that Retry-After asks for, as a number or a date; 0 without a valid one."""
    response = _response(failure)
    text = "" if response is None else response.headers.get("Retry-After", "").strip()
    if (seconds := whole_number(text)) is not None:
        return float(min(seconds, _MAX_RETRY_AFTER))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
