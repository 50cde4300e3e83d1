"""Check the login that a backend may require: user and password (HTTP basic auth), or one of several tokens."""

import base64
import binascii
import contextlib
import hmac

from label_studio_ml.config.access_tokens import AccessTokens
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import NotAuthorized

#: Paths that require no login: probes of load balancers and orchestrators.
OPEN_PATHS = ("/livez", "/readyz")


class Login:
    """Checks logins against the settings' user and password, and against the tokens in their TOKENS_FILE."""

    def __init__(self, settings: Settings) -> None:
        file = settings.http.tokens_file
        self._tokens = AccessTokens(settings.backend_dir / file) if file is not None else None
        self._required = bool(settings.basic_auth_user) or self._tokens is not None
        self._user = settings.basic_auth_user
        # Clients encode non-ASCII characters differently: browsers in UTF-8, Label Studio in Latin-1.
        login = f"{settings.basic_auth_user}:{settings.basic_auth_pass}"
        self._credentials = [login.encode()]
        with contextlib.suppress(UnicodeEncodeError):
            self._credentials.append(login.encode("latin-1"))

    @property
    def required(self) -> bool:
        """Whether requests need a login, because one is configured."""
        return self._required

    def check(self, header: str, path: str) -> bool:
        """Return whether a request is trusted: its login is valid, or none is required. Raises NotAuthorized."""
        if not self._required:
            return True
        if path in OPEN_PATHS:
            return self._is_valid(header)
        if not header and path.rstrip("/") == "/webhook":
            # Label Studio's own webhooks carry no login: only their ids are used, the rest is read from Label Studio.
            return False
        if not self._is_valid(header):
            raise NotAuthorized(
                "Login is missing or wrong",
                fix="Give this backend's user and password, or a token with 'Authorization: Bearer TOKEN'",
            )
        return True

    @property
    def challenge(self) -> str:
        """Value of the WWW-Authenticate header: the accepted kinds of login."""
        kinds = [
            *(["Basic"] if self._user or self._tokens is None else []),
            *(["Bearer"] if self._tokens else []),
        ]
        return ", ".join(f'{kind} realm="Label Studio ML backend"' for kind in kinds)

    def caller(self, header: str) -> str:
        """Return a valid login's owner for the log, `token NAME` or `user NAME`; empty if invalid or not required."""
        if not self._required or not header or not self._is_valid(header):
            return ""
        name = self._token_name(header)
        return f"user {self._user}" if name is None else f"token {name}"

    def _token_name(self, header: str) -> str | None:
        kind, _, token = header.partition(" ")
        if self._tokens is None or kind.lower() != "bearer":
            return None
        return self._tokens.name_of(token.strip())

    def _is_valid(self, header: str) -> bool:
        if self._token_name(header) is not None:
            return True
        if not self._user:
            return False
        kind, _, encoded = header.partition(" ")
        try:
            sent = base64.b64decode(encoded.strip(), validate=True) if kind.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            sent = b""
        return any(hmac.compare_digest(sent, credentials) for credentials in self._credentials)
