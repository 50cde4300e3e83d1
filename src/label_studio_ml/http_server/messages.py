"""The interface between HTTP servers and routes: a `Call` with the request, a `Response` with the answer."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec


@dataclass(slots=True)
class Response:
    """A response: HTTP status, body, further headers.

    `stream` yields the pieces of a body without an end of its own, such as server-sent events. It is closed when the
    client leaves or ends its sending side, and when the server stops.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    stream: AsyncGenerator[bytes, None] | None = None


@dataclass(slots=True, frozen=True)
class Admission:
    """What a request may do: whether it is trusted (see `Call.trusted`), and the maximum size of its body in bytes."""

    trusted: bool
    max_body: int


@dataclass(slots=True)
class Call:
    """One request. The names in `headers` are in lower case.

    `has_body` says whether the request has a body, as far as its head tells. `admission` is None until it is decided.
    `gone` returns whether the client has left. `peer` is the client's IP address, empty if unknown. `caller` is the
    name that belongs to the login, set only on routes that log it. `requested_path` is the path with the root path, if
    the client has asked with it.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)  # they contain the login
    body: bytes = b""
    has_body: bool = False
    admission: Admission | None = None
    gone: Callable[[], bool] | None = None
    peer: str = ""
    caller: str = ""
    requested_path: str = ""

    @property
    def trusted(self) -> bool:
        """Whether the request gave the login, or none is required. /webhook and probes are answered without it, too."""
        return self.admission is not None and self.admission.trusted

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter, None if the parameter is missing or empty."""
        values = parse_qs(self.query).get(name)
        return values[0] if values else None


Handler = Callable[[Call], Awaitable[Response]]


def json_response(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    """Return a response with `value` encoded as JSON."""
    return Response(status, msgspec.json.encode(value), headers or {})
