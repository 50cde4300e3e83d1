"""What is decided before a body is read, how many bytes of bodies are taken, and how many connections."""

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from helpers import LIMIT as LIMIT_OF_A_TEST
from helpers import run, until
from label_studio_ml.errors import Overloaded
from label_studio_ml.http_server.body_budget import RESERVE_LIMIT, BodyBudget, UntrustedBodies
from label_studio_ml.http_server.connection_registry import CANDIDATES, Stage
from label_studio_ml.http_server.connection_states import State
from label_studio_ml.http_server.messages import Admission
from wire import GET, LIMIT, Site, Wire, connected, post, site


class TestLogin:
    @pytest.mark.parametrize("expect", [[], [b"Expect: 100-continue"]], ids=["", "expect"])
    @pytest.mark.parametrize("framing", [b"Content-Length: 90000", b"Transfer-Encoding: chunked"])
    def test_without_it_no_body_is_waited_for(self, expect: list[bytes], framing: bytes) -> None:
        head = b"\r\n".join([b"POST /secret HTTP/1.1", b"Host: x", framing, *expect, b"", b""])

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(head)
                status, headers, _ = await wire.answer()
                assert (status, headers["connection"]) == (401, "close"), "100 Continue would be here"
                assert it.endpoints.asked == []

        run(test())

    def test_with_it_the_body_is_read(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(post(b"12345", b"Authorization: Basic good", path=b"/secret"))
                assert (await wire.answer())[0] == 200
                assert it.endpoints.asked[0][3] == b"12345"

        run(test())

    @pytest.mark.parametrize("framing", [b"", b"Content-Length: 0\r\n"])
    def test_a_request_without_a_body_leaves_the_connection_open(self, framing: bytes) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /secret HTTP/1.1\r\nHost: x\r\n%b\r\n" % framing, GET)
                status, headers, _ = await wire.answer()
                assert (status, headers.get("connection")) == (401, None)
                assert (await wire.answer())[0] == 200

        run(test())

    @pytest.mark.parametrize("size", [1001, LIMIT])
    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_without_it_has_a_limit_of_its_own(self, size: int, chunked: bool) -> None:
        body = b"x" * size
        head = b"POST /untrusted HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        sent = head + b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if chunked else post(body, path=b"/untrusted")

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(sent)
                status, _, answer = await wire.answer()
                assert (status, "larger than 1000 bytes" in json.loads(answer)["detail"]) == (413, True)
                assert it.endpoints.asked == []
                assert (await (await it.connect(post(b"x" * 1000, path=b"/untrusted"))).answer())[0] == 200

        run(test())


class TestBytesInFlight:
    def test_those_beyond_the_limit_are_refused_until_others_are_answered(self) -> None:
        async def test() -> None:
            async with site(max_in_flight=200_000) as it:
                body = b"x" * 90_000
                first = [await it.connect(post(body, path=b"/wait")) for _ in range(2)]
                await until(lambda: len(it.endpoints.asked) == 2, "they are asked")
                assert it.server.state.budget.in_use == 180_000
                for late in (post(body), post(body)[:-80_000]):  # whole, or its head
                    status, headers, detail = await (await it.connect(late)).answer()
                    assert (status, headers["connection"]) == (503, "close")
                    assert "MAX_IN_FLIGHT" in json.loads(detail)["detail"]
                assert (await (await it.connect(post(b"x" * 1000))).answer())[0] == 200
                it.endpoints.gate.set()
                for wire in first:
                    assert (await wire.answer())[0] == 200
                await until(lambda: it.server.state.budget.in_use == 0, "their bytes are given back")
                assert (await (await it.connect(post(body))).answer())[0] == 200

        run(test())

    def test_bodies_that_are_still_being_received_count(self) -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

        async def test() -> None:
            async with site(max_in_flight=150_000) as it:
                half = await it.connect(head, b"%x\r\n%b\r\n" % (90_000, b"x" * 90_000))
                await until(lambda: it.server.state.budget.in_use == 90_000, "it is counted")
                other = await it.connect(head, b"%x\r\n%b\r\n" % (90_000, b"x" * 90_000))
                assert (await other.answer())[0] == 503
                half.writer.transport.abort()
                await until(lambda: it.server.state.budget.in_use == 0, "what was read of it is given back")

        run(test())

    def test_whatever_becomes_of_a_connection_its_bytes_are_given_back(self) -> None:
        async def test() -> None:
            async with site() as it:
                wire = await it.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", post(b"x" * 1000) * 5)
                await until(lambda: it.server.state.budget.in_use == 5000, "they wait")
                wire.writer.transport.abort()
                it.endpoints.gate.set()
                await until(lambda: it.server.state.budget.in_use == 0, "they are given back")
                for bad in (post(b"x" * (LIMIT + 1)), post(b"12345")[:-2] + b"", b"NOT HTTP\r\n\r\n"):
                    other = await it.connect(bad)
                    with contextlib.suppress(OSError, EOFError):
                        other.writer.write_eof()
                        await other.closed()
                await until(lambda: it.connections == 0, "all are closed")
                assert it.server.state.budget.in_use == 0

        run(test())

    def test_a_body_in_thousands_of_small_chunks_takes_little_more_than_its_size(self) -> None:
        import tracemalloc

        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        size = LIMIT - 1

        async def test() -> None:
            async with site() as it:
                wire = await it.connect(head)
                await until(lambda: it.connections == 1, "it is connected")
                [connection] = await connected(it)
                tracemalloc.start()
                try:
                    wire.send(b"1\r\nx\r\n" * size)
                    await until(lambda: connection._reader._size == size, "all have come")
                    ours = tracemalloc.take_snapshot().filter_traces(
                        [tracemalloc.Filter(True, "*/request_reader.py")]
                    )
                finally:
                    tracemalloc.stop()
                assert sum(trace.size for trace in ours.traces) < 2 * size
                wire.send(b"0\r\n\r\n")
                assert (await wire.answer())[0] == 200
                assert it.endpoints.asked[0][3] == b"x" * size

        run(test())

    def test_those_without_the_login_have_a_part_of_it(self) -> None:
        budget = BodyBudget(1600)
        budget.reserve(100, trusted=False)
        with pytest.raises(Overloaded):
            budget.reserve(1, trusted=False)
        budget.reserve(1500, trusted=True)
        with pytest.raises(Overloaded):
            budget.reserve(1, trusted=True)
        budget.release(100, trusted=False)
        budget.reserve(100, trusted=True)
        assert budget.in_use == 1600

    def test_large_ones_without_the_login_leave_room_for_small_ones(self) -> None:
        budget = BodyBudget(16 * 4 * RESERVE_LIMIT)
        budget.reserve(3 * RESERVE_LIMIT, trusted=False)
        with pytest.raises(Overloaded):
            budget.reserve(1, trusted=False, counted=RESERVE_LIMIT)
        assert budget.share_is_full(1, RESERVE_LIMIT)
        budget.reserve(RESERVE_LIMIT, trusted=False)
        assert budget.share_is_full(1)

    def test_a_large_one_without_the_login_takes_no_small_ones_place(self) -> None:
        @dataclass(eq=False)
        class Body:
            received: int
            given_up: bool = False

            def evict(self) -> None:
                self.given_up = True
                budget.release(self.received, trusted=False)

        budget = BodyBudget(16 * 8 * RESERVE_LIMIT)
        budget.reserve(4 * RESERVE_LIMIT - 10, trusted=False)  # wait to be parsed
        bodies = UntrustedBodies(budget)
        small, large = Body(10), Body(2 * RESERVE_LIMIT)
        for body in (small, large):
            budget.reserve(body.received, trusted=False)
            bodies.add(body)
        newcomer = Body(0)
        bodies.make_room(RESERVE_LIMIT + 1, newcomer)
        assert (small.given_up, large.given_up) == (False, True)
        for _ in range(4):
            budget.reserve(RESERVE_LIMIT, trusted=False)
        bodies.make_room(1, newcomer)
        assert small.given_up


def part(size: int, path: bytes = b"/untrusted") -> bytes:
    """Return a request without its last bytes: `size` bytes of a body of 1000."""
    return post(b"x" * 1000, path=path)[: size - 1000]


class TestWithoutLogin:
    """A body without the login that does not come to its end keeps no other out."""

    WHOLE = post(b"x" * 1000, path=b"/untrusted")

    @staticmethod
    async def fill(it: Site, count: int, size: int) -> list[Wire]:
        wires = []
        for number in range(1, count + 1):
            wires.append(await it.connect(part(size)))
            await until(lambda: it.server.state.budget.in_use == number * size, "a part has come")  # noqa: B023
        return wires

    def test_the_one_that_takes_longest_makes_room(self) -> None:
        async def test() -> None:
            async with site(max_in_flight=160_000) as it:  # 10,000 for these
                wires = await self.fill(it, 10, 990)
                assert (await (await it.connect(self.WHOLE)).answer())[0] == 200
                status, headers, detail = await wires[0].answer()
                assert (status, headers["connection"]) == (503, "close")
                assert "other requests need its memory" in json.loads(detail)["detail"]
                for wire in wires[1:]:
                    wire.send(b"x" * 10)
                    assert (await wire.answer())[0] == 200
                assert it.server.state.budget.in_use == 0
                assert len(it.endpoints.asked) == 10

        run(test())

    def test_many_small_ones_make_room_for_one(self) -> None:
        async def test() -> None:
            async with site(max_in_flight=16_000) as it:  # 1,000 for these
                wires = await self.fill(it, 5, 200)
                assert (await (await it.connect(self.WHOLE)).answer())[0] == 200
                assert [(await wire.answer())[0] for wire in wires] == [503] * 5
                assert it.server.state.budget.in_use == 0

        run(test())

    def test_what_waits_for_its_answer_does_not_give_way(self) -> None:
        async def test() -> None:
            async with site(max_in_flight=160_000) as it:
                it.server.state.budget.reserve(9_500, trusted=False)  # their bodies have come
                assert (await (await it.connect(self.WHOLE)).answer())[0] == 503
                it.server.state.budget.release(9_500, trusted=False)
                assert (await (await it.connect(self.WHOLE)).answer())[0] == 200

        run(test())

    def test_those_behind_answers_that_are_not_read_do_not_wait(self) -> None:
        async def test() -> None:
            async with site(max_in_flight=160_000) as it:
                wire = await it.connect()
                wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
                wire.send(b"GET /untrusted/large HTTP/1.1\r\nHost: x\r\n\r\n" * 5 + self.WHOLE * 3)
                await until(lambda: bool(it.endpoints.asked), "it is asked")
                await until(lambda: it.connections == 0, "it is closed")
                assert it.server.state.budget.in_use == 0
                assert "/untrusted" not in [path for _, path, _, _ in it.endpoints.asked]

        run(test())

    def test_one_with_the_login_takes_nobodys_room(self) -> None:
        async def test() -> None:
            async with site(max_in_flight=160_000) as it:
                [wire] = await self.fill(it, 1, 990)
                assert (await (await it.connect(post(b"x" * 50_000))).answer())[0] == 200
                wire.send(b"x" * 10)
                assert (await wire.answer())[0] == 200

        run(test())


class TestConnections:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (part(10, b"/predict"), b"GET / HT"),
            (part(10), b"GET / HT"),
            (part(10, b"/predict"), part(10)),
        ],
        ids=["body, head", "body without the login, head", "body, body without the login"],
    )
    def test_what_costs_the_caller_least_makes_room(self, first: bytes, second: bytes) -> None:
        async def test() -> None:
            async with site(max_connections=2) as it:
                kept = await it.connect(first)
                [earlier] = await connected(it)
                await until(lambda: earlier.stage > Stage.IDLE, "it has begun")
                dropped = await it.connect(second)
                later = (await connected(it, 2))[1]
                await until(lambda: later.stage > Stage.IDLE, "it has begun")
                assert (await (await it.connect(GET)).answer())[0] == 200
                with contextlib.suppress(ConnectionError):
                    assert await dropped.closed() == b""
                kept.send(b"x" * 990)
                assert (await kept.answer())[0] == 200

        run(test())

    def test_heads_without_end_abort_no_upload_with_the_login(self) -> None:
        async def test() -> None:
            async with site(max_connections=100) as it:
                uploads = []
                for number in range(CANDIDATES + 6):
                    uploads.append(await it.connect(part(10, b"/predict")))
                    await until(lambda: it.server.state.budget.in_use == 10 * number + 10, "it comes")  # noqa: B023
                for _ in range(200):
                    await it.connect(b"GET / HT")
                await until(lambda: it.server.state.connections.closed_at_limit >= 150, "there are too many")
                for upload in uploads:
                    upload.send(b"x" * 990)
                    assert (await upload.answer())[0] == 200

        run(test())

    def test_the_one_that_is_idle_for_longest_makes_room(self) -> None:
        async def test() -> None:
            async with site(max_connections=3) as it:
                wires = [await it.connect(GET) for _ in range(3)]
                for wire in wires:
                    assert (await wire.answer())[0] == 200
                wires[0].send(GET)  # it is used again
                assert (await wires[0].answer())[0] == 200
                assert (await (await it.connect(GET)).answer())[0] == 200
                assert await wires[1].closed() == b""
                for wire in (wires[0], wires[2]):
                    wire.send(GET)
                    assert (await wire.answer())[0] == 200

        run(test())

    def test_idle_ones_go_before_those_whose_request_is_still_coming(self) -> None:
        async def test() -> None:
            async with site(max_connections=2) as it:
                coming = await it.connect(post(b"12345")[:-2])
                await until(lambda: it.connections == 1, "it is connected")
                idle = await it.connect(GET)
                assert (await idle.answer())[0] == 200
                assert (await (await it.connect(GET)).answer())[0] == 200
                assert await idle.closed() == b""
                coming.send(b"45")
                assert (await coming.answer())[0] == 200

        run(test())

    def test_what_is_being_answered_is_never_dropped(self) -> None:
        waiting = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"

        async def test() -> None:
            async with site(max_connections=2) as it:
                wires = [await it.connect(waiting) for _ in range(2)]
                await until(lambda: len(it.endpoints.asked) == 2, "they are asked")
                with contextlib.suppress(ConnectionError):
                    assert await (await it.connect(GET)).closed() == b""
                it.endpoints.gate.set()
                for wire in wires:
                    assert (await wire.answer())[0] == 200
                assert it.server.state.connections.closed_at_limit == 1

        run(test())

    @pytest.mark.parametrize("count", [1, 3], ids=["one request", "three"])
    @pytest.mark.parametrize("trusted", [False, True], ids=["without the login", "with it"])
    def test_who_does_not_read_keeps_nobody_out_without_the_login(self, trusted: bool, count: int) -> None:
        """Nor is an answer cut off that somebody with the login reads slowly, also when all of it is written."""
        path = (b"" if trusted else b"/untrusted") + (b"/huge" if count == 1 else b"/large")
        asking = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path

        async def test() -> None:
            async with site(max_connections=2) as it:
                for number in range(2):
                    wire = await it.connect()
                    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
                    wire.send(asking * count)
                    connection = (await connected(it, number + 1))[number]
                    await until(
                        lambda: connection.state is State.BLOCKED and connection.answering == (count > 1),  # noqa: B023
                        "it is full",
                    )
                other = await it.connect(GET)
                if trusted:
                    with contextlib.suppress(ConnectionError):
                        assert await other.closed() == b""
                else:
                    assert (await other.answer())[0] == 200

        run(test())

    def test_hundreds_of_silent_ones_keep_nobody_out(self) -> None:
        async def test() -> None:
            async with site(max_connections=20) as it:
                silent: list[Any] = [await it.connect(*([b"GET / HT"] * (n % 2))) for n in range(300)]
                assert it.connections <= 20
                for _ in range(30):
                    assert (await (await it.connect(GET)).answer())[0] == 200
                await asyncio.wait_for(silent[0].closed(), 60)

        run(test())

    def test_a_new_one_is_not_taken_for_one_with_nothing_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def test() -> None:
            async with site(max_connections=1) as it:
                await it.connect()
                [new] = await connected(it)
                monkeypatch.setattr("label_studio_ml.http_server.connection.NEW_TIME", 3600.0)
                assert new.stage == Stage.HEAD
                monkeypatch.setattr("label_studio_ml.http_server.connection.NEW_TIME", 0.0)
                await until(lambda: new.stage == Stage.IDLE, "it is not new any more")

        run(test())

    def test_who_pipelines_without_the_login_keeps_nobody_out(self) -> None:
        async def test() -> None:
            async with site(max_connections=1) as it:
                await it.connect()
                [one] = await connected(it)
                one._reader.feed(b"GET /wait/untrusted HTTP/1.1\r\nHost: x\r\n\r\n", 0.0)
                assert one.stage == Stage.ANSWERING
                one._admission = Admission(trusted=False, max_body=0)
                assert one.stage == Stage.ANSWERING
                one._reader.feed(GET, 0.0)
                assert one.stage == Stage.HEAD

        run(test())

    @pytest.mark.parametrize("name", ["asyncio", "uvloop"])
    def test_those_that_wait_are_accepted_together(self, name: str) -> None:
        """However much each turn of the event loop has to do for others, a new connection waits for few turns."""
        count = 60

        async def test() -> None:
            async with site(backlog=count) as it:
                address = ("127.0.0.1", it.port)
                with contextlib.ExitStack() as clients:
                    for _ in range(count):  # the loop has no turn meanwhile
                        clients.enter_context(socket.create_connection(address))
                    turns = 0
                    while it.connections < count:
                        await asyncio.sleep(0)
                        turns += 1
                        assert turns < count / 2, f"{it.connections} of {count} are accepted"
                    last = await it.connect(GET)
                    assert (await last.answer())[0] == 200

        factory = pytest.importorskip("uvloop").new_event_loop if name == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(test(), LIMIT_OF_A_TEST))
