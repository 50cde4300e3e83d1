"""Live models of several projects over their versions' lives: nothing is lost, nothing mixes, nobody hangs."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers import run, strict, until
from label_studio_ml.errors import (
    DeadlineExceeded,
    ModelFileError,
    ModelLoadError,
    ModelProcessDied,
    Overloaded,
    PredictError,
    RequestError,
)
from label_studio_ml.protocol.requests import parse_predict
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.serving.registry import loaded_models as models_module
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from pools import service
from tricky import CONFIG, Tricky, alive, task

pytestmark = pytest.mark.usefixtures("clean_env")

ONE = Project(uid="1.1", label_config=CONFIG)
TWO = Project(uid="2.2", label_config=CONFIG.replace('"A"', '"X"'))

LIMIT = 200.0

both = pytest.mark.parametrize("make", [ProcessRunner, ThreadRunner])


@dataclass
class Bench:
    """A pool over a folder, the runners that it made, and a hand that publishes versions."""

    pool: PredictionService
    store: VersionStore
    runners: list[Any] = field(default_factory=list)

    async def ask(self, project: Project = ONE, *tasks: dict[str, Any], params: Any = None) -> list[Any]:
        """Return the entries for one request."""
        body = json.dumps({"tasks": tasks or [task(1)], "params": params}).encode()
        entries: list[Any] = strict(
            await asyncio.wait_for(self.pool.predict(project, parse_predict(body)), LIMIT)
        )
        assert len(entries) == len(tasks or [1])
        return entries

    async def number(self, project: Project = ONE) -> int:
        """Return the number of the version that answers, after seeing that all of its signs agree."""
        [entry] = await self.ask(project)
        number: int = entry["result"][0]["number"]
        assert entry["model_version"] in ([f"v{number}"] if number else ["INITIAL", "0.0.1"])
        return number

    async def pid(self, project: Project = ONE) -> int:
        """Return the id of the process that answers."""
        [entry] = await self.ask(project)
        pid: int = entry["result"][0]["pid"]
        return pid

    def publish(self, number: int, project: Project = ONE) -> None:
        """Commit version number `number`."""
        version_id = f"id{number}"
        self.store.begin(project.uid, version_id)
        self.store.publish(
            Manifest(
                id=version_id,
                name=f"v{number}",
                project=project.uid,
                fence=number,
                created="2026-11-23T00:00:00Z",
                train_output={"number": number},
            )
        )

    async def served(self, number: int, project: Project = ONE) -> None:
        """Refresh, and wait until version `number` is served."""
        await self.pool.registry.refresh()
        await until(
            lambda: self.pool.registry.version(project.uid) == f"v{number}", f"version {number} is served"
        )
        assert await self.number(project) == number


@asynccontextmanager
async def bench(
    make: Any, tricky: Tricky, class_name: str = "Tricky", **options: Any
) -> AsyncIterator[Bench]:
    """Open a pool; close it, and see that no process is left."""
    settings = tricky.settings(class_name)
    runners: list[Any] = []

    def make_runner() -> Any:
        runners.append(make(settings))
        return runners[-1]

    store = VersionStore(settings.model_dir)
    made = Bench(service(make_runner, store, **options), store, runners)
    await made.pool.registry.start()
    try:
        yield made
    finally:
        await asyncio.wait_for(made.pool.registry.close(), LIMIT)
        left = [
            runner.pid for runner in runners if isinstance(runner, ProcessRunner) and alive(runner.pid or 0)
        ]
        assert not left


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


def test_each_project_is_answered_for_its_own_label_config(tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(ProcessRunner, tricky) as it:
            many = await asyncio.gather(*(it.ask(project) for project in [ONE, TWO] * 20))
            labels = [entries[0]["result"][0]["labels"] for entries in many]
            assert labels == [["A", "B"], ["B", "X"]] * 20
            assert len(it.runners) == 1
            assert len(tricky.lines("loads")) == 2

    run(test())


@both
def test_a_changed_label_config_is_answered_for_at_once(make: Any, tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(make, tricky) as it:
            await it.ask(ONE)
            [entry] = await it.ask(Project(uid=ONE.uid, label_config=TWO.label_config))
            assert entry["result"][0]["labels"] == ["B", "X"]

    run(test())


@both
def test_a_name_that_predict_gives_its_version_is_told_to_label_studio(make: Any, tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(make, tricky, class_name="TrickyNames") as it:
            [entry] = await it.ask(ONE)
            assert (entry["model_version"], it.pool.registry.version(ONE.uid)) == ("INITIAL", "INITIAL")
            [entry] = await it.ask(ONE, {"id": 1, "data": {"name": "prompt-2"}})
            assert (entry["model_version"], it.pool.registry.version(ONE.uid)) == ("prompt-2", "prompt-2")
            assert await it.pool.registry.touch(ONE) == "prompt-2"
            [entry] = await it.ask(ONE)
            assert entry["model_version"] == "prompt-2"
            [entry] = await it.ask(TWO)
            assert (entry["model_version"], it.pool.registry.version(TWO.uid)) == ("INITIAL", "INITIAL")

    run(test())


def test_no_tasks_need_no_model(tricky: Tricky) -> None:
    tricky.order("on_load", "raise hell")

    async def test() -> None:
        async with bench(ThreadRunner, tricky) as it:
            assert await it.pool.predict(ONE, parse_predict(b'{"tasks": []}')) == b"[]"

    run(test())


def test_an_interactive_request_overtakes_and_sees_its_context(tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(ProcessRunner, tricky) as it:
            await it.ask()
            first = asyncio.create_task(it.ask(ONE, task(1, "block gate")))
            await until(lambda: tricky.started("gate"), "predict blocks")
            batch = asyncio.create_task(it.ask(ONE, task(2)))
            await asyncio.sleep(0)
            now = asyncio.create_task(it.ask(ONE, task(3), params={"context": {"result": [7]}}))
            await until(
                lambda: len(next(iter(it.pool.registry.models.by_key.values())).process.batcher) == 2,
                "both wait",
            )
            tricky.release("gate")
            [entry] = await now
            assert entry["result"][0]["context"] == {"result": [7]}
            await asyncio.gather(first, batch)
            assert tricky.lines("predicts")[-3:] == ["[1]", "[3]", "[2]"]

    run(test())


@pytest.mark.parametrize(
    "attribute", ["", "wants_drafts = True", "wants_drafts = None  # code that reads drafts"]
)
def test_a_click_is_sent_without_its_drafts_unless_the_class_reads_them(
    tricky: Tricky, attribute: str
) -> None:
    code = f"""
