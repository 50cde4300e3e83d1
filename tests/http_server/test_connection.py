"""What comes over the wire and what goes back, byte by byte, on real sockets."""

import asyncio
import contextlib
import json
import socket

import pytest

from helpers import Captured, run, until
from label_studio_ml.http_server import connection as http_module
from label_studio_ml.http_server import request_reader
from label_studio_ml.http_server.connection_states import Input, State
from wire import GET, LIMIT, PATIENCE, connected, post, site


class TestRequests:
    def test_what_label_studio_sends_arrives_whole(self, any_captured: Captured) -> None:
        request = post(any_captured.body, b"User-Agent: heartex/1", path=any_captured.path.encode())

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(request)
                status, headers, body = await wire.answer()
                path, _, query = any_captured.path.partition("?")
                assert it.endpoints.asked == [("POST", path, query, any_captured.body)]
                assert it.endpoints.headers["user-agent"] == "heartex/1"
                assert (status, json.loads(body)[1]) == (200, path)
                assert headers["content-type"] == "application/json"
                assert headers["date"].endswith("gmt")
                assert "connection" not in headers

        run(test())

    @pytest.mark.parametrize("size", [1, 7, 100, 70_000])
    def test_however_it_is_cut(self, size: int) -> None:
        bodies = [b"a" * 10, b"", b"b" * 3000]
        stream = b"".join(post(body, path=b"/%d?a=1" % number) for number, body in enumerate(bodies))

        async def test() -> None:
            async with site() as it:
                wire = await it.connect()
                for start in range(0, len(stream), size):
                    wire.send(stream[start : start + size])
                    if size < 1000:
                        await asyncio.sleep(0)
                for number, body in enumerate(bodies):
                    assert json.loads((await wire.answer())[2]) == ["POST", f"/{number}", "a=1", len(body)]
                assert [one[3] for one in it.endpoints.asked] == bodies

        run(test())

    def test_a_body_that_comes_whole_after_its_head_is_no_overhead(self) -> None:
        """A client that sends head and body apart, as Label Studio's does: the connection goes on after that."""
        request = post(b"x" * 3000)
        end = request.index(b"\r\n\r\n") + 4

        async def test() -> None:
            async with site() as it:
                wire = await it.connect()
                await until(lambda: it.connections, "it is connected")
                for number in range(1, 4):
                    wire.send(request[:end])
                    readers = [one._reader for one in it.server.state.connections]  # type: ignore[attr-defined]
                    await until(lambda: any(one.reading for one in readers), "the head is there")  # noqa: B023
                    wire.send(request[end:])
                    assert (await wire.answer())[0] == 200
                    assert len(it.endpoints.asked) == number
                wire.send(GET)
                assert (await wire.answer())[0] == 200

        run(test())

    @pytest.mark.parametrize(
        ("target", "path", "query"),
        [
            (b"/a%20b%2Fc?x=%20", "/a b/c", "x=%20"),
            (b"/?", "/", ""),
            (b"http://there:80/health?x=1", "/health", "x=1"),
            (b"http://there", "/", ""),
            (b"*", "*", ""),
        ],
    )
    def test_targets(self, target: bytes, path: str, query: str) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"OPTIONS %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
                await wire.answer()
                assert it.endpoints.asked == [("OPTIONS", path, query, b"")]

        run(test())

    def test_a_chunked_body_is_put_together_and_its_trailers_are_no_headers(self) -> None:
        head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(head, b"3\r\nabc\r\n", b"2;x=y\r\nde\r\n")
                wire.send(b"0\r\nAuthorization: Basic eA==\r\n\r\n", GET)
                assert (await wire.answer())[0] == 200
                assert it.endpoints.asked[0] == ("POST", "/x", "", b"abcde")
                assert "authorization" not in it.endpoints.headers
                assert (await wire.answer())[0] == 200

        run(test())

    def test_who_asks_before_it_sends_the_body_is_told_to(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(post(b"12345", b"Expect: 100-Continue")[:-5])
                assert (await wire.head())[0] == 100
                wire.send(b"12345")
                assert (await wire.answer())[0] == 200
                assert it.endpoints.asked[0][3] == b"12345"

        run(test())

    def test_it_is_told_after_the_answers_to_what_it_sent_before(self) -> None:
        async def test() -> None:
            async with site() as it:
                first = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
                wire = await it.connect(first, post(b"12345", b"Expect: 100-continue")[:-5])
                await until(lambda: it.endpoints.asked, "the first one is asked")
                it.endpoints.gate.set()
                assert (await wire.answer())[0] == 200
                assert (await wire.head())[0] == 100
                wire.send(b"12345")
                assert (await wire.answer())[0] == 200

        run(test())

    def test_who_sends_the_body_at_once_is_not_told(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(GET, post(b"12345", b"Expect: 100-continue"))
                assert (await wire.answer())[0] == 200
                assert (await wire.answer())[0] in (100, 200)
                assert it.endpoints.asked[1][3] == b"12345"

        run(test())


class TestAnswers:
    def test_head_gets_the_headers_only(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(GET.replace(b"GET", b"HEAD"), GET)
                assert int((await wire.answer(head=True))[1]["content-length"]) > 10
                assert json.loads((await wire.answer())[2])[0] == "GET"

        run(test())

    @pytest.mark.parametrize(
        ("status", "line"),
        [
            (201, b"HTTP/1.1 201 Created"),
            (303, b"HTTP/1.1 303 See Other"),
            (503, b"HTTP/1.1 503 Service Unavailable"),
            (499, b"HTTP/1.1 499 Error"),
        ],
    )
    def test_status_and_headers(self, status: int, line: bytes) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /status/%d HTTP/1.1\r\nHost: x\r\n\r\n" % status)
                head = await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), PATIENCE)
                assert head.startswith(line + b"\r\n")
                assert b"\r\nX-More: a\r\n" in head

        run(test())

    def test_pipelined_requests_are_answered_in_order_one_at_a_time(self) -> None:
        async def test() -> None:
            async with site() as it:
                many = [b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(500)]
                wire = await it.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", *many)
                await until(lambda: it.endpoints.asked, "the first one is asked")
                await asyncio.sleep(0.02)
                assert len(it.endpoints.asked) == 1
                it.endpoints.gate.set()
                paths = [json.loads((await wire.answer())[2])[1] for _ in range(501)]
                assert paths == ["/wait", *(f"/{number}" for number in range(500))]

        run(test())

    def test_who_pipelines_without_end_is_not_read_from(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: it.endpoints.asked, "the first one is asked")
                wire.send(GET * 400_000)
                sent = asyncio.create_task(wire.writer.drain())
                [connection] = await connected(it)
                await until(lambda: connection._input is Input.PAUSED, "it is not read from")
                assert len(connection._queue) < 3000
                assert sum(map(len, connection._unparsed)) < 1_000_000
                assert not sent.done()
                sent.cancel()

        run(test())

    def test_who_does_not_read_is_not_answered_any_further(self) -> None:
        async def test() -> None:
            async with site() as it:
                asking = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
                wire = await it.connect()
                wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
                wire.send(asking * 50)
                [connection] = await connected(it)
                await until(lambda: connection.state is State.BLOCKED, "it is full")
                await asyncio.sleep(0.2)  # what the kernel still takes
                assert connection.state is State.BLOCKED
                asked = len(it.endpoints.asked)
                await asyncio.sleep(0.05)
                assert len(it.endpoints.asked) == asked < 50
                wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
                for _ in range(50):
                    assert len((await wire.answer())[2]) == 3_000_000

        run(test())

    def test_what_raises_is_a_500_and_the_connection_goes_on(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /raise HTTP/1.1\r\nHost: x\r\n\r\n", GET)
                assert [(await wire.answer())[0] for _ in range(2)] == [500, 200]

        run(test())

    def test_an_answer_that_cannot_be_sent_ends_the_connection(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /unsendable HTTP/1.1\r\nHost: x\r\n\r\n", post(b"12345"), GET)
                with contextlib.suppress(ConnectionError):
                    assert await wire.closed() == b""
                await until(lambda: it.connections == 0, "it is closed")
                assert [path for _, path, _, _ in it.endpoints.asked] == ["/unsendable"]
                assert it.server.state.budget.in_use == 0
                assert (await (await it.connect(GET)).answer())[0] == 200

        run(test())


class TestKeepAlive:
    @pytest.mark.parametrize(
        ("request_", "said"),
        [
            (b"GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close"),
            (b"GET /1 HTTP/1.0\r\n\r\n", "close"),
            (b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n", "close"),
        ],
    )
    def test_who_wants_it_closed_gets_it_closed(self, request_: bytes, said: str) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(request_, GET, b"and so on")
                status, headers, _ = await wire.answer()
                assert (status, headers["connection"]) == (200, said)
                assert await wire.closed() == b""
                assert len(it.endpoints.asked) == 1

        run(test())

    def test_http_1_0_may_be_kept(self) -> None:
        async def test() -> None:
            async with site() as it:
                asking = b"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                wire = await it.connect(asking)
                assert (await wire.answer())[1]["connection"] == "keep-alive"
                wire.send(asking)
                assert (await wire.answer())[0] == 200

        run(test())

    @pytest.mark.usefixtures("impatient")
    def test_what_is_idle_is_closed_in_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_module, "KEEP_ALIVE", 0.5)

        async def test() -> None:
            async with site() as it:
                never = await it.connect()
                once = await it.connect(GET)
                assert (await once.answer())[0] == 200
                assert await never.closed() == await once.closed() == b""

        run(test())

    @pytest.mark.usefixtures("impatient")
    def test_what_is_at_work_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: it.endpoints.asked, "it is asked")
                for module, name in (
                    (http_module, "KEEP_ALIVE"),
                    (http_module, "WRITE_TIMEOUT"),
                    (request_reader, "HEAD_TIMEOUT"),
                    (request_reader, "BODY_TIMEOUT"),
                ):
                    monkeypatch.setattr(module, name, 0.02)
                await asyncio.sleep(0.1)
                it.endpoints.gate.set()
                assert (await wire.answer())[0] == 200

        run(test())


class TestRefused:
    @pytest.mark.parametrize(
        "sent",
        [
            b"NOT HTTP\r\n\r\n",
            b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
        ],
    )
    def test_what_is_not_http(self, sent: bytes) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(sent)
                status, headers, body = await wire.answer()
                assert (status, headers["connection"]) == (400, "close")
                assert "not an HTTP request" in json.loads(body)["detail"]
                assert await wire.closed() == b""
                assert it.endpoints.asked == []

        run(test())

    def test_what_came_before_is_answered_first(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", GET, b"NOT HTTP\r\n\r\n")
                await until(lambda: it.endpoints.asked, "the first one is asked")
                it.endpoints.gate.set()
                assert [(await wire.answer())[0] for _ in range(3)] == [200, 200, 400]
                assert await wire.closed() == b""

        run(test())

    @pytest.mark.parametrize("expect", [False, True])
    def test_a_body_that_says_it_is_too_large(self, expect: bool) -> None:
        async def test() -> None:
            async with site() as it:
                head = b"POST /predict?x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (LIMIT + 1)
                wire = await it.connect(head + (b"Expect: 100-continue\r\n" if expect else b"") + b"\r\n")
                status, headers, body = await wire.answer()
                assert (status, headers["connection"]) == (413, "close")
                assert json.loads(body)["path"] == "/predict"
                assert await wire.closed() == b""
                assert it.endpoints.asked == []

        run(test())

    @pytest.mark.parametrize("chunk", [1000, LIMIT + 1])
    def test_a_body_that_turns_out_to_be_too_large(self, chunk: int) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                piece = b"%x\r\n" % chunk + b"x" * chunk + b"\r\n"
                for _ in range(LIMIT // chunk + 1):
                    wire.send(piece)
                assert (await wire.answer())[0] == 413
                assert await wire.closed() == b""
                assert it.endpoints.asked == []

        run(test())

    def test_who_goes_on_sending_gets_to_read_the_answer(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
                wire.send(b"x" * 50_000_000)
                sending = asyncio.create_task(wire.writer.drain())
                assert (await wire.answer())[0] == 413
                await asyncio.wait([sending], timeout=PATIENCE)
                assert sending.done()

        run(test())

    def test_who_reads_a_last_answer_late_is_read_from_to_the_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it had sent, and nobody read, made the system cut the answer off when the connection was closed."""
        monkeypatch.setattr(http_module, "LINGER", 1000.0)

        async def test() -> None:
            async with site() as it:
                wire = await it.connect()
                (connection,) = await connected(it)
                connected_socket = connection._transport.get_extra_info("socket")
                connected_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
                wire.send(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                await until(lambda: connection._input is Input.PAUSED, "the answer waits for its reader")
                wire.send(b"x" * 10_000_000)
                assert len((await wire.answer())[2]) == 3_000_000
                await asyncio.wait_for(wire.writer.drain(), PATIENCE)
                wire.writer.write_eof()
                await until(lambda: it.connections == 0, "the end is seen")

        run(test())

    @pytest.mark.usefixtures("impatient")
    def test_who_goes_on_sending_without_end_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_module, "LINGER", 0.1)

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"NOT HTTP\r\n\r\n")

                async def send() -> None:
                    while True:
                        wire.send(b"x" * 10_000)
                        await wire.writer.drain()

                with pytest.raises(ConnectionError):
                    await asyncio.wait_for(send(), PATIENCE)
                assert it.connections == 0

        run(test())

    @pytest.mark.parametrize("limit", [1000, LIMIT])
    def test_a_body_at_the_limit_is_taken(self, limit: int) -> None:
        async def test() -> None:
            async with site() as it:
                assert (await (await it.connect(post(b"x" * limit))).answer())[0] == 200

        run(test())

    @pytest.mark.parametrize(
        "sent",
        [
            b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000,
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 60_000,
            b"GET /" + b"x" * 300_000,
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: "
            + b"x" * 300_000,
        ],
        ids=["one header", "many headers", "target", "trailer"],
    )
    def test_a_head_without_end(self, sent: bytes) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(sent)
                assert (await wire.answer())[0] == 431
                assert await wire.closed() == b""
                assert it.endpoints.asked == []

        run(test())

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize(
        "sent", [b"GET / HT", post(b"12345")[:-2], post(b"12345", b"Expect: 100-continue")[:-5]]
    )
    def test_half_a_request_does_not_hang(self, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HEAD_TIMEOUT", "BODY_TIMEOUT"):
            monkeypatch.setattr(request_reader, name, 0.1)

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(sent)
                answers = await wire.closed()
                assert b"HTTP/1.1 408 Request Timeout\r\n" in answers
                assert it.endpoints.asked == []

        run(test())

    @pytest.mark.usefixtures("impatient")
    def test_a_head_that_comes_drop_by_drop_does_not_hang(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(request_reader, "HEAD_TIMEOUT", 0.1)

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET / HTTP/1.1\r\nX: ")

                async def drip() -> None:
                    while True:
                        wire.send(b"x")
                        await asyncio.sleep(0.01)

                dripping = asyncio.create_task(drip())
                assert (await wire.answer())[0] == 408
                dripping.cancel()

        run(test())

    @pytest.mark.usefixtures("impatient")
    def test_who_never_reads_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_module, "WRITE_TIMEOUT", 0.1)

        async def test() -> None:
            async with site() as it:
                wire = await it.connect()
                wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
                wire.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
                await until(lambda: it.endpoints.asked, "it is asked")
                await until(lambda: it.connections == 0, "it is cut off")

        run(test())


class TestLeaving:
    def test_a_caller_who_leaves_is_known_to_be_gone_and_its_request_is_finished(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", GET)
                await until(lambda: it.endpoints.asked, "it is asked")
                assert not it.endpoints.gone[0]()
                wire.writer.transport.abort()
                await until(it.endpoints.gone[0], "it is known")
                it.endpoints.gate.set()
                await until(lambda: it.endpoints.answered == 1, "it is finished")
                await asyncio.sleep(0.02)
                assert len(it.endpoints.asked) == 1, "what it sent after is not begun"

        run(test())

    def test_half_a_request_of_one_who_left_is_nothing(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(post(b"12345")[:-2])
                await connected(it)
                wire.writer.close()
                await until(lambda: it.connections == 0, "it is gone")
                assert it.endpoints.asked == []

        run(test())


class TestStopping:
    def test_what_is_under_way_is_finished_and_nothing_is_kept(self) -> None:
        async def test() -> None:
            async with site() as it:
                idle = await it.connect(GET)
                assert (await idle.answer())[0] == 200
                waiting = await it.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", GET)
                half = await it.connect(post(b"12345")[:-2])
                await connected(it, 3)
                await until(lambda: len(it.endpoints.asked) == 2, "one waits")
                it.server.stop()
                assert await idle.closed() == b""
                half.send(b"45")
                status, headers, _ = await half.answer()
                assert (status, headers["connection"]) == (200, "close")
                assert not it.serving.done()
                it.endpoints.gate.set()
                status, headers, _ = await waiting.answer()
                assert (status, headers["connection"]) == (200, "close")
                await asyncio.wait_for(it.serving, PATIENCE)
                with pytest.raises(ConnectionError):
                    await it.connect()

        run(test())

    def test_what_takes_too_long_is_cut_off(self) -> None:
        async def test() -> None:
            async with site(drain=0.2) as it:
                wire = await it.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: it.endpoints.asked, "it waits")
                it.server.stop()
                await asyncio.wait_for(it.serving, PATIENCE)
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await wire.answer()

        run(test())

    def test_no_request_is_lost_while_it_stops(self) -> None:
        """Each caller asks until its connection is closed; a request that was sent before that is answered."""

        async def test() -> None:
            async with site() as it:
                kept = 0

                async def ask() -> None:
                    nonlocal kept
                    wire = await it.connect()
                    while True:
                        wire.send(GET)
                        status, headers, _ = await wire.answer()
                        assert status == 200
                        if headers.get("connection") == "close":
                            return
                        kept += 1

                callers = [asyncio.create_task(ask()) for _ in range(20)]
                await until(lambda: kept > 500, "they ask")
                it.server.stop()
                await asyncio.wait_for(asyncio.gather(*callers), PATIENCE)
                await asyncio.wait_for(it.serving, PATIENCE)

        run(test())
