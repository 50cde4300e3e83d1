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
    """One request, `headers` with names in lower case, and what is known of its caller.

    `has_body` tells from the head whether a body belongs to it. `admission` is what the request may do, None until that
    is decided. `gone` tells whether the caller has left. `peer` is the address that the request came from, empty if it
    is not known. `caller` is who gave the login, where that is logged.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)  # the login is in them
    body: bytes = b""
    has_body: bool = False
    admission: Admission | None = None
    gone: Callable[[], bool] | None = None
    peer: str = ""
    caller: str = ""

    @property
    def trusted(self) -> bool:
        """Whether the login was given, or none is asked for: /webhook and probes are answered without it."""
        return self.admission is not None and self.admission.trusted

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query, None if it is not there."""
        values = parse_qs(self.query).get(name)
        return values[0] if values else None


Handler = Callable[[Call], Awaitable[Response]]


def json_response(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    """Return `value` as a JSON answer."""
    return Response(status, msgspec.json.encode(value), headers or {})
