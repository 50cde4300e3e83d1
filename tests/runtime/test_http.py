"""Answers on the wire, byte by byte, through uvicorn with our protocol."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from label_studio_ml.runtime.http import JoinedWrites, Protocol


class Wire:
    """A transport that remembers each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return f"extra {name}"


class Turns:
    """An event loop whose next turn the test takes."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def turn(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def joined(wire: Wire, turns: Turns) -> JoinedWrites:
    return JoinedWrites(wire, turns)  # type: ignore[arg-type]


def test_a_head_goes_with_its_body_in_one_write(joined: JoinedWrites, wire: Wire, turns: Turns) -> None:
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert wire.writes == []
    joined.write(b"body")
    turns.turn()
    assert wire.writes == [b"HTTP/1.1 200 OK\r\n\r\nbody"]


def test_a_head_without_a_body_goes_at_the_loops_next_turn(
    joined: JoinedWrites, wire: Wire, turns: Turns
) -> None:
    joined.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    turns.turn()
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    turns.turn()
    assert wire.writes == [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]


def test_closing_writes_what_waits_first(joined: JoinedWrites, wire: Wire) -> None:
    joined.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    joined.close()
    assert (wire.writes, wire.closed) == ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], True)


def test_everything_else_is_the_transports_own(joined: JoinedWrites) -> None:
    assert joined.get_extra_info("peername") == "extra peername"
    assert joined.is_closing() is False


async def _echo(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = scope["method"].encode() + b" " + scope["path"].encode() + b" " + body
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer})


async def _talk(sent: list[bytes], until: bytes) -> bytes:
    """Send to a server, wait for what ends the answer, and return all of it."""
    config = uvicorn.Config(_echo, http=Protocol, ws="none", lifespan="off", log_config=None, port=0)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            got = b""
            for part in sent:
                writer.write(part)
                if part.endswith(b"100-continue\r\n\r\n"):
                    got += await reader.readuntil(b"100 Continue\r\n\r\n")
            got += await reader.readuntil(until)
            writer.close()
            return got
    finally:
        server.should_exit = True
        await running


@pytest.mark.parametrize(
    ("sent", "until", "times"),
    [
        ([b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"], b"POST /a abc", 1),
        ([b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"], b"\r\n\r\n", 1),
        ([b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"], b"GET /2 ", 2),
        (
            [
                b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
                b"hi",
            ],
            b"POST /a hi",
            1,
        ),
    ],
)
def test_real_answers_are_whole(sent: list[bytes], until: bytes, times: int) -> None:
    got = asyncio.run(_talk(sent, until))
    assert got.count(b"HTTP/1.1 200 OK") == times


def test_what_is_not_http_is_answered_with_400() -> None:
    got = asyncio.run(_talk([b"NOT HTTP\r\n\r\n"], b"\r\n\r\n"))
    assert got.startswith(b"HTTP/1.1 400 ")
