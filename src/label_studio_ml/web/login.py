"""The login that a backend may ask for: a user and password, or one of several tokens."""

import base64
import binascii
import contextlib
import hmac

from label_studio_ml.access_tokens import AccessTokens
from label_studio_ml.errors import NotAuthorized
from label_studio_ml.settings import Settings

#: Paths that ask for no login: the probes of balancers and orchestrators.
OPEN = ("/livez", "/readyz")


class Login:
    """HTTP basic auth with the settings' user and password, and tokens of the settings' file, where they are set."""

    def __init__(self, settings: Settings) -> None:
        file = settings.http.tokens_file
        self._tokens = AccessTokens(settings.backend_dir / file) if file is not None else None
        self._required = bool(settings.basic_auth_user) or self._tokens is not None
        self._user = settings.basic_auth_user
        # Clients differ in how they encode what is not ASCII: browsers use UTF-8, Label Studio Latin-1.
        login = f"{settings.basic_auth_user}:{settings.basic_auth_pass}"
        self._credentials = [login.encode()]
        with contextlib.suppress(UnicodeEncodeError):
            self._credentials.append(login.encode("latin-1"))

    @property
    def required(self) -> bool:
        """Whether calls need a login."""
        return self._required

    def check(self, header: str, path: str) -> bool:
        """Tell whether the caller gave the login that is asked for. Raises NotAuthorized where that is required."""
        if not self._required:
            return True
        if path in OPEN:
            return self._fits(header)
        if not header and path.rstrip("/") == "/webhook":
            # Label Studio's own webhooks carry no credentials; what they say is checked with Label Studio before use.
            return False
        if not self._fits(header):
            raise NotAuthorized(
                "Login is missing or wrong",
                fix="Give this backend's user and password, or a token with 'Authorization: Bearer TOKEN'",
            )
        return True

    @property
    def challenge(self) -> str:
        """What the header WWW-Authenticate says of the logins that are taken."""
        kinds = [
            *(["Basic"] if self._user or self._tokens is None else []),
            *(["Bearer"] if self._tokens else []),
        ]
        return ", ".join(f'{kind} realm="Label Studio ML backend"' for kind in kinds)

    def caller(self, header: str) -> str:
        """Return who gave a login that fits, for the log: `token NAME` or `user NAME`; nothing if none did."""
        if not self._required or not header or not self._fits(header):
            return ""
        name = self._token_name(header)
        return f"user {self._user}" if name is None else f"token {name}"

    def _token_name(self, header: str) -> str | None:
        kind, _, token = header.partition(" ")
        if self._tokens is None or kind.lower() != "bearer":
            return None
        return self._tokens.name_of(token.strip())

    def _fits(self, header: str) -> bool:
        if self._token_name(header) is not None:
            return True
        if not self._user:
            return False
        kind, _, encoded = header.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True) if kind.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            given = b""
        return any(hmac.compare_digest(given, known) for known in self._credentials)
