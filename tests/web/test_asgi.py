"""From ASGI messages to the endpoints and back: bodies in pieces, limits, prefixes."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from helpers import run
from label_studio_ml.errors import BackendError
from label_studio_ml.web.asgi import Asgi
from label_studio_ml.web.calls import Response

LIMIT = 100


class Endpoints:
    """What stands behind the face: it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, bytes]] = []
        self.headers: Mapping[str, str] = {}

    async def handle(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, gone: Any = None
    ) -> Response:
        self.asked.append((method, path, query, body))
        self.headers = headers
        return Response(201, b'{"ok":1}', {"X-More": "a"})

    def refuse(self, error: BackendError, path: str, headers: Mapping[str, str]) -> Response:
        return Response(413, str(error).encode())


def ask(
    *parts: bytes, headers: dict[str, str] | None = None, **scope: Any
) -> tuple[Endpoints, int, dict[str, str], bytes]:
    """Send one request whose body comes in `parts`; return what stands behind, status, headers and body."""
    endpoints = Endpoints()
    waiting: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts or (b"",), 1)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    full: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "query_string": b"a=1",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        **scope,
    }
    run(Asgi(endpoints, LIMIT)(full, receive, send), 20)  # type: ignore[arg-type]
    start, body = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return endpoints, start["status"], answered, body["body"]


def test_a_request_and_its_answer_pass_through() -> None:
    endpoints, status, headers, body = ask(b"abc", headers={"X-Some": "é"})
    assert endpoints.asked == [("POST", "/predict", "a=1", b"abc")]
    assert endpoints.headers["x-some"] == "é"
    assert (status, body) == (201, b'{"ok":1}')
    assert headers == {"content-type": "application/json", "content-length": "8", "x-more": "a"}


def test_a_body_in_pieces_is_put_together() -> None:
    endpoints, status, _, _ = ask(b"ab", b"", b"c")
    assert endpoints.asked[0][3] == b"abc"
    assert status == 201


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([b"x" * (LIMIT + 1)], {}),
        ([b"x" * LIMIT, b"x"], {}),
        ([b"x"] * (LIMIT + 1), {}),
        ([b"x"], {"content-length": str(LIMIT + 1)}),
        ([b"x"], {"content-length": "9" * 30}),
    ],
    ids=["at once", "in two", "byte by byte", "announced", "announced beyond reason"],
)
def test_a_body_over_the_limit_is_refused(parts: list[bytes], headers: dict[str, str]) -> None:
    endpoints, status, answered, body = ask(*parts, headers=headers)
    assert endpoints.asked == []
    assert status == 413
    assert b"LABEL_STUDIO_ML_MAX_BODY" in body
    assert answered["connection"] == "close"


@pytest.mark.parametrize("parts", [[b"x" * LIMIT], [b"x" * (LIMIT - 1), b"x"]])
def test_a_body_at_the_limit_is_taken(parts: list[bytes]) -> None:
    assert ask(*parts)[1] == 201


def test_a_content_length_that_is_no_number_does_no_harm() -> None:
    assert ask(b"x", headers={"content-length": "many"})[1] == 201


def test_the_prefix_that_a_server_was_told_goes() -> None:
    endpoints, _, _, _ = ask(path="/ml/health", root_path="/ml")
    assert endpoints.asked[0][1] == "/health"


def test_head_gets_the_headers_only() -> None:
    _, _, headers, body = ask(method="HEAD")
    assert (headers["content-length"], body) == ("8", b"")


def test_nothing_but_http_is_served() -> None:
    with pytest.raises(RuntimeError, match="websocket"):
        ask(type="websocket")