class Keys(Tricky):
    {attribute}
    def predict(self, tasks, **kwargs):
        return [{{"result": [{{"keys": sorted(task)}}]}} for task in tasks]
"""
    with (tricky.folder / "obedient.py").open("a") as file:
        file.write(code)
    with_drafts = {**task(1), "drafts": [{"result": []}]}

    async def test() -> None:
        async with bench(ProcessRunner, tricky, "Keys") as it:
            await it.ask()
            for params, drafts in (({"context": {"result": [7]}}, bool(attribute)), ({}, True)):
                [entry] = await it.ask(ONE, with_drafts, params=params)
                assert ("drafts" in entry["result"][0]["keys"]) == drafts

    run(test())


def test_requests_with_other_params_are_not_merged(tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(ProcessRunner, tricky) as it:
            await it.ask()
            first = asyncio.create_task(it.ask(ONE, task(0, "block gate")))
            await until(lambda: tricky.started("gate"), "predict blocks")
            asked = [
                asyncio.create_task(it.ask(ONE, task(number), params={"login": login}))
                for number, login in enumerate("aba", 1)
            ]
            await until(
                lambda: len(next(iter(it.pool.registry.models.by_key.values())).process.batcher) == 3,
                "all wait",
            )
            tricky.release("gate")
            await asyncio.gather(first, *asked)
            assert tricky.lines("predicts")[-2:] == ["[1, 3]", "[2]"]

    run(test())


class TestVersions:
    @both
    def test_a_swap_while_requests_flow_loses_none_and_mixes_none(self, make: Any, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(make, tricky) as it:
                assert await it.number() == 0
                seen: list[int] = []
                over = False

                async def flow() -> None:
                    last = 0
                    while not over:
                        entries = await it.ask(ONE, task(1), task(2))
                        numbers = {entry["result"][0]["number"] for entry in entries}
                        versions = {entry["model_version"] for entry in entries}
                        assert len(numbers) == len(versions) == 1
                        [number] = numbers
                        assert versions == {f"v{number}" if number else "INITIAL"}
                        assert number >= last, "an older version answered after a newer one"
                        last = number
                        seen.append(number)

                flows = [asyncio.create_task(flow()) for _ in range(8)]
                try:
                    for number in (1, 2, 3):
                        it.publish(number)
                        await it.served(number)
                finally:
                    over = True
                    await asyncio.wait_for(asyncio.gather(*flows), LIMIT)
                assert {0, 3} <= set(seen)
                assert len(it.runners) == 1

        run(test())

    def test_an_event_class_gets_a_fresh_process_and_no_request_is_lost(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky, "TrickyEvents") as it:
                [before] = await it.ask()
                assert before["model_version"] == "0.0.1"
                old = before["result"][0]["pid"]
                over = False

                async def flow() -> None:
                    while not over:
                        [entry] = await it.ask()
                        assert entry["result"]

                flows = [asyncio.create_task(flow()) for _ in range(4)]
                it.publish(1)
                await it.served(1)
                over = True
                await asyncio.wait_for(asyncio.gather(*flows), LIMIT)
                assert await it.pid() != old
                await until(lambda: not alive(old), "the old process has ended")
                assert len(it.runners) == 2

        run(test())

    def test_new_versions_of_two_event_projects_need_no_more_than_a_process_each(
        self, tricky: Tricky
    ) -> None:
        """A project whose process was replaced loads its same version in the new one: that replaces nothing."""

        async def test() -> None:
            async with bench(ProcessRunner, tricky, "TrickyEvents") as it:
                for project in (ONE, TWO):
                    it.publish(1, project)
                    await it.ask(project)
                over = False

                async def flow(project: Project) -> None:
                    while not over:
                        [entry] = await it.ask(project)
                        assert entry["result"]

                flows = [asyncio.create_task(flow(project)) for project in (ONE, TWO) for _ in range(3)]
                try:
                    it.publish(2, ONE)
                    it.publish(2, TWO)
                    await it.pool.registry.refresh()
                    version = it.pool.registry.version
                    for project in (ONE, TWO):
                        await until(lambda uid=project.uid: version(uid) == "v2", "it is served")  # type: ignore[misc]
                    await until(
                        lambda: sum(not runner.ended.done() for runner in it.runners) == 1, "one is left"
                    )
                    served = [(await it.ask(project))[0]["result"][0]["pid"] for project in (ONE, TWO)]
                    assert len(set(served)) == 1
                finally:
                    over = True
                    await asyncio.wait_for(asyncio.gather(*flows), LIMIT)
                assert len(it.runners) <= 3
                assert [await it.number(project) for project in (ONE, TWO)] == [2, 2]

        run(test())

    @both
    @pytest.mark.parametrize("order", ["raise hell", "exit now"])
    def test_a_version_that_does_not_load_leaves_the_old_one(
        self, make: Any, order: str, tricky: Tricky
    ) -> None:
        tricky.order("on_load.2", order)

        async def test() -> None:
            async with bench(make, tricky) as it:
                it.publish(1)
                assert await it.number() == 1
                it.publish(2)
                await it.pool.registry.refresh()
                await until(lambda: it.pool.registry.failures(ONE.uid), "the failure is known")
                assert await it.number() == 1
                assert it.pool.registry.version(ONE.uid) == "v1"
                assert await it.pool.registry.touch(ONE, 10) == "v1"
                assert order.split()[1] in it.pool.registry.failures(ONE.uid)["id2"]
                it.publish(3)
                await it.served(3)

        run(test())

    @pytest.mark.parametrize("class_name", ["Tricky", "TrickyEvents"])
    def test_a_version_that_kills_its_process_leaves_the_old_one(
        self, class_name: str, tricky: Tricky
    ) -> None:
        tricky.order("on_load.2", "kill")

        async def test() -> None:
            async with bench(ProcessRunner, tricky, class_name) as it:
                it.publish(1)
                assert await it.number() == 1
                it.publish(2)
                await it.pool.registry.refresh()

                async def settled() -> None:
                    while not it.pool.registry.failures(ONE.uid):
                        [entry] = await it.ask()
                        assert entry["model_version"] == "v1"

                await asyncio.wait_for(settled(), LIMIT)
                assert "SIGKILL" in it.pool.registry.failures(ONE.uid)["id2"]
                assert await it.number() == 1

        run(test())

    def test_a_request_that_kills_the_process_while_a_version_loads_does_not_cost_that_version(
        self, tricky: Tricky
    ) -> None:
        tricky.order("on_load.1", "block gate")

        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                await it.ask()
                it.publish(1)
                await it.pool.registry.refresh()
                await until(lambda: tricky.started("gate"), "the version loads")
                poison = asyncio.create_task(it.ask(ONE, task(1, "kill")))
                await until(
                    lambda: tricky.started("gate") == it.runners[-1].pid != it.runners[0].pid,
                    "it loads again",
                )
                tricky.order("on_load.1")
                tricky.release("gate")
                with pytest.raises(ModelProcessDied):
                    await poison
                await until(lambda: it.pool.registry.version(ONE.uid) == "v1", "the version is served")
                assert await it.number() == 1
                assert not it.pool.registry.failures(ONE.uid)

        run(test())

    def test_a_version_that_is_published_while_versions_are_read_is_not_missed(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ThreadRunner, tricky) as it:
                read = it.store.versions

                def late(uid: str) -> list[Manifest]:
                    found = read(uid)
                    it.store.versions = read  # type: ignore[method-assign]
                    it.publish(1)
                    return found

                it.store.versions = late  # type: ignore[method-assign]
                await it.ask()
                await it.served(1)

        run(test())

    def test_a_project_that_could_not_be_served_is_served_once_it_is_trained(self, tricky: Tricky) -> None:
        tricky.order("on_load.0", "raise hell")

        async def test() -> None:
            async with bench(ThreadRunner, tricky, retry_after=1e9) as it:
                with pytest.raises(ModelLoadError):
                    await it.ask()
                it.publish(1)
                await it.served(1)

        run(test())

    def test_renew_waits_for_the_new_version(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ThreadRunner, tricky) as it:
                await it.ask()
                it.publish(1)
                await asyncio.wait_for(it.pool.registry.renew(ONE), LIMIT)
                assert it.pool.registry.version(ONE.uid) == "v1"
                tricky.order("on_load.2", "raise hell")
                it.publish(2)
                await asyncio.wait_for(it.pool.registry.renew(ONE), LIMIT)
                assert it.pool.registry.version(ONE.uid) == "v1"

        run(test())


class TestFailing:
    @both
    @pytest.mark.parametrize(
        ("when", "error"), [("on_import", ModelFileError), ("on_load", ModelLoadError)], ids=str
    )
    def test_a_failed_start_is_tried_again_after_a_while(
        self, make: Any, when: str, error: type[Exception], tricky: Tricky
    ) -> None:
        tricky.order(when, "raise hell")

        async def test(retry_after: float) -> None:
            async with bench(make, tricky, retry_after=retry_after) as it:
                with pytest.raises(error, match="told to hell"):
                    await it.ask()
                tricky.order(when)
                if retry_after:
                    with pytest.raises(error, match="told to hell"):
                        await it.ask()
                else:
                    assert await it.number() == 0
                tricky.order(when, "raise hell")

        run(test(1e9))
        run(test(0.0))

    @pytest.mark.parametrize("order", ["kill", "crash"])
    def test_a_request_that_kills_twice_is_refused_and_its_neighbours_are_answered(
        self, order: str, tricky: Tricky
    ) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                await it.ask()
                first = asyncio.create_task(it.ask(ONE, task(0, "block gate")))
                await until(lambda: tricky.started("gate"), "predict blocks")
                asked = [
                    asyncio.create_task(it.ask(ONE, task(number, do)))
                    for number, do in enumerate(["", order, ""], 1)
                ]
                await until(
                    lambda: len(next(iter(it.pool.registry.models.by_key.values())).process.batcher) == 3,
                    "all wait",
                )
                tricky.release("gate")
                await first
                done = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), LIMIT)
                assert [type(one) for one in done] == [list, ModelProcessDied, list]
                cause = "SIGKILL" if order == "kill" else "status 3"
                assert cause in str(done[1])
                assert "twice" in str(done[1])
                assert len(it.runners) == 3
                assert await it.number() == 0

        run(test())

    def test_a_constructor_that_always_kills_is_an_error_not_a_loop(self, tricky: Tricky) -> None:
        tricky.order("on_load", "kill")

        async def test() -> None:
            async with bench(ProcessRunner, tricky, retry_after=1e9) as it:
                many = await asyncio.wait_for(
                    asyncio.gather(*(it.ask() for _ in range(5)), return_exceptions=True), LIMIT
                )
                assert {type(one) for one in many} == {ModelProcessDied}
                assert len(tricky.lines("loads")) == 2
                with pytest.raises(ModelProcessDied):
                    await it.ask()
                assert len(tricky.lines("loads")) == 2

        run(test())

    def test_a_process_that_dies_once_costs_nobody_an_answer(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                pid = await it.pid()
                asked = [asyncio.create_task(it.ask(ONE, task(number))) for number in range(20)]
                await asyncio.sleep(0)
                it.runners[0]._kill()
                for entries in await asyncio.wait_for(asyncio.gather(*asked), LIMIT):
                    assert entries[0]["result"]
                await until(lambda: not alive(pid), "it is dead")
                assert await it.pid() != pid

        run(test())

    def test_a_predict_that_raises_is_an_error_with_its_cause(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                with pytest.raises(PredictError, match="told to hell"):
                    await it.ask(ONE, task(1, "raise hell"))
                entries = await it.ask(ONE, task(1), task(2, "raise hell"))
                assert ["result" in entry for entry in entries] == [True, False]

        run(test())

    def test_tasks_that_are_not_json_are_the_requests_fault(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                request = parse_predict(b'{"tasks": [{"a": "\xff"}]}')
                with pytest.raises(RequestError) as caught:
                    await asyncio.wait_for(it.pool.predict(ONE, request), LIMIT)
                assert caught.value.field == "tasks"

        run(test())

    def test_a_request_that_takes_too_long_is_answered_and_the_next_one_works(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky, deadline=0.5) as it:
                await until_loaded(it)
                with pytest.raises(DeadlineExceeded):
                    await it.ask(ONE, task(1, "block gate"))
                tricky.release("gate")
                await until_loaded(it)

        run(test())

    def test_a_runner_that_cannot_be_started_leaves_nobody_waiting_and_is_not_the_versions_fault(
        self, tricky: Tricky
    ) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky, "TrickyEvents", retry_after=0.0) as it:
                it.publish(1)
                await it.ask()
                broken = it.pool.registry.processes.make_runner

                def make_none() -> Any:
                    raise OSError("no more processes")

                it.pool.registry.processes.make_runner = make_none
                it.publish(2)
                await it.pool.registry.refresh()
                assert await it.number() == 1
                assert await it.number() == 1
                it.pool.registry.processes.make_runner = broken
                await it.number()
                await it.served(2)

        run(test())

    def test_a_first_runner_that_cannot_be_started_is_an_error(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky, retry_after=0.0) as it:
                works = it.pool.registry.processes.make_runner
                it.pool.registry.processes._unassigned = None

                def make_none() -> Any:
                    raise OSError("no more processes")

                it.pool.registry.processes.make_runner = make_none
                with pytest.raises(OSError, match="no more processes"):
                    await it.ask()
                it.pool.registry.processes.make_runner = works
                assert await it.number() == 0

        run(test())

    def test_after_thousands_of_quick_deaths_it_still_starts(
        self, tricky: Tricky, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def test() -> None:
            async with bench(ThreadRunner, tricky) as it:
                it.pool.registry.processes._unassigned = None
                it.pool.registry.processes.quick_deaths = 5000
                waits: list[float] = []
                sleep = asyncio.sleep

                async def no_sleep(seconds: float) -> None:
                    waits.append(seconds)
                    await sleep(0)

                monkeypatch.setattr(asyncio, "sleep", no_sleep)
                await it.ask()
                monkeypatch.undo()
                assert 10.0 in waits

        run(test())


class TestTouch:
    def test_it_does_not_wait_for_a_model_that_loads(self, tricky: Tricky) -> None:
        tricky.order("on_load", "block gate")

        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                assert await asyncio.wait_for(it.pool.registry.touch(ONE), LIMIT) == "INITIAL"
                await until(lambda: tricky.started("gate"), "the model loads")
                assert await asyncio.wait_for(it.pool.registry.touch(ONE, 0.01), LIMIT) == "INITIAL"
                tricky.release("gate")
                assert await asyncio.wait_for(it.pool.registry.touch(ONE, LIMIT), LIMIT) == "INITIAL"
                assert await it.number() == 0
                assert len(tricky.lines("loads")) == 1

        run(test())

    def test_it_does_not_wait_until_a_crashed_process_may_be_started_again(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                it.pool.registry.processes._unassigned = None
                it.pool.registry.processes.quick_deaths = 50  # ten seconds
                loop = asyncio.get_running_loop()
                touched = asyncio.create_task(it.pool.registry.touch(ONE, 0.01))
                alarm = loop.create_future()
                loop.call_later(5, alarm.set_result, None)
                await asyncio.wait([touched, alarm], return_when=asyncio.FIRST_COMPLETED)
                assert touched.done()
                assert await touched == "INITIAL"

        run(test())

    def test_a_model_whose_process_is_replaced_while_it_loads_is_loaded_in_the_next(
        self, tricky: Tricky
    ) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky, "TrickyEvents") as it:
                it.publish(1)
                assert await it.number() == 1
                tricky.order("on_load", "block gate")
                touched = asyncio.create_task(it.pool.registry.touch(TWO, LIMIT))
                await until(lambda: tricky.started("gate"), "the model of the other project loads")
                tricky.order("on_load")
                it.publish(2)
                await it.served(2)
                assert await asyncio.wait_for(touched, LIMIT) in ("INITIAL", "0.0.1")
                assert await it.number(TWO) == 0
                assert len(it.runners) == 2

        run(test())

    def test_a_model_that_waits_while_the_backend_ends_is_said(self, tricky: Tricky) -> None:
        tricky.order("on_load", "block gate")

        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                touched = asyncio.create_task(it.pool.registry.touch(ONE, LIMIT))
                await until(lambda: tricky.started("gate"), "the model loads")
                await it.pool.registry.close()
                with pytest.raises(Overloaded, match="shutting down"):
                    await asyncio.wait_for(touched, LIMIT)

        run(test())

    def test_a_model_that_does_not_load_is_said(self, tricky: Tricky) -> None:
        tricky.order("on_load", "raise hell")

        async def test() -> None:
            async with bench(ThreadRunner, tricky) as it:
                with pytest.raises(ModelLoadError, match="told to hell"):
                    await it.pool.registry.touch(ONE, LIMIT)

        run(test())


class TestMemory:
    def test_the_models_kept_are_bounded(self, tricky: Tricky, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(models_module, "MAX_LOADED", 3)

        async def test() -> None:
            async with bench(ThreadRunner, tricky) as it:
                for round_ in range(2):
                    for number in range(8):
                        project = Project(uid=f"{number}.{round_}", label_config=CONFIG)
                        await it.ask(project)
                        assert len(it.pool.registry.models.by_key) <= 3
                        assert len(it.pool.registry.models.serving) <= 3
                await until(
                    lambda: len(it.runners[0]._host._predictors) <= 3, "the process has removed them too"
                )
                await it.ask(Project(uid="0.0", label_config=CONFIG))

        run(test())

    def test_replaced_versions_are_forgotten(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ThreadRunner, tricky) as it:
                for number in range(1, 6):
                    it.publish(number)
                    if number > 1:
                        await it.served(number)
                    await it.ask()
                await until(lambda: len(it.runners[0]._host._predictors) == 1, "only the newest lives")
                assert len(it.pool.registry.models.by_key) == 1

        run(test())

    def test_a_project_that_is_forgotten_while_it_loads_leaves_no_model(self, tricky: Tricky) -> None:
        tricky.order("on_load", "block gate")

        async def test() -> None:
            async with bench(ThreadRunner, tricky) as it:
                await it.pool.registry.touch(ONE)
                await until(lambda: tricky.started("gate"), "the model loads")
                it.pool.registry.forget(ONE.uid)
                tricky.order("on_load")
                tricky.release("gate")
                await it.ask(TWO)  # loads after it: the runner loads one by one
                await until(
                    lambda: len(it.runners[0]._host._predictors) == 1, "only the other project's model lives"
                )
                assert ONE.uid not in it.pool.registry.models.serving
                assert await it.number() == 0

        run(test())

    def test_failed_steps_leave_no_tasks_behind(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ThreadRunner, tricky) as it:
                for number in range(30):
                    await it.ask(Project(uid=f"{number}.1", label_config=CONFIG))
                    await it.pool.registry.touch(ONE, 1)
                await until(lambda: len(it.pool.registry.processes._tasks) <= 1, "only the watch is left")

        run(test())


class TestClose:
    @both
    def test_those_who_wait_for_a_model_are_told(self, make: Any, tricky: Tricky) -> None:
        tricky.order("on_load", "block gate")

        async def test() -> None:
            async with bench(make, tricky) as it:
                asked = [asyncio.create_task(it.ask()) for _ in range(3)]
                await until(lambda: tricky.started("gate"), "the model loads")
                closing = asyncio.create_task(it.pool.registry.close())
                done = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), LIMIT)
                assert [type(one) for one in done] == [Overloaded] * 3
                if make is ThreadRunner:
                    tricky.release("gate")
                await asyncio.wait_for(closing, LIMIT)

        run(test())

    @pytest.mark.parametrize("tasks", [2, 200])
    def test_those_who_wait_to_learn_what_the_class_takes_are_told(self, tasks: int, tricky: Tricky) -> None:
        tricky.order("on_import", "block gate")

        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                many = [task(number) for number in range(tasks)]
                asked = asyncio.create_task(it.ask(ONE, *many))
                await until(lambda: tricky.started("gate"), "the file is imported")
                closing = asyncio.create_task(it.pool.registry.close())
                with pytest.raises(Overloaded):
                    await asked
                tricky.release("gate")
                await asyncio.wait_for(closing, LIMIT)

        run(test())

    def test_those_who_wait_for_their_turn_are_told_and_what_runs_is_finished(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(ProcessRunner, tricky) as it:
                await it.ask()
                running = asyncio.create_task(it.ask(ONE, task(1, "block gate")))
                await until(lambda: tricky.started("gate"), "predict blocks")
                waiting = asyncio.create_task(it.ask(ONE, task(2)))
                await until(
                    lambda: len(next(iter(it.pool.registry.models.by_key.values())).process.batcher) == 1,
                    "it waits",
                )
                closing = asyncio.create_task(it.pool.registry.close())
                with pytest.raises(Overloaded):
                    await waiting
                tricky.release("gate")
                assert (await running)[0]["result"]
                await asyncio.wait_for(closing, LIMIT)
                with pytest.raises(Overloaded):
                    await it.ask()

        run(test())

    def test_a_fresh_process_that_is_still_loading_is_ended_too(self, tricky: Tricky) -> None:
        tricky.order("on_load.2", "block gate")

        async def test() -> None:
            async with bench(ProcessRunner, tricky, "TrickyEvents") as it:
                it.publish(1)
                await it.ask()
                it.publish(2)
                await it.pool.registry.refresh()
                await until(lambda: tricky.started("gate"), "the new version loads")
                assert len(it.runners) == 2

        run(test())


async def until_loaded(it: Bench) -> None:
    """Ask until there is an answer, however often the deadline comes first."""
    asked: Callable[[], Any] = it.ask
    for _ in range(100):
        try:
            await asked()
        except DeadlineExceeded:
            continue
        return
    raise AssertionError("no answer")
