"""A real server: callers who leave cost nothing, a full queue says so at once, /health answers whatever happens."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers import run, strict, until
from label_studio_ml.http_server.server import Server
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.protocol.requests import parse_predict
from label_studio_ml.runtime.application import Application
from label_studio_ml.serving.registry import process_assignment as processes_module
from label_studio_ml.serving.requests import batching
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from label_studio_ml.training.intake.synchronous import SynchronousIntake
from tricky import CONFIG, Tricky, task

pytestmark = pytest.mark.usefixtures("clean_env")

LIMIT = 200.0


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


@dataclass
class Caller:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def leave(self) -> None:
        self.writer.transport.abort()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), LIMIT)).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await asyncio.wait_for(self.reader.readexactly(int(headers["content-length"])), LIMIT)
        self.writer.close()
        return int(head[0].split()[1]), headers, strict(body)


@dataclass
class Site:
    core: Application
    port: int

    async def send(self, path: str, body: bytes = b"", method: str = "POST") -> Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        return Caller(reader, writer)

    async def predict(self, *tasks: dict[str, Any], **fields: Any) -> Caller:
        body = {"tasks": list(tasks), "project": "1.1", "label_config": CONFIG, **fields}
        return await self.send("/predict", json.dumps(body).encode())

    async def healthy(self) -> None:
        status, _, answer = await (await self.send("/health", method="GET")).answer()
        assert (status, answer["status"]) == (200, "UP")

    def waiting(self) -> int:
        return sum(len(home.batcher) for home in self.core.pool.registry.processes.all)


@asynccontextmanager
async def site(tricky: Tricky) -> AsyncIterator[Site]:
    settings = tricky.settings()
    core = Application(
        settings, lambda: ProcessRunner(settings), SynchronousIntake(settings, LabelStudioMLBase)
    )
    await core.start()
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(core.endpoints, max_body=1 << 20, drain=0.0)
    serving = asyncio.create_task(server.serve(listening))
    try:
        made = Site(core, listening.getsockname()[1])
        assert (await (await made.predict(task(0))).answer())[0] == 200
        yield made
    finally:
        server.stop()
        await asyncio.wait_for(serving, LIMIT)
        await asyncio.wait_for(core.close(), LIMIT)
        listening.close()


def test_callers_who_leave_while_they_wait_are_not_asked_for(tricky: Tricky) -> None:
    async def test() -> None:
        async with site(tricky) as it:
            held = await it.predict(task(1, "block gate"))
            await until(lambda: tricky.started("gate"), "predict blocks")
            waiting = [await it.predict(task(number)) for number in range(2, 8)]
            await until(lambda: it.waiting() == 6, "all wait")
            for caller in waiting[::2]:
                caller.leave()
            items = [item for home in it.core.pool.registry.processes.all for item in home.batcher._normal]
            await until(lambda: sum(item.gone() for item in items if item.gone) == 3, "it is noticed")
            await it.healthy()
            tricky.release("gate")
            for caller in (held, *waiting[1::2]):
                assert (await caller.answer())[0] == 200
            assert [json.loads(line) for line in tricky.lines("predicts")[1:]] == [[1], [3, 5, 7]]

    run(test())


def test_a_caller_who_leaves_during_the_run_takes_nothing_from_the_others(tricky: Tricky) -> None:
    async def test() -> None:
        async with site(tricky) as it:
            first = await it.predict(task(1, "block gate"))
            await until(lambda: tricky.started("gate"), "predict blocks")
            together = [
                await it.predict(task(number, "block next" if number == 2 else "")) for number in (2, 3)
            ]
            await until(lambda: it.waiting() == 2, "both wait")
            tricky.release("gate")
            assert (await first.answer())[0] == 200
            await until(lambda: tricky.started("next"), "they run together")
            together[0].leave()
            await it.healthy()
            tricky.release("next")
            status, _, answer = await together[1].answer()
            assert (status, answer["results"][0]["result"][0]["task"]) == (200, 3)
            assert (await (await it.predict(task(4))).answer())[0] == 200

    run(test())


def test_a_full_queue_says_so_at_once_and_takes_requests_again(
    tricky: Tricky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes_module, "MAX_QUEUE", 20)

    async def test() -> None:
        async with site(tricky) as it:
            held = await it.predict(task(1, "block gate"))
            await until(lambda: tricky.started("gate"), "predict blocks")
            waiting = [await it.predict(task(number)) for number in range(2, 22)]
            await until(lambda: it.waiting() == 20, "the queue is full")
            for _ in range(5):
                status, headers, answer = await (await it.predict(task(99))).answer()
                assert (status, headers["retry-after"]) == (503, "1")
                assert "20 prediction requests are waiting" in answer["detail"]
            await it.healthy()
            waiting[0].leave()
            waiting[1].leave()
            await until(
                lambda: (
                    sum(
                        bool(item.gone and item.gone())
                        for home in it.core.pool.registry.processes.all
                        for item in home.batcher._normal
                    )
                    == 2
                ),
                "it is noticed",
            )
            late = await it.predict(task(50))  # takes the place of those who left
            await until(lambda: it.waiting() == 19, "it waits")
            tricky.release("gate")
            for caller in (held, *waiting[2:], late):
                assert (await caller.answer())[0] == 200
            assert (await (await it.predict(task(60))).answer())[0] == 200
            assert "99" not in "".join(tricky.lines("predicts"))

    run(test())


def test_the_queues_own_bound_holds(tricky: Tricky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "QUICK", 0.0)  # nothing is sent ahead
    monkeypatch.setattr(processes_module, "MAX_DELAY", 1e9)

    async def test() -> None:
        async with site(tricky) as it:
            held = await it.predict(task(1, "block gate"))
            await until(lambda: tricky.started("gate"), "predict blocks")
            project = await it.core.endpoints._projects.get("1.1")
            assert project is not None
            request = parse_predict(b'{"tasks": [{"id": 5}]}')
            many = [asyncio.create_task(it.core.pool.predict(project, request)) for _ in range(1100)]
            await until(lambda: sum(one.done() for one in many) == 76, "those beyond 1,024 are turned away")
            assert (await (await it.predict(task(9))).answer())[0] == 503
            await it.healthy()
            tricky.release("gate")
            assert (await held.answer())[0] == 200
            done = await asyncio.wait_for(asyncio.gather(*many, return_exceptions=True), LIMIT)
            assert sum(isinstance(one, bytes) for one in done) == 1024

    run(test())
