"""Heads of requests that a proxy and this server could read differently, and what becomes of them.

The statuses are those of h11 0.16 and nginx 1.22 where these agree; else what the RFC says, whose section is named.
"""

import json

import pytest

from helpers import run
from label_studio_ml.http_server.head_checks import is_host
from label_studio_ml.http_server.incoming_request import IncomingRequest
from label_studio_ml.http_server.request_reader import MAX_HEADERS, RequestReader
from label_studio_ml.http_server.server_state import ServerState
from wire import GET, Endpoints, site

BODY = b"12345"
CHUNKS = b"5\r\n12345\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        # RFC 9112, 3.2: "MUST respond with 400 to any HTTP/1.1 request that lacks a Host header field and to any
        # request that contains more than one Host header field line or … an invalid field value".
        (b"GET / HTTP/1.1", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", b"", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b", b"", 400),
        (b"GET / HTTP/1.1\r\nHost:", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: a b", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: me@a", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: a:b", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: a, b", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: [::1", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: ::1", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: \xc3\xa9", b"", 400),
        # RFC 9110, 11.6.2 and RFC 6454, 7.3: these are no lists.
        (b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YQ==\r\nAuthorization: Basic Yg==", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nOrigin: http://b", b"", 400),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Type: a/b\r\nContent-Type: c/d",
            BODY,
            400,
        ),
        # RFC 9112, 6.1 and 6.3: what is last is not what is first, and a proxy may go by the other one.
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked", CHUNKS, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5", BODY, 400),
        # RFC 9112, 6.1: a transfer coding that is not understood; faulty framing in HTTP/1.0 and beside a length.
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", CHUNKS, 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip", CHUNKS, 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity", BODY, 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked", CHUNKS, 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked", CHUNKS, 400),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            CHUNKS,
            400,
        ),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked", CHUNKS, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", CHUNKS, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", CHUNKS, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6", BODY, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5", BODY, 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5", BODY, 400),
        # RFC 9112, 2.3 and RFC 9110, 15.6.6: other versions.
        (b"GET / HTTP/0.9", b"", 400),
        (b"GET /", b"", 400),
        (b"GET / HTTP/2.0\r\nHost: a", b"", 505),
        (b"PRI * HTTP/2.0", b"SM\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: a", b"", 400),
        # RFC 9112, 5.1 and 5.2: a blank before the colon, and a header on two lines.
        (b"GET / HTTP/1.1\r\nHost : a", b"", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n b", b"", 400),
    ],
)
def test_what_is_refused(head: bytes, body: bytes, status: int) -> None:
    async def test() -> None:
        async with site() as it:
            wire = await it.connect(head + b"\r\n\r\n" + body)
            answered, headers, detail = await wire.answer()
            assert (answered, headers["connection"]) == (status, "close")
            assert json.loads(detail)["detail"]
            assert await wire.closed() == b"", "what follows would be read as another request"
            assert it.endpoints.asked == []

    run(test())


@pytest.mark.parametrize(
    ("head", "sent", "taken"),
    [
        (b"GET / HTTP/1.0", b"", b""),  # RFC 9112, 3.2: Host is for HTTP/1.1
        (b"GET / HTTP/1.1\r\nHost: [::1]:80", b"", b""),
        (b"GET / HTTP/1.1\r\nhOST:a.example.com:9090  ", b"", b""),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked", CHUNKS, BODY),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005", BODY, BODY),
    ],
)
def test_what_is_taken(head: bytes, sent: bytes, taken: bytes) -> None:
    async def test() -> None:
        async with site() as it:
            wire = await it.connect(head + b"\r\n\r\n" + sent)
            assert (await wire.answer())[0] == 200
            assert it.endpoints.asked[0][3] == taken

    run(test())


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"TLS/1.0"])
@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"Content-Length: 5", BODY), (b"Transfer-Encoding: chunked", CHUNKS), (b"Content-Length: 0", b"")],
)
@pytest.mark.parametrize("size", [3, 10_000])
def test_another_protocol_that_is_asked_for_is_ignored(
    upgrade: bytes, framing: bytes, body: bytes, size: int
) -> None:
    """RFC 9110, 7.8: "A server MAY ignore a received Upgrade header field if it wishes to continue using the current
    protocol on that connection". The request is then like any other, its body included."""
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\n%b\r\n\r\n" % (
        upgrade,
        framing,
    )
    stream = (head + body) * 3 + GET

    async def test() -> None:
        async with site() as it:
            wire = await it.connect()
            for start in range(0, len(stream), size):
                wire.send(stream[start : start + size])
                await wire.writer.drain()
            for _ in range(4):
                status, headers, _ = await wire.answer()
                assert (status, headers.get("connection")) == (200, None)
            taken = BODY if body else b""
            assert it.endpoints.asked == [("POST", "/a", "", taken)] * 3 + [("GET", "/1", "", b"")]
            assert it.server.state.budget.in_use == 0

    run(test())


def test_thousands_that_ask_for_another_protocol_in_one_piece() -> None:
    asking = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

    async def test() -> None:
        async with site() as it:
            wire = await it.connect(asking * 3000)
            for _ in range(3000):
                assert (await wire.answer())[0] == 200

    run(test())


def test_http_1_0_is_not_told_to_continue() -> None:
    """RFC 9110, 10.1.1: "A server MUST ignore that expectation" in a request of HTTP/1.0."""
    head = b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

    async def test() -> None:
        async with site() as it:
            wire = await it.connect(head)
            wire.send(BODY)
            assert (await wire.head())[0] == 200

    run(test())


@pytest.mark.parametrize("name", [b"X-%d", b"X"], ids=["different names", "one name"])
@pytest.mark.parametrize("size", [100, 1 << 20], ids=["in pieces", "at once"])
def test_more_headers_than_the_limit_are_refused(name: bytes, size: int) -> None:
    def head(count: int) -> bytes:
        more = b"".join((name % number if b"%" in name else name) + b": y\r\n" for number in range(count - 1))
        return b"GET /1 HTTP/1.1\r\nHost: a\r\n" + more + b"\r\n"

    async def test() -> None:
        async with site() as it:
            assert (await (await it.connect(head(MAX_HEADERS))).answer())[0] == 200
            wire = await it.connect()
            stream = head(10_000)
            for start in range(0, len(stream), size):
                wire.send(stream[start : start + size])
            status, headers, detail = await wire.answer()
            assert (status, headers["connection"]) == (431, "close")
            assert json.loads(detail)["detail"] == "The head of the request has more than 128 headers"
            assert len(it.endpoints.asked) == 1

    run(test())


def test_headers_beyond_the_limit_are_not_kept() -> None:
    kept: list[IncomingRequest] = []
    server = ServerState(Endpoints(), 1000)
    reader = RequestReader(server, kept.append, lambda: None, 0.0)
    names = b"".join(b"X-%d: y\r\n" % number for number in range(5000))
    reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\n" + names, 0.0)
    assert not reader._request.headers
    assert [request.refused.status for request in kept if request.refused is not None] == [431]


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("a", True),
        ("a_b.example.com:1", True),
        ("127.0.0.1:9090", True),
        ("a:", True),
        ("", False),
        (":80", False),
    ],
)
def test_is_host(value: str, good: bool) -> None:
    assert is_host(value) is good
