"""Server-sent events over a real connection: their format, back-pressure, and how they end."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.http_server import connection as connection_module
from label_studio_ml.http_server.connection_registry import Stage
from label_studio_ml.http_server.connection_states import BLOCKED
from label_studio_ml.http_server.messages import Admission, Call, Response
from label_studio_ml.http_server.responses.event_stream import ServerSentEvent, event_stream
from wire import GET, PATIENCE, Site, Wire, connected, site

STREAM = b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n"


class Producer:
    """Yields `count` events; counts what it has yielded, and knows whether it was closed."""

    def __init__(self, count: int = 1_000_000, size: int = 10, *, silent: bool = False) -> None:
        self.count, self.size, self.silent = count, size, silent
        self.yielded = 0
        self.closed = False

    async def events(self) -> AsyncGenerator[ServerSentEvent, None]:
        try:
            while self.yielded < self.count:
                self.yielded += 1
                yield ServerSentEvent("x" * self.size, id=str(self.yielded))
                await asyncio.sleep(0)
            if self.silent:
                await asyncio.Event().wait()
        finally:
            self.closed = True


def serve(it: Site, producer: Producer, heartbeat: float = PATIENCE, *, trusted: bool = True) -> None:
    """Let `/events` be answered with the events of a producer."""
    answer = it.endpoints.handle

    async def handle(call: Call) -> Response:
        if call.path != "/events":
            return await answer(call)
        return event_stream(producer.events(), heartbeat)

    def admit(call: Call) -> Admission:
        return Admission(trusted, 1000)

    it.endpoints.handle = handle  # type: ignore[method-assign]
    it.endpoints.admit = admit  # type: ignore[method-assign]


async def piece(wire: Wire) -> bytes:
    """Read a chunk."""
    size = int(await asyncio.wait_for(wire.reader.readuntil(b"\r\n"), PATIENCE), 16)
    return (await asyncio.wait_for(wire.reader.readexactly(size + 2), PATIENCE))[:-2]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ServerSentEvent("a"), b"data: a\n\n"),
        (ServerSentEvent(""), b"data: \n\n"),
        (ServerSentEvent("a\nb\r\nc\rd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (ServerSentEvent("\u2028"), b"data: \xe2\x80\xa8\n\n"),
        (ServerSentEvent("a", "done", "7", 500), b"event: done\nid: 7\nretry: 500\ndata: a\n\n"),
    ],
)
def test_how_an_event_is_written(event: ServerSentEvent, text: bytes) -> None:
    assert event.encode() == text


@pytest.mark.parametrize("fields", [{"event": "a\nb"}, {"id": "a\rb"}, {"id": "a\0"}])
def test_what_would_be_another_field_is_refused(fields: Any) -> None:
    with pytest.raises(ValueError, match="one line"):
        ServerSentEvent("a", **fields)


def test_events_arrive_and_the_connection_goes_on_after_the_last() -> None:
    async def test() -> None:
        async with site() as it:
            serve(it, producer := Producer(2))
            wire = await it.connect(STREAM, GET)
            status, headers = await wire.head()
            assert (status, headers["content-type"]) == (200, "text/event-stream")
            assert (headers["transfer-encoding"], headers["cache-control"]) == ("chunked", "no-store")
            assert "content-length" not in headers
            received = [await piece(wire) for _ in range(4)]
            assert received == [b":\n\n", b"id: 1\ndata: xxxxxxxxxx\n\n", b"id: 2\ndata: xxxxxxxxxx\n\n", b""]
            assert producer.closed
            assert (await wire.answer())[0] == 200

    run(test())


def test_http_1_0_gets_them_until_the_connection_ends() -> None:
    async def test() -> None:
        async with site() as it:
            serve(it, Producer(1))
            wire = await it.connect(b"GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            _, headers = await wire.head()
            assert ("transfer-encoding" in headers, headers["connection"]) == (False, "close")
            assert await wire.closed() == b":\n\nid: 1\ndata: xxxxxxxxxx\n\n"

    run(test())


def test_head_starts_no_producer() -> None:
    async def test() -> None:
        async with site() as it:
            serve(it, producer := Producer())
            wire = await it.connect(STREAM.replace(b"GET", b"HEAD"), GET)
            assert (await wire.head())[0] == 200
            assert (await wire.answer())[0] == 200
            assert producer.yielded == 0

    run(test())


def test_a_comment_is_sent_while_there_are_no_events() -> None:
    async def test() -> None:
        async with site() as it:
            serve(it, Producer(0, silent=True), heartbeat=0.01)
            wire = await it.connect(STREAM)
            await wire.head()
            assert [await piece(wire) for _ in range(4)] == [b":\n\n"] * 4

    run(test())


def test_a_producer_waits_for_a_slow_reader() -> None:
    async def test() -> None:
        async with site() as it:
            serve(it, producer := Producer(size=100_000))
            wire = await it.connect()
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
            wire.send(STREAM)
            [connection] = await connected(it)
            before = -1
            while connection.state is not BLOCKED or producer.yielded != before:
                before = producer.yielded
                await asyncio.sleep(0.1)  # what the kernel still takes
            assert producer.yielded < 1000
            wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
            await wire.head()
            for _ in range(before + 100):
                await piece(wire)
            assert producer.yielded > before

    run(test())


@pytest.mark.usefixtures("impatient")
def test_a_reader_that_has_stopped_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "WRITE_TIMEOUT", 0.1)

    async def test() -> None:
        async with site() as it:
            serve(it, producer := Producer(size=100_000))
            wire = await it.connect()
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
            wire.send(STREAM)
            await until(lambda: producer.yielded, "it is asked")
            await until(lambda: it.connections == 0, "it is cut off")
            await until(lambda: producer.closed, "the producer ends")

    run(test())


@pytest.mark.parametrize("how", ["abort", "close"])
def test_a_client_that_leaves_ends_the_producer(how: str) -> None:
    async def test() -> None:
        async with site() as it:
            serve(it, producer := Producer(1, silent=True))
            wire = await it.connect(STREAM)
            await wire.head()
            await piece(wire)
            getattr(wire.writer.transport, how)()
            await until(lambda: producer.closed, "the producer ends")
            await until(lambda: it.connections == 0, "the connection ends")

    run(test())


def test_a_stop_ends_the_stream_in_order() -> None:
    async def test() -> None:
        async with site() as it:
            serve(it, producer := Producer(1, silent=True))
            wire = await it.connect(STREAM)
            await wire.head()
            assert await piece(wire) == b":\n\n"
            assert (await piece(wire)).startswith(b"id: 1\n")
            it.server.stop()
            assert await piece(wire) == b""
            assert await wire.closed() == b""
            await asyncio.wait_for(asyncio.shield(it.serving), PATIENCE)
            assert producer.closed

    run(test())


def test_a_producer_that_fails_leaves_the_response_unfinished(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Producer):
        async def events(self) -> AsyncGenerator[ServerSentEvent, None]:
            yield ServerSentEvent("a")
            raise RuntimeError("a bug")

    async def test() -> None:
        async with site() as it:
            serve(it, Failing())
            wire = await it.connect(STREAM, GET)
            await wire.head()
            assert [await piece(wire) for _ in range(2)] == [b":\n\n", b"data: a\n\n"]
            await until(lambda: it.connections == 0, "it is cut off")
            assert "A streamed response failed" in caplog.text

    run(test())


def test_a_stream_without_the_login_keeps_nobody_out() -> None:
    async def test() -> None:
        async with site(max_connections=1) as it:
            serve(it, producer := Producer(1, silent=True), trusted=False)
            wire = await it.connect(STREAM)
            await wire.head()
            [connection] = await connected(it)
            assert connection.stage is Stage.HEAD
            assert (await (await it.connect(GET)).answer())[0] == 200
            await until(lambda: producer.closed, "the producer ends")

    run(test())
