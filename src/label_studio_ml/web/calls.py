"""What a route gets and gives: a request as bytes, an answer as bytes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec


@dataclass(slots=True)
class Response:
    """An answer: HTTP status, JSON body, further headers."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(slots=True, frozen=True)
class Admission:
    """What a request may do, decided from its head: whether it gave the login, and how many bytes its body may have."""

    trusted: bool
    max_body: int


@dataclass(slots=True)
class Call:
    """One request. `trusted` is false where login is asked for and was not given: /webhook and probes take that.

    `caller` is who gave it, where that is logged.
    """

    method: str
    path: str
    query: str
    body: bytes
    trusted: bool = True
    gone: Callable[[], bool] | None = None
    peer: str = ""
    caller: str = ""

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query, None if it is not there."""
        values = parse_qs(self.query).get(name)
        return values[0] if values else None


Handler = Callable[[Call], Awaitable[Response]]


def json_response(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    """Return `value` as a JSON answer."""
    return Response(status, msgspec.json.encode(value), headers or {})
