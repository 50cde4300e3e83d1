"""Sessions of the dashboard: signed cookies beside the login, tokens against cross-site requests, signed references.

Sessions are kept by clients only, and any server with the same login accepts them: their signature is made with a key
that is derived from the password or token, so they end when that is changed or revoked, and after `LIFETIME`.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie

from label_studio_ml.errors import NotAuthorized
from label_studio_ml.http_server.messages import Call
from label_studio_ml.support.texts import whole_number
from label_studio_ml.web.security.login_check import Identity, Login

#: Seconds after which a session ends.
LIFETIME = 12 * 3600

#: Cost parameters of scrypt (RFC 7914): about 50 ms on one core, which makes guessing passwords from a cookie slow.
_COST = {"n": 1 << 14, "r": 8, "p": 1}


@dataclass(frozen=True, slots=True)
class Session:
    """Who uses the dashboard: `name` is empty if no login is required. An `operator` may act, others may only look.

    Requests that act carry `csrf` in X-CSRF-Token, which pages of other sites cannot read; with a token in the
    Authorization header (`exempt`), which browsers never send by themselves, they need not.
    """

    name: str
    operator: bool
    csrf: str
    exempt: bool = False


class Sessions:
    """Makes and checks the cookies of sessions of `login`. `now` returns the time in seconds since 1970."""

    def __init__(self, login: Login, now: Callable[[], float] = time.time) -> None:
        self._login = login
        self._now = now

    @property
    def required(self) -> bool:
        """Whether the dashboard needs a login."""
        return self._login.required

    def session(self, call: Call) -> Session:
        """Return the session of a request, from its Authorization header or cookie. Raises NotAuthorized."""
        if not self._login.required:
            return Session("", operator=True, csrf=_signature(b"", "csrf"))
        header = call.headers.get("authorization", "")
        if header and (identity := self._login.identity(header)) is not None:
            return _session(identity, identity.name, exempt=header[:7].lower() == "bearer ")
        session = self._of_cookie(call)
        if session is None:
            raise NotAuthorized("Login is missing, wrong or expired", fix="Log in on the dashboard")
        return session

    def begin(self, header: str, call: Call, *, secure: bool) -> tuple[Session, str]:
        """Return the new session of a login as in an Authorization header, and the Set-Cookie header for it.

        `call` is the request of the login form. `secure`: the browser sends the cookie over HTTPS only. The cookie has
        no path, so that browsers send it to paths beside that of the login form only, also below a path of a proxy.
        Raises NotAuthorized.
        """
        identity = self._login.identity(header)
        if identity is None:
            raise NotAuthorized("User or password is wrong", fix="Give the login of this backend")
        expires = int(self._now()) + LIFETIME
        content = f"{identity.kind}.{_encode(identity.name)}.{expires}"
        cookie = f"{content}.{_signature(_key(identity.secret), content)}"
        return _session(identity, content), _set_cookie(call, cookie, LIFETIME, secure=secure)

    def end(self, call: Call, *, secure: bool) -> str:
        """Return the Set-Cookie header that removes a session's cookie."""
        return _set_cookie(call, "", 0, secure=secure)

    def sign(self, text: str) -> str:
        """Return a signature of `text` that every server with the same logins accepts."""
        return _signature(self._reference_key(), f"reference {text}")

    def is_signed(self, text: str, signature: str) -> bool:
        """Return whether `signature` is that of `text`."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode())

    def _reference_key(self) -> bytes:
        return _key(self._login.operator_secret)

    def _of_cookie(self, call: Call) -> Session | None:
        """Return the session in the cookie of a request, None if there is none that is valid."""
        try:
            morsel = SimpleCookie(call.headers.get("cookie", "")).get(_cookie_name(call))
        except CookieError:
            return None
        content, _, signature = (morsel.value if morsel is not None else "").rpartition(".")
        kind, _, rest = content.partition(".")
        name, _, expires = rest.rpartition(".")
        if (whole_number(expires) or 0) < self._now():
            return None
        identity = self._login.owner(kind, _decode(name))
        if identity is None:
            return None
        expected = _signature(_key(identity.secret), content)
        return (
            _session(identity, content)
            if hmac.compare_digest(expected.encode(), signature.encode())
            else None
        )


def _set_cookie(call: Call, value: str, age: int, *, secure: bool) -> str:
    flags = "; Secure" if secure else ""
    return f"{_cookie_name(call)}={value}; Max-Age={age}; HttpOnly; SameSite=Lax{flags}"


def _cookie_name(call: Call) -> str:
    """Return the name of the session's cookie, which depends on the request's Host.

    Browsers send the cookies of a host to all of its ports: backends on one machine would replace each other's session.
    """
    host = call.headers.get("host", "").lower()
    return f"label_studio_ml_{hashlib.sha256(host.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _session(identity: Identity, content: str, *, exempt: bool = False) -> Session:
    csrf = _signature(_key(identity.secret), f"csrf {content}")
    return Session(identity.name, identity.operator, csrf, exempt)


@lru_cache(maxsize=64)
def _key(secret: bytes) -> bytes:
    """Return the key for signatures that belongs to a password or to the hash of a token."""
    return hashlib.scrypt(secret, salt=b"label-studio-ml dashboard", dklen=32, **_COST)


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _encode(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _decode(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
