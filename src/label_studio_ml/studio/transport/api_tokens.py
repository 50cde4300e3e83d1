"""Label Studio's two kinds of token, distinguished by their form, and the Authorization header for each.

A legacy token is sent as it is (`Authorization: Token …`). A personal access token is a JWT of type "refresh". It is
exchanged for an access token, which is sent (`Authorization: Bearer …`) and expires after five minutes (Label Studio
1.23.2). All processes of a user share the access token through `token_cache`.
"""

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Enum
from typing import TYPE_CHECKING, Any

from label_studio_ml.errors import StudioAuthError, StudioError
from label_studio_ml.studio.transport.studio_errors import token_refused, unexpected
from label_studio_ml.studio.transport.token_cache import TokenCache

if TYPE_CHECKING:
    from requests import Response

#: Seconds before its expiry at which an access token is replaced, so that it is still valid when it arrives.
MARGIN = 30.0


#: The first characters of every JWT: `{"` in Base64.
_JWT = "eyJ"
_NEEDED = "a personal access token, to be made in Label Studio's account settings"


class TokenKind(Enum):
    """The kind of the configured token. The value tells the user what to do when Label Studio refuses the token."""

    NONE = f"Set LABEL_STUDIO_API_KEY to {_NEEDED}"
    LEGACY = (
        f"Set LABEL_STUDIO_API_KEY to {_NEEDED}, or enable legacy tokens in the organization's settings: new "
        "organizations refuse them, also the one that /setup brings"
    )
    PERSONAL = (
        "The personal access token in LABEL_STUDIO_API_KEY is of another Label Studio than LABEL_STUDIO_URL, or "
        "incomplete: make a new one in the account settings there"
    )
    ACCESS = (
        "LABEL_STUDIO_API_KEY holds a short-lived access token: set it to a personal access token instead"
    )


class Token:
    """A configured token, whose text never appears in `repr` or in an error.

    `shared_cache` returns the shared access token for a personal access token; None: it is not shared. Raises
    StudioAuthError when `text` cannot be sent in an HTTP header.
    """

    def __init__(
        self,
        text: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        shared_cache: Callable[[str], TokenCache] | None = None,
    ) -> None:
        self._text = text.strip()
        self._clock = clock
        self._refused = ""
        self._lock = threading.Lock()
        self._access = ""
        self._expires = 0.0
        if not self._text.isascii() or not self._text.isprintable() or " " in self._text:
            raise StudioAuthError(
                "The token for Label Studio has characters in it that no token has",
                fix="Set LABEL_STUDIO_API_KEY to the token alone, without blanks, quotes or line breaks",
                field="LABEL_STUDIO_API_KEY",
            )
        claims = _claims(self._text)
        if not self._text:
            self.kind = TokenKind.NONE
        elif claims is None:
            self.kind = TokenKind.LEGACY
        else:
            self.kind = TokenKind.ACCESS if claims.get("token_type") == "access" else TokenKind.PERSONAL
        self._expires_at = _number(claims, "exp")
        self._shared_cache = (
            shared_cache(self._text) if shared_cache is not None and self.kind is TokenKind.PERSONAL else None
        )

    def __repr__(self) -> str:
        return f"Token({self.kind.name.lower()})"

    def authorization(self, exchange: Callable[[str], str]) -> str:
        """Return the value of the Authorization header, empty without a token.

        `exchange` takes a personal access token and returns a new access token. It is called when no access token is
        known that is valid for another `MARGIN` seconds. Raises what `exchange` raises.
        """
        if self.kind is TokenKind.NONE:
            return ""
        if self.kind is TokenKind.LEGACY:
            return f"Token {self._text}"
        if self.kind is TokenKind.ACCESS:
            return f"Bearer {self._text}"
        with self._lock:
            if not self._access or self._clock() >= self._expires:
                requested_at = self._clock()
                self._access, lifetime = (
                    self._shared_cache.get(self._refused, lambda: self._exchanged(exchange))
                    if self._shared_cache is not None
                    else self._exchanged(exchange)
                )
                self._expires = requested_at + lifetime
            return f"Bearer {self._access}"

    def _exchanged(self, exchange: Callable[[str], str]) -> tuple[str, float]:
        """Return a new access token and the seconds for which it is to be used."""
        access = exchange(self._text)
        return access, max(_lifetime(access) - MARGIN, 1.0)

    def renew(self) -> bool:
        """Discard the refused access token; return whether there was one, so that a retry makes sense."""
        with self._lock:
            access, self._access = self._access, ""
            self._refused = access or self._refused
        return bool(access)

    def advice(self, detail: str, *, now: float | None = None) -> str:
        """Return what to do after Label Studio refused the token with the reason `detail`.

        `now` is the time in seconds since 1970; None for the present.
        """
        reason = detail.lower()
        if self.kind is TokenKind.LEGACY and self._text.startswith(_JWT):
            return f"LABEL_STUDIO_API_KEY begins like a personal access token, but is incomplete: set it to {_NEEDED}"
        if self.kind is TokenKind.LEGACY and "legacy" in reason and "disabled" in reason:
            return (
                f"Legacy tokens are switched off in this organization: set LABEL_STUDIO_API_KEY to {_NEEDED}"
            )
        if self.kind is TokenKind.LEGACY and "invalid token" in reason:
            return (
                "No user of this Label Studio has this legacy token: "
                "correct LABEL_STUDIO_API_KEY or LABEL_STUDIO_URL"
            )
        if self.kind is TokenKind.PERSONAL:
            if self._expires_at and self._expires_at <= (time.time() if now is None else now):
                day = time.strftime("%Y-%m-%d", time.gmtime(self._expires_at))
                return f"The personal access token expired on {day}: set LABEL_STUDIO_API_KEY to a new one"
            if "blacklisted" in reason:
                return "The personal access token was revoked: set LABEL_STUDIO_API_KEY to a new one"
        return self.kind.value

    def hide(self, text: str) -> str:
        """Return `text` with this token and its access token masked."""
        for secret in (self._text, self._access):
            if secret:
                text = text.replace(secret, "…")
        return text


def exchanged(refresh: str, token: Token, post: Callable[..., AbstractContextManager["Response"]]) -> str:
    """Return an access token that Label Studio gives for the personal access token `refresh` of `token`.

    `post` sends a POST request, with the keyword argument `json`, to `/api/token/refresh/`. Raises StudioAuthError when
    Label Studio refuses the token, and StudioError when the response is not as expected.
    """
    with post(json={"refresh": refresh}) as response:
        if response.status_code in {400, 401, 403}:
            raise token_refused(response, token)
        try:
            access = response.json()["access"]
        except (ValueError, KeyError, TypeError):
            access = None
        if response.status_code != 200 or not isinstance(access, str) or not access:
            raise unexpected(response, token, "did not exchange the personal access token", StudioError)
        return access


def _claims(token: str) -> dict[str, Any] | None:
    """Return the claims of a JWT without verifying it; None when the text is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2]
        )
    except (ValueError, binascii.Error):
        return None
    return claims if isinstance(header, dict) and isinstance(claims, dict) else None


def _number(claims: dict[str, Any] | None, name: str) -> float:
    value = (claims or {}).get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _lifetime(access: str) -> float:
    """Return the lifetime of an access token in seconds, from its own claims, independent of this machine's clock."""
    claims = _claims(access)
    issued, expires = _number(claims, "iat"), _number(claims, "exp")
    if issued and expires:
        return expires - issued
    return 300.0  # ACCESS_TOKEN_LIFETIME in Label Studio 1.23.2, measured
