"""Clients that send slowly, or end their side of the connection: none keeps a connection for longer than is allowed."""

import asyncio
import json
import socket
from collections.abc import Iterator

import pytest

from helpers import run, until
from label_studio_ml.http_server import request_reader
from label_studio_ml.http_server.connection_states import Input
from wire import GET, PATIENCE, Wire, connected, post, site

CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def _forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("first", "drip", "status"),
    [
        (b"", b"\r\n", 400),
        (GET, b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: ", b"y", 408),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n", b"x", 408),
        (CHUNKED, b"1\r\nx\r\n", 408),
        (CHUNKED, b"1;a=b\r\nx\r\n", 408),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n", 408),
    ],
    ids=[
        "line ends",
        "line ends after a request",
        "head",
        "header",
        "body",
        "chunks",
        "chunk extensions",
        "trailers",
    ],
)
def test_what_drips_comes_to_an_end(
    first: bytes, drip: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HEAD_TIMEOUT": 0.3, "BODY_TIMEOUT": 0.3, "BODY_RATE": 100_000}.items():
        monkeypatch.setattr(request_reader, name, value)

    async def test() -> None:
        async with site() as it:
            wire = await it.connect(first)
            if first == GET:
                assert (await wire.answer())[0] == 200

            async def send() -> None:
                for piece in _forever(drip):
                    wire.send(piece)
                    await asyncio.sleep(0.001)

            sending = asyncio.create_task(send())
            answered, headers, _ = await wire.answer()
            assert answered in (status, 408)
            assert headers["connection"] == "close"
            sending.cancel()
            assert it.server.state.budget.in_use == 0
            assert len(it.endpoints.asked) == (first == GET)

    run(test())


@pytest.mark.usefixtures("impatient")
def test_a_body_that_comes_at_the_least_rate_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_reader, "BODY_RATE", 1)  # one byte allows for a second
    request = post(b"x" * 500)

    async def test() -> None:
        async with site() as it:
            wire = await it.connect(request[:-300])
            [connection] = await connected(it)
            await until(lambda: connection._reader._size == 200, "a part has come")
            # 200 bytes allow for 200 s on top of the first 60.
            reader, now = connection._reader, asyncio.get_running_loop().time()
            reader._last_input = now + 240
            assert not reader.timed_out(now + 250)
            assert reader.timed_out(now + 265 + (reader._started - now))
            wire.send(request[-300:])
            assert (await wire.answer())[0] == 200

    run(test())


@pytest.mark.parametrize(("path", "seconds"), [(b"/untrusted", 20), (b"/predict", 60)])
def test_a_body_without_the_login_has_less_time(path: bytes, seconds: int) -> None:
    async def test() -> None:
        async with site() as it:
            wire = await it.connect(post(b"12345", path=path)[:-3])
            [connection] = await connected(it)
            reader = connection._reader
            await until(lambda: reader._size == 2, "a part has come")
            reader._last_input = reader._started + seconds  # it drips
            assert not reader.timed_out(reader._started + seconds - 0.01)
            assert reader.timed_out(reader._started + seconds + 0.01)
            reader._size += 20 << 20  # a large one that keeps coming
            assert not reader.timed_out(reader._started + seconds + 59.9)
            reader._size -= 20 << 20
            reader._started -= seconds + 1
            assert (await wire.answer())[0] == 408
            assert it.server.state.budget.in_use == 0

    run(test())


def test_a_few_line_ends_before_a_request_are_nothing() -> None:
    """RFC 9112, 2.2: "a server … SHOULD ignore at least one empty line (CRLF) received prior to the request-line"."""

    async def test() -> None:
        async with site() as it:
            wire = await it.connect(b"\r\n" * 3, GET, b"\r\n\r\n", GET)
            assert [(await wire.answer())[0] for _ in range(2)] == [200, 200]

    run(test())


def _half_close(wire: Wire) -> None:
    wire.writer.write_eof()


class TestHalfClosed:
    """A client that has ended its side of the connection after its last request, as `nc -N` does."""

    @pytest.mark.parametrize("requests", [GET, post(b"12345"), GET * 3, GET * 30, b"GET / HTTP/1.0\r\n\r\n"])
    def test_it_gets_its_answers(self, requests: bytes) -> None:
        count = requests.count(b" HTTP/1.")

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(requests)
                _half_close(wire)
                answers = await wire.closed()
                assert answers.count(b"HTTP/1.1 200 OK\r\n") == count == len(it.endpoints.asked)
                await until(lambda: it.connections == 0, "it is closed")

        run(test())

    def test_one_that_waits_is_not_taken_for_one_that_left(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", GET)
                _half_close(wire)
                await until(lambda: it.endpoints.asked, "it is asked")
                [connection] = await connected(it)
                await until(lambda: connection._input is Input.ENDED, "its end is known")
                assert not it.endpoints.gone[0]()
                it.endpoints.gate.set()
                assert (await wire.closed()).count(b"HTTP/1.1 200 OK\r\n") == 2

        run(test())

    def test_a_client_of_the_standard_library_reads_past_what_it_is_probed_with(self) -> None:
        import http.client

        async def test() -> None:
            async with site() as it:
                client = http.client.HTTPConnection("127.0.0.1", it.port, timeout=PATIENCE)
                await asyncio.to_thread(client.request, "GET", "/wait")
                client.sock.shutdown(socket.SHUT_WR)
                answer = asyncio.create_task(asyncio.to_thread(client.getresponse))
                await until(lambda: it.endpoints.asked, "it is asked")
                [connection] = await connected(it)
                await until(lambda: connection._input is Input.ENDED, "its end is known")
                it.endpoints.gate.set()
                response = await answer
                assert json.loads(await asyncio.to_thread(response.read))[1] == "/wait"
                client.close()

        run(test())

    def test_half_a_request_is_nothing(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(GET, post(b"12345")[:-2])
                assert (await wire.answer())[0] == 200
                _half_close(wire)
                assert await wire.closed() == b""
                assert len(it.endpoints.asked) == 1
                assert it.server.state.budget.in_use == 0

        run(test())
