"""Interactive requests in groups of real model processes: where they go, and that long polls take no slot."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from helpers import run, strict, until
from label_studio_ml.errors import ModelProcessDied, Overloaded
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.predictor import Request
from label_studio_ml.protocol.requests import parse_predict
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.serving.requests.queue_item import RunnerClosed
from label_studio_ml.serving.runners import process_runner, thread_runner
from label_studio_ml.serving.runners.process_runner import ModelRunner, ProcessRunner
from label_studio_ml.serving.runners.runner_group import RunnerGroup
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from pools import service
from tricky import CONFIG, Tricky, alive, task

pytestmark = pytest.mark.usefixtures("clean_env")

ONE = Project(uid="1.1", label_config=CONFIG)
LIMIT = 200.0


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


@asynccontextmanager
async def serving(
    tricky: Tricky, make: Any = ProcessRunner, members: int = 2
) -> AsyncIterator[PredictionService]:
    """Open a service over one runner, or a group of `members`; close it, and see that no process is left."""
    settings = tricky.settings()
    runners: list[Any] = []

    def make_member(index: int = 0) -> ModelRunner:
        runners.append(make(settings))
        return runners[-1]  # type: ignore[no-any-return]

    def make_runner() -> ModelRunner:
        return make_member() if members == 1 else RunnerGroup(make_member, members)

    pool = service(make_runner, VersionStore(settings.model_dir), runners=members)
    await pool.registry.start()
    try:
        await send(pool, 0)
        yield pool
    finally:
        await asyncio.wait_for(pool.registry.close(), LIMIT)
        assert not [
            runner.pid for runner in runners if isinstance(runner, ProcessRunner) and alive(runner.pid or 0)
        ]


async def send(pool: PredictionService, number: int, do: str = "", **context: Any) -> dict[str, Any]:
    """Return the entry for one task; with a context, an interactive one."""
    params = {"context": context} if context else None
    body = json.dumps({"tasks": [task(number, do)], "project": ONE.uid, "params": params}).encode()
    [entry] = strict(await asyncio.wait_for(pool.predict(ONE, parse_predict(body)), LIMIT))
    return dict(entry)


async def process_of(pool: PredictionService, number: int, do: str = "", **context: Any) -> int:
    """Return the id of the process that answers."""
    entry = await send(pool, number, do, **context)
    pid: int = entry["result"][0]["pid"]
    return pid


def drawn(*regions: str) -> dict[str, Any]:
    """Return the context of a click."""
    return {"result": [{"id": region} for region in regions]}


def test_all_requests_of_a_task_go_to_one_process_and_tasks_are_spread(tricky: Tricky) -> None:
    async def test() -> None:
        async with serving(tricky) as pool:
            homes = {number: await process_of(pool, number, event="prewarm") for number in range(1, 5)}
            assert sorted(map(list(homes.values()).count, set(homes.values()))) == [2, 2]
            for event in ("predict", "track", "track_progress", "track_cancel"):
                for number in (1, 1, 2, 4, 3, 3):
                    assert await process_of(pool, number, event=event) == homes[number]
            for number, home in homes.items():
                assert await process_of(pool, number, **drawn("a")) == home

    run(test())


def test_an_event_waits_for_its_process_while_another_one_is_free(tricky: Tricky) -> None:
    async def test() -> None:
        async with serving(tricky) as pool:
            home = await process_of(pool, 1, event="prewarm")
            busy = asyncio.create_task(send(pool, 1, "block gate", event="track"))
            await until(lambda: tricky.started("gate") == home, "its process is busy")
            event = asyncio.create_task(process_of(pool, 1, event="predict"))
            other = await process_of(pool, 2, **drawn("a"))
            assert other != home
            assert await process_of(pool, 3) == other, "the waiting event takes no slot"
            assert not event.done()
            tricky.release("gate")
            await busy
            assert await event == home

    run(test())


def test_a_click_goes_to_another_process_after_a_while(tricky: Tricky) -> None:
    async def test() -> None:
        async with serving(tricky) as pool:
            home = await process_of(pool, 1, **drawn("a"))
            busy = asyncio.create_task(send(pool, 1, "block gate", **drawn("a")))
            await until(lambda: tricky.started("gate") == home, "its process is busy")
            other = await process_of(pool, 1, **drawn("a"))
            assert other != home
            tricky.release("gate")
            await busy
            assert await process_of(pool, 1, **drawn("b")) == other

    run(test())


@pytest.mark.parametrize(("make", "members"), [(ProcessRunner, 2), (ProcessRunner, 1), (ThreadRunner, 1)])
def test_long_polls_take_no_slot(tricky: Tricky, make: Any, members: int) -> None:
    async def test() -> None:
        async with serving(tricky, make, members) as pool:
            names = [f"poll{number}" for number in range(4)]
            polls = [
                asyncio.create_task(send(pool, number, f"block {name}", event="track_progress"))
                for number, name in enumerate(names)
            ]
            await until(lambda: all(map(tricky.started, names)), "all wait in predict")
            assert (await send(pool, 0, event="track"))["result"]
            assert (await send(pool, 9, **drawn("a")))["result"]
            assert (await send(pool, 10))["result"]
            assert not any(poll.done() for poll in polls)
            for name in names:
                tricky.release(name)
            assert [entry["result"][0]["task"] for entry in await asyncio.gather(*polls)] == [0, 1, 2, 3]

    run(test())


@pytest.mark.parametrize("make", [ProcessRunner, ThreadRunner])
def test_long_polls_are_limited_even_if_their_callers_leave(
    tricky: Tricky, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (process_runner, thread_runner):
        monkeypatch.setattr(module, "MAX_LONG_POLLS", 1)

    async def test() -> None:
        async with serving(tricky, make, 1) as pool:
            poll = asyncio.create_task(send(pool, 1, "block gate", event="track_progress"))
            await until(lambda: tricky.started("gate"), "it waits in predict")
            with pytest.raises(Overloaded, match="long polls"):
                await send(pool, 2, event="track_progress")
            poll.cancel()
            await asyncio.wait([poll])
            with pytest.raises(Overloaded, match="long polls"):
                await send(pool, 2, event="track_progress")
            tricky.release("gate")

            runner: Any = pool.registry.processes.current[0].runner
            await until(lambda: not runner._polls, "its thread is free")
            assert (await send(pool, 2, event="track_progress"))["result"]

    run(test())


def test_a_crash_costs_a_long_poll_nothing_but_its_process(tricky: Tricky) -> None:
    """The call that crashed is the suspect; the poll is answered by another process, as a new request."""

    async def test() -> None:
        async with serving(tricky) as pool:
            home = await process_of(pool, 1, event="track")
            poll = asyncio.create_task(process_of(pool, 1, "block gate", event="track_progress"))
            await until(lambda: tricky.started("gate") == home, "it waits in predict")
            crash = asyncio.create_task(send(pool, 1, "kill", event="predict"))
            await asyncio.wait([crash])
            assert "twice" in str(crash.exception()), "it ended the next process, too"
            await until(lambda: alive(tricky.started("gate")), "a third process has the poll")
            tricky.release("gate")
            assert await poll not in (0, home)

    run(test())


def test_a_long_poll_is_no_suspect_of_a_crash_unless_it_was_alone(tricky: Tricky) -> None:
    """What is no suspect is sent again as new, as often as it takes."""

    def request(do: str) -> Request:
        return Request(json.dumps([task(1, do)]).encode(), b"{}", interactive=True)

    async def started() -> ProcessRunner:
        runner = ProcessRunner(tricky.settings())
        await runner.start()
        await runner.load(1, ModelSpec(project=ONE))
        return runner

    async def test() -> None:
        runner = await started()
        poll = asyncio.create_task(runner.long_poll(1, request("block gate"), "session"))
        await until(lambda: tricky.started("gate"), "it waits in predict")
        with pytest.raises(ModelProcessDied):
            await runner.predict(1, [request("kill")])
        with pytest.raises(RunnerClosed):
            await poll
        with pytest.raises(ModelProcessDied):
            await (await started()).long_poll(1, request("kill"), "session")

    run(test())


def test_the_session_of_a_killed_process_goes_on_in_another_one(tricky: Tricky) -> None:
    async def test() -> None:
        async with serving(tricky) as pool:
            home = await process_of(pool, 1, event="track")
            with pytest.raises(Exception, match="model process"):
                await send(pool, 2, "kill", event="predict")
            assert not alive(home) or await process_of(pool, 1, event="track") == home
            new = await process_of(pool, 1, event="track")
            assert {await process_of(pool, 1, event="track_progress") for _ in range(4)} == {new}

    run(test())


def test_a_superseded_click_is_answered_without_regions_and_without_a_call(tricky: Tricky) -> None:
    async def test() -> None:
        async with serving(tricky, members=1) as pool:
            busy = asyncio.create_task(send(pool, 1, "block gate", **drawn("a")))
            await until(lambda: tricky.started("gate"), "the process is busy")
            older = asyncio.create_task(send(pool, 2, **drawn("a")))
            others = [
                asyncio.create_task(send(pool, *args, **context))
                for args, context in [
                    ((2,), drawn("x")),
                    ((3,), drawn("a")),
                    ((2,), {**drawn("a"), "user_id": 1}),
                    ((2,), {**drawn("a"), "event": "predict"}),
                ]
            ]
            await asyncio.sleep(0)
            newest = asyncio.create_task(send(pool, 2, **drawn("a", "b")))
            version = pool.registry.version(ONE.uid)
            assert await older == {"result": [], "model_version": version, "superseded": True}
            assert pool.registry.counts.superseded == 1
            tricky.release("gate")
            for entry in await asyncio.gather(busy, *others, newest):
                assert "superseded" not in entry
                assert entry["result"]
            assert len(tricky.lines("predicts")) == 1 + 1 + len(others) + 1

    run(test())


def test_a_task_that_a_request_has_twice_is_no_click_that_a_newer_one_drops(tricky: Tricky) -> None:
    async def test() -> None:
        async with serving(tricky, members=1) as pool:
            assert pool.registry.info is not None
            pool.registry.expect(msgspec.structs.replace(pool.registry.info, max_batch_size=1))
            pool.registry.processes.current[0].batcher.max_batch = 1
            busy = asyncio.create_task(send(pool, 1, "block gate", **drawn("a")))
            await until(lambda: tricky.started("gate"), "the process is busy")
            batcher = pool.registry.processes.current[0].batcher
            body = {"tasks": [task(2), task(2)], "project": ONE.uid, "params": {"context": drawn("a")}}
            both = asyncio.create_task(pool.predict(ONE, parse_predict(json.dumps(body).encode())))
            await until(lambda: both.done() or len(batcher) == 2, "both wait")
            tricky.release("gate")
            await busy
            for entry in strict(await asyncio.wait_for(both, LIMIT)):
                assert entry["result"][0]["task"] == 2

    run(test())


def test_closing_threads_leaves_nothing_of_a_long_poll_but_its_thread(tricky: Tricky) -> None:
    """A task that was left would be cancelled with the event loop, which logs its error with a traceback."""

    async def test() -> None:
        before = asyncio.all_tasks()
        runner = ThreadRunner(tricky.settings())
        await runner.start()
        await runner.load(1, ModelSpec(project=ONE))
        request = Request(json.dumps([task(1, "block gate")]).encode(), b"{}", interactive=True)
        waits, leaves = (asyncio.create_task(runner.long_poll(1, request, "session")) for _ in range(2))
        await until(lambda: tricky.started("gate"), "it waits in predict")
        leaves.cancel()
        await asyncio.wait([leaves])
        await runner.close()
        with pytest.raises(ModelProcessDied):
            await asyncio.wait_for(waits, LIMIT)
        assert not runner._polls
        assert asyncio.all_tasks() == before

    try:
        run(test())
    finally:
        tricky.release("gate")
