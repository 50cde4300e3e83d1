"""Telling tokens apart, and keeping access tokens fresh."""

import pytest

from label_studio_ml.errors import StudioAuthError
from label_studio_ml.studio.transport.api_tokens import MARGIN, Token, TokenKind
from studio.fake import MADE, jwt


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", TokenKind.NONE),
        ("  ", TokenKind.NONE),
        ("0123456789abcdef0123456789abcdef01234567", TokenKind.LEGACY),
        ("a.b.c", TokenKind.LEGACY),
        ("MTIz.MTIz.MTIz", TokenKind.LEGACY),
        ("!.!.!", TokenKind.LEGACY),
        (jwt("refresh"), TokenKind.PERSONAL),
        (f"  {jwt('refresh')}\n", TokenKind.PERSONAL),
        (jwt("access"), TokenKind.ACCESS),
    ],
)
def test_kinds(text: str, kind: TokenKind) -> None:
    assert Token(text).kind is kind


def _never(_: str) -> str:
    raise AssertionError("exchanged")


def test_what_is_sent() -> None:
    assert Token("").authorization(_never) == ""
    assert Token(" abc ").authorization(_never) == "Token abc"
    assert Token(jwt("access")).authorization(_never) == f"Bearer {jwt('access')}"
    assert Token(jwt("refresh")).authorization(lambda _: "x") == "Bearer x"


@pytest.mark.parametrize("lives", [300, 60])
def test_access_token_is_replaced_before_its_end(lives: int) -> None:
    now = 0.0
    given: list[str] = []

    def exchange(refresh: str) -> str:
        assert refresh == jwt("refresh")
        given.append(jwt("access", number=len(given), lives=lives))
        return given[-1]

    token = Token(jwt("refresh"), clock=lambda: now)
    assert token.authorization(exchange) == f"Bearer {given[0]}"
    now = lives - MARGIN - 0.1
    assert token.authorization(exchange) == f"Bearer {given[0]}"
    now = lives - MARGIN
    assert token.authorization(exchange) == f"Bearer {given[1]}"


def test_access_token_of_unknown_life() -> None:
    now = 0.0
    given = iter(["first", "second"])
    token = Token(jwt("refresh"), clock=lambda: now)
    assert token.authorization(lambda _: next(given)) == "Bearer first"
    now = 269.0
    assert token.authorization(lambda _: next(given)) == "Bearer first"
    now = 270.0
    assert token.authorization(lambda _: next(given)) == "Bearer second"


def test_renew_only_what_was_had() -> None:
    token = Token(jwt("refresh"))
    assert not token.renew()
    token.authorization(lambda _: "x")
    assert token.renew()
    assert token.authorization(lambda _: "y") == "Bearer y"


def test_failed_exchange_is_tried_again() -> None:
    token = Token(jwt("refresh"))

    def fail(_: str) -> str:
        raise StudioAuthError("no")

    with pytest.raises(StudioAuthError):
        token.authorization(fail)
    assert token.authorization(lambda _: "x") == "Bearer x"


def test_hidden() -> None:
    token = Token(jwt("refresh"))
    token.authorization(lambda _: "access-token")
    assert token.hide(f"a {jwt('refresh')} b access-token c") == "a … b … c"
    assert repr(token) == "Token(personal)"


def test_expired_and_revoked_personal_tokens_are_told_apart() -> None:
    token = Token(jwt("refresh", lives=60))
    assert "expired on 2096-10-02" in token.advice("Token is expired", now=MADE + 61)
    assert "was revoked" in token.advice("401 (Token is blacklisted)", now=MADE + 59)
    assert "another Label Studio than LABEL_STUDIO_URL" in token.advice("Token is invalid", now=MADE + 59)
