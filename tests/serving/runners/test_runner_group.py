"""Groups of real model processes: one that ends is replaced, and costs the others nothing."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers import run, strict, until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError, ModelLoadError, ModelProcessDied
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.predictor import Request
from label_studio_ml.protocol.requests import parse_predict
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.serving.requests.queue_item import RunnerClosed
from label_studio_ml.serving.runners import runner_group
from label_studio_ml.serving.runners.process_runner import ModelRunner, ProcessRunner
from label_studio_ml.serving.runners.runner_group import RunnerGroup
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from pools import service
from tricky import CONFIG, Tricky, alive, task

pytestmark = pytest.mark.usefixtures("clean_env")

ONE = Project(uid="1.1", label_config=CONFIG)
SPEC = ModelSpec(project=ONE)
LIMIT = 200.0


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


@dataclass
class Crew:
    """Makes groups, and knows every process that they ever started."""

    settings: Settings
    runners: list[ProcessRunner] = field(default_factory=list)
    groups: list[RunnerGroup] = field(default_factory=list)
    fails: set[int] = field(default_factory=set)

    def make(self, index: int) -> ProcessRunner:
        runner = ProcessRunner(self.settings)
        if len(self.runners) in self.fails:

            async def start() -> None:
                raise OSError("no more processes")

            runner.start = start  # type: ignore[method-assign]
        self.runners.append(runner)
        return runner

    def group(self, count: int = 2) -> RunnerGroup:
        self.groups.append(RunnerGroup(self.make, count))
        return self.groups[-1]

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [runner.pid for runner in self.runners if runner.pid and alive(runner.pid)]


async def killed(crew: Crew, pid: int) -> None:
    """Kill a process, and wait until that is known."""
    [runner] = [runner for runner in crew.runners if runner.pid == pid]
    os.kill(pid, signal.SIGKILL)
    await asyncio.wait_for(asyncio.shield(runner.ended), LIMIT)


def asking(*tasks: dict[str, Any]) -> Request:
    return Request(json.dumps(tasks).encode(), b"{}")


async def ask(group: RunnerGroup, number: int = 1, do: str = "", model: int = 1) -> int:
    """Return the id of the process that answered."""
    [answer] = await asyncio.wait_for(group.predict(model, [asking(task(number, do))]), LIMIT)
    [entry] = strict(answer.results)
    assert entry["result"][0]["task"] == number
    pid: int = entry["result"][0]["pid"]
    return pid


@asynccontextmanager
async def started(crew: Crew, count: int = 2) -> AsyncIterator[RunnerGroup]:
    """Start a group; close it, and see that no process is left."""
    group = crew.group(count)
    await group.start()
    try:
        yield group
    finally:
        await asyncio.wait_for(group.close(0), LIMIT)
        assert group.ended.done()
        assert not crew.pids


@asynccontextmanager
async def pooled(crew: Crew, count: int = 2, **options: Any) -> AsyncIterator[PredictionService]:
    """Open a pool over groups; close it, and see that no process is left."""
    pool = service(lambda: crew.group(count), VersionStore(crew.settings.model_dir), runners=count, **options)
    await pool.registry.start()
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.registry.close(), LIMIT)
        assert not crew.pids


async def request(pool: PredictionService, *tasks: dict[str, Any]) -> list[Any]:
    body = json.dumps({"tasks": tasks or [task(1)]}).encode()
    entries: list[Any] = strict(await asyncio.wait_for(pool.predict(ONE, parse_predict(body)), LIMIT))
    return entries


def test_calls_go_to_whoever_is_not_busy(tricky: Tricky) -> None:
    async def test() -> None:
        async with started(Crew(tricky.settings()), 2) as group:
            await group.load(1, SPEC)
            held = asyncio.create_task(ask(group, 1, "block gate"))
            await until(lambda: tricky.started("gate"), "one is busy")
            busy = tricky.started("gate")
            others = {await ask(group, number) for number in range(2, 8)}
            assert busy not in others
            assert len(others) == 1
            tricky.release("gate")
            assert await held == busy

    run(test())


def test_a_killed_member_is_replaced_with_all_models_and_the_others_load_nothing(tricky: Tricky) -> None:
    async def test() -> None:
        crew = Crew(tricky.settings())
        async with started(crew) as group:
            await group.load(1, SPEC)
            await group.load(2, SPEC)
            group.unload(2)
            await group.load(3, SPEC)
            first, second = crew.pids
            await killed(crew, first)
            for number in range(10):
                assert await ask(group, number) == second
            await until(lambda: len(group._members) == 2, "it is replaced")
            third = crew.runners[2].pid
            assert third is not None
            loads = [int(line.split()[0]) for line in tricky.lines("loads")]
            assert loads.count(second) == 3
            assert loads.count(third) == 2
            await killed(crew, second)
            for model in (1, 3):
                assert await ask(group, 1, model=model) == third
            with pytest.raises(ModelLoadError):
                await ask(group, 1, model=2)

    run(test())


def test_a_model_that_comes_while_a_replacement_loads_is_loaded_there_too(tricky: Tricky) -> None:
    async def test() -> None:
        crew = Crew(tricky.settings())
        async with started(crew) as group:
            await group.load(1, SPEC)
            tricky.order("on_load", "block gate")
            first, second = crew.pids
            os.kill(first, signal.SIGKILL)
            await until(lambda: tricky.started("gate"), "the replacement loads")
            tricky.order("on_load")
            await asyncio.wait_for(group.load(2, SPEC), LIMIT)
            assert len(group._members) == 1
            tricky.release("gate")
            await until(lambda: len(group._members) == 2, "it is replaced")
            await killed(crew, second)
            assert await ask(group, 1, model=2) == await ask(group, 1, model=1) == crew.runners[2].pid

    run(test())


@pytest.mark.parametrize("count", [2, 3])
def test_all_killed_at_once_end_the_group_and_leave_nothing(
    count: int, tricky: Tricky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        runner_group, "FIRST_PAUSE", 10.0
    )  # a busy machine may be slow to notice the last death

    async def test() -> None:
        crew = Crew(tricky.settings())
        async with started(crew, count) as group:
            await group.load(1, SPEC)
            for pid in crew.pids:
                os.kill(pid, signal.SIGKILL)
            await asyncio.wait_for(asyncio.shield(group.ended), LIMIT)
            with pytest.raises(RunnerClosed):
                await ask(group)
            with pytest.raises(ModelProcessDied):
                await group.load(2, SPEC)
            # Nobody looks after an ended group: it must not start anything any more.
            assert not [task for task in group._tasks if not task.done()]
            assert len(crew.runners) == count
            assert not crew.pids

    run(test())


def test_the_last_member_killed_while_a_replacement_loads_leaves_nothing(tricky: Tricky) -> None:
    async def test() -> None:
        crew = Crew(tricky.settings())
        async with started(crew) as group:
            await group.load(1, SPEC)
            tricky.order("on_load", "block gate")
            first, second = crew.pids
            os.kill(first, signal.SIGKILL)
            await until(lambda: tricky.started("gate"), "the replacement loads")
            os.kill(second, signal.SIGKILL)
            await asyncio.wait_for(asyncio.shield(group.ended), LIMIT)
            assert not crew.pids

    run(test())


def test_close_while_a_replacement_loads_leaves_nothing(tricky: Tricky) -> None:
    async def test() -> None:
        crew = Crew(tricky.settings())
        async with started(crew) as group:
            await group.load(1, SPEC)
            tricky.order("on_load", "block gate")
            os.kill(crew.pids[0], signal.SIGKILL)
            await until(lambda: tricky.started("gate"), "the replacement loads")
            assert len(crew.pids) == 2

    run(test())


def test_a_replacement_that_cannot_be_started_is_tried_again(tricky: Tricky) -> None:
    async def test() -> None:
        crew = Crew(tricky.settings(), fails={2, 3})
        async with started(crew) as group:
            await group.load(1, SPEC)
            os.kill(crew.pids[0], signal.SIGKILL)
            await until(lambda: len(group._members) == 1, "it is gone")
            await until(lambda: len(group._members) == 2, "it is replaced")
            assert len(crew.runners) == 5

    run(test())


def test_a_group_that_cannot_be_started_leaves_nothing(tricky: Tricky) -> None:
    async def test() -> None:
        crew = Crew(tricky.settings(), fails={1})
        with pytest.raises(OSError, match="no more processes"):
            await asyncio.wait_for(crew.group().start(), LIMIT)
        assert not crew.pids

    run(test())


def test_a_group_that_is_closed_while_it_starts_starts_no_more(tricky: Tricky) -> None:
    async def test() -> None:
        crew = Crew(tricky.settings())
        group = crew.group(3)
        make = group._make_runner

        def closing(index: int) -> ModelRunner:
            runner = make(index)
            start = runner.start

            async def then_close() -> None:
                await start()
                if index == 0:
                    await group.close(0)

            runner.start = then_close  # type: ignore[method-assign]
            return runner

        group._make_runner = closing
        with pytest.raises(RunnerClosed, match="stopped"):
            await group.start()
        assert [runner._process is not None for runner in crew.runners] == [True, False, False]
        assert not crew.pids

    run(test())


def test_a_model_that_one_member_cannot_load_is_not_loaded(tricky: Tricky) -> None:
    with (tricky.folder / "obedient.py").open("a") as file:
        file.write(
            "\nclass Picky(Tricky):\n    def __init__(self, **kwargs):\n        super().__init__(**kwargs)\n"
            "        try:\n            (HERE / 'taken').touch(exist_ok=False)\n"
            "        except FileExistsError:\n            raise ValueError('the second one') from None\n"
        )

    async def test() -> None:
        async with started(Crew(tricky.settings("Picky"))) as group:
            with pytest.raises(ModelLoadError, match="the second one"):
                await asyncio.wait_for(group.load(1, SPEC), LIMIT)
            for _ in range(4):
                with pytest.raises(ModelLoadError, match="not loaded"):
                    await ask(group)

    run(test())


def test_a_file_that_cannot_be_imported_ends_the_group(tricky: Tricky) -> None:
    tricky.order("on_import", "raise hell")

    async def test() -> None:
        crew = Crew(tricky.settings())
        async with started(crew, 3) as group:
            with pytest.raises(ModelFileError, match="told to hell"):
                await asyncio.wait_for(asyncio.shield(group.info), LIMIT)
            await asyncio.wait_for(asyncio.shield(group.ended), LIMIT)
            assert not crew.pids

    run(test())


def test_a_member_killed_while_it_imports_is_replaced(tricky: Tricky) -> None:
    """The others say what the class is like."""
    tricky.order("on_import", "block gate")

    async def test() -> None:
        crew = Crew(tricky.settings())
        async with started(crew) as group:
            # The gate may have been reached by the other one first.
            await until(lambda: tricky.started("gate") and crew.runners[0].pid is not None, "it imports")
            first = crew.runners[0].pid
            assert first is not None
            tricky.order("on_import")
            os.kill(first, signal.SIGKILL)
            await until(lambda: not alive(first), "it is dead")
            while not group.info.done():
                with contextlib.suppress(OSError):
                    tricky.release("gate", 0.0)
                await asyncio.sleep(0.005)
            assert (await group.info).name == "Tricky"
            await asyncio.wait_for(group.load(1, SPEC), LIMIT)
            await until(lambda: len(group._members) == 2, "it is replaced")
            assert await ask(group)

    run(test())


class TestPool:
    def test_a_killed_members_request_is_answered_by_another(self, tricky: Tricky) -> None:
        async def test() -> None:
            crew = Crew(tricky.settings())
            async with pooled(crew) as pool:
                await request(pool)
                held = asyncio.create_task(request(pool, task(7, "block gate")))
                await until(lambda: tricky.started("gate"), "one is busy")
                busy = tricky.started("gate")
                (tricky.folder / "gate.started").unlink()
                os.kill(busy, signal.SIGKILL)
                await until(lambda: tricky.started("gate"), "another has it")
                assert tricky.started("gate") != busy
                tricky.release("gate")
                [entry] = await held
                assert entry["result"][0]["task"] == 7
                assert entry["result"][0]["pid"] != busy
                assert len(crew.groups) == 1

        run(test())

    def test_all_killed_at_once_cost_nobody_an_answer(self, tricky: Tricky) -> None:
        async def test() -> None:
            crew = Crew(tricky.settings())
            async with pooled(crew) as pool:
                await request(pool)
                for _ in range(2):
                    asked = [asyncio.create_task(request(pool, task(number))) for number in range(40)]
                    await asyncio.sleep(0)
                    for pid in crew.pids:
                        os.kill(pid, signal.SIGKILL)
                    for number, entries in enumerate(await asyncio.wait_for(asyncio.gather(*asked), LIMIT)):
                        assert entries[0]["result"][0]["task"] == number
                assert len(crew.groups) == 3
                assert len(crew.pids) == 2

        run(test())

    def test_a_request_that_kills_twice_is_refused_and_the_others_are_answered(self, tricky: Tricky) -> None:
        async def test() -> None:
            crew = Crew(tricky.settings())
            async with pooled(crew, 3) as pool:
                await request(pool)
                asked = [
                    asyncio.create_task(request(pool, task(number, "kill" if number == 9 else "")))
                    for number in range(20)
                ]
                done = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), LIMIT)
                assert [number for number, one in enumerate(done) if isinstance(one, BaseException)] == [9]
                assert isinstance(done[9], ModelProcessDied)
                assert "SIGKILL" in str(done[9])

        run(test())
