"""Check the login that a backend may require: user and password (HTTP basic auth), or one of several tokens."""

import base64
import binascii
import contextlib
import hmac
from dataclasses import dataclass

from label_studio_ml.config.access_tokens import AccessTokens
from label_studio_ml.config.login_rules import check_viewer
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import NotAuthorized, ReadOnlyLogin

#: Paths that require no login: probes of load balancers and orchestrators.
OPEN_PATHS = ("/livez", "/readyz")

#: Paths whose POST changes nothing, so that the viewer's login may send it.
READING_POSTS = ("/versions", "/job_status", "/validate")


@dataclass(frozen=True, slots=True)
class Identity:
    """The owner of a valid login: `kind` is "user" or "token". An `operator` may act, others may only read.

    `secret` is the password with its user, or the hash of the token: keys that are derived from it end with the login.
    """

    kind: str
    name: str
    operator: bool
    secret: bytes

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Login:
    """Checks logins against the settings' users and passwords, and against the tokens in their TOKENS_FILE.

    Raises SettingsError if there is a viewer's login without one that may act.
    """

    def __init__(self, settings: Settings) -> None:
        file, http = settings.http.tokens_file, settings.http
        check_viewer(settings.basic_auth_user, http)
        self._tokens = AccessTokens(settings.backend_dir / file) if file is not None else None
        self._required = bool(settings.basic_auth_user) or self._tokens is not None
        self._operator = _identity(settings.basic_auth_user, settings.basic_auth_pass, operator=True)
        self._viewer = _identity(http.viewer_user, http.viewer_pass, operator=False)
        self._credentials = {
            credentials: identity
            for identity in (self._operator, self._viewer)
            if identity is not None
            for credentials in _encodings(identity.secret.decode())
        }

    @property
    def required(self) -> bool:
        """Whether requests need a login, because one is configured."""
        return self._required

    def check(self, header: str, path: str, *, changes: bool = False) -> bool:
        """Return whether a request is trusted: its login is valid, or none is required.

        `changes` tells whether the request may change something, by its method. Raises NotAuthorized, and
        ReadOnlyLogin for a changing request with the viewer's login.
        """
        if not self._required:
            return True
        if path in OPEN_PATHS:
            return self.identity(header) is not None
        if not header and path.rstrip("/") == "/webhook":
            # Label Studio's own webhooks carry no login: only their ids are used, the rest is read from Label Studio.
            return False
        identity = self.identity(header)
        if identity is None:
            raise NotAuthorized(
                "Login is missing or wrong",
                fix="Give this backend's user and password, or a token with 'Authorization: Bearer TOKEN'",
            )
        if changes and not identity.operator and path.rstrip("/") not in READING_POSTS:
            raise ReadOnlyLogin(
                f"{identity.name} may only read", fix="Use the login in BASIC_AUTH_USER and BASIC_AUTH_PASS"
            )
        return True

    @property
    def challenge(self) -> str:
        """Value of the WWW-Authenticate header: the accepted kinds of login."""
        kinds = [
            *(["Basic"] if self._operator or self._tokens is None else []),
            *(["Bearer"] if self._tokens else []),
        ]
        return ", ".join(f'{kind} realm="Label Studio ML backend"' for kind in kinds)

    def caller(self, header: str) -> str:
        """Return a valid login's owner for the log, `token NAME` or `user NAME`; empty if invalid or not required."""
        if not self._required or not header or (identity := self.identity(header)) is None:
            return ""
        return str(identity)

    def identity(self, header: str) -> Identity | None:
        """Return the owner of the login in an Authorization header, None if the header has no valid login."""
        kind, _, encoded = header.partition(" ")
        if self._tokens is not None and kind.lower() == "bearer":
            token = encoded.strip()
            name = self._tokens.name_of(token)
            return None if name is None else self._of_token(name)
        try:
            sent = base64.b64decode(encoded.strip(), validate=True) if kind.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            sent = b""
        valid = None
        for credentials, identity in self._credentials.items():
            if hmac.compare_digest(sent, credentials):
                valid = identity
        return valid

    def owner(self, kind: str, name: str) -> Identity | None:
        """Return the owner of the login `kind` and `name`, None if there is no such login (any more)."""
        if kind == "token":
            return self._of_token(name)
        identities = (self._operator, self._viewer)
        return next((one for one in identities if one is not None and one.name == name), None)

    @property
    def operator_secret(self) -> bytes:
        """What only operators know: their user and password, else the tokens' hashes; empty if no login is required."""
        if self._operator is not None:
            return self._operator.secret
        return " ".join(self._tokens.hashes()).encode() if self._tokens is not None else b""

    def _of_token(self, name: str) -> Identity | None:
        token_hash = self._tokens.hash_of(name) if self._tokens is not None else None
        return (
            None if token_hash is None else Identity("token", name, operator=True, secret=token_hash.encode())
        )


def _identity(user: str, password: str, *, operator: bool) -> Identity | None:
    return Identity("user", user, operator, f"{user}:{password}".encode()) if user else None


def _encodings(login: str) -> list[bytes]:
    """Return `user:password` as clients encode it: browsers in UTF-8, Label Studio in Latin-1."""
    encodings = [login.encode()]
    with contextlib.suppress(UnicodeEncodeError):
        encodings.append(login.encode("latin-1"))
    return encodings
