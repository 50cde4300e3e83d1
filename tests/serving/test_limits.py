"""What a class may set, coroutines, threads and devices, loading only after the old model is gone, many projects."""

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from helpers import run, strict, until
from label_studio_ml.errors import ModelFileError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls import coroutines
from label_studio_ml.model_calls.adapter import ASYNC_CONCURRENCY, MAX_BATCH, describe_class
from label_studio_ml.model_calls.class_attributes import class_limit
from label_studio_ml.model_calls.coroutines import finish
from label_studio_ml.protocol.requests import parse_predict
from label_studio_ml.serving.registry import loaded_models as models_module
from label_studio_ml.serving.registry import process_assignment as processes_module
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from label_studio_ml.serving.runners.runner_choice import THREAD_VARIABLES, environment, processes
from label_studio_ml.serving.runners.runner_group import RunnerGroup
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.versions.state.project_state import Project
from pools import ONE, bench
from tricky import CONFIG, Tricky, alive, task

pytestmark = pytest.mark.usefixtures("clean_env")

LIMIT = 200.0


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


def made(**attributes: Any) -> type[LabelStudioMLBase]:
    return type("Made", (LabelStudioMLBase,), attributes)


class TestClassLimits:
    def test_defaults(self) -> None:
        info = describe_class(made())
        assert (info.max_batch_size, info.max_wait, info.concurrency) == (MAX_BATCH, 0.0, 1)

        async def predict(self: Any, tasks: Any, **kwargs: Any) -> None: ...

        assert describe_class(made(predict=predict)).concurrency == ASYNC_CONCURRENCY
        assert describe_class(made(predict=predict, concurrency=3)).concurrency == 3

    def test_they_are_taken(self) -> None:
        info = describe_class(made(max_batch_size=7, max_wait=0.25, concurrency=2))
        assert (info.max_batch_size, info.max_wait, info.concurrency) == (7, 0.25, 2)

    def test_when_to_train(self) -> None:
        info = describe_class(made())
        assert (info.train_every, info.quiet_period, info.min_annotations) == (1, 0.0, 0)
        info = describe_class(made(train_every=0, quiet_period=2, min_annotations=5))
        assert (info.train_every, info.quiet_period, info.min_annotations) == (0, 2.0, 5)

    @pytest.mark.parametrize(
        ("name", "value", "most"),
        [
            ("concurrency", 1025, "1,024"),
            ("max_wait", 1e300, "1,000,000,000"),
            ("quiet_period", 1e300, "1,000,000,000"),
        ],
    )
    def test_too_much(self, name: str, value: float, most: str) -> None:
        with pytest.raises(ModelFileError, match=f"Made.{name} is .* to {most}$") as caught:
            describe_class(made(**{name: value}))
        assert caught.value.field == name
        with pytest.raises(ModelFileError, match="fit_timeout"):
            class_limit(made(fit_timeout=1e300), "fit_timeout", 0.0)

    @pytest.mark.parametrize("name", ["max_batch_size", "concurrency", "train_every", "min_annotations"])
    def test_half_of_something_is_none(self, name: str) -> None:
        with pytest.raises(ModelFileError, match=f"Made.{name} is 2.5: it must be a whole number"):
            describe_class(made(**{name: 2.5}))

    @pytest.mark.parametrize(
        "name",
        [
            "max_batch_size",
            "max_wait",
            "concurrency",
            "train_every",
            "quiet_period",
            "min_annotations",
            "keep_versions",
        ],
    )
    @pytest.mark.parametrize("value", ["7", None, True, -1, float("nan"), float("inf"), [3], print])
    def test_bad_values_are_said(self, name: str, value: Any) -> None:
        with pytest.raises(ModelFileError, match=f"Made.{name} is ") as caught:
            describe_class(made(**{name: value}))
        assert caught.value.field == name

    def test_which_versions_are_served_and_kept(self) -> None:
        info = describe_class(made())
        assert (info.promote_if, info.keep_versions) == ("", 10)
        info = describe_class(made(promote_if="accuracy >= current", keep_versions=0))
        assert (info.promote_if, info.keep_versions) == ("accuracy >= current", 0)

    @pytest.mark.parametrize("value", ["accuracy is good", "accuracy >= best", None, 3, ["a > 1"]])
    def test_a_gate_that_cannot_be_read(self, value: Any) -> None:
        with pytest.raises(ModelFileError, match=r"Made\.promote_if is .*Example: ") as caught:
            describe_class(made(promote_if=value))
        assert caught.value.field == "promote_if"

    @pytest.mark.parametrize("name", ["max_batch_size", "concurrency"])
    def test_zero_of_something_is_too_few(self, name: str) -> None:
        with pytest.raises(ModelFileError, match=r"at least 1|from 1 to"):
            describe_class(made(**{name: 0}))


class TestPlacement:
    def test_cores_are_shared_and_devices_go_round(self, tricky: Tricky) -> None:
        settings = tricky.settings(model_workers=3, devices=("0", "2"))
        environments = [environment(settings, index, cores=8) for index in range(3)]
        assert [one["CUDA_VISIBLE_DEVICES"] for one in environments] == ["0", "2", "0"]
        assert {one[name] for one in environments for name in THREAD_VARIABLES} == {"2"}

    def test_there_is_at_least_one_thread(self, tricky: Tricky) -> None:
        settings = tricky.settings(model_workers=9)
        assert environment(settings, 8, cores=4)["OMP_NUM_THREADS"] == "1"
        assert "CUDA_VISIBLE_DEVICES" not in environment(settings, 8, cores=4)

    def test_what_the_user_sets_stays(self, tricky: Tricky, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "5")
        own = environment(tricky.settings(model_workers=2), 0, cores=8)
        assert "OMP_NUM_THREADS" not in own
        assert own["MKL_NUM_THREADS"] == "4"

    def test_processes_see_it(self, tricky: Tricky) -> None:
        with (tricky.folder / "obedient.py").open("a") as file:
            file.write(
                "\nwith (HERE / 'env').open('a') as file:\n"
                "    file.write(os.environ['CUDA_VISIBLE_DEVICES'] + os.environ['OMP_NUM_THREADS'] + '\\n')\n"
            )

        async def test() -> None:
            settings = tricky.settings(model_workers=2, devices=("6", "7"))
            group = processes(settings)
            assert isinstance(group, RunnerGroup)
            await group.start()
            await until(lambda: len(tricky.lines("env")) == 2, "both have imported")
            await group.close(0)
            threads = environment(settings, 0)["OMP_NUM_THREADS"]
            assert sorted(tricky.lines("env")) == [f"6{threads}", f"7{threads}"]
            assert isinstance(processes(tricky.settings()), ProcessRunner)

        run(test())


class TestCoroutines:
    def test_results_and_errors_come_out(self) -> None:
        async def good() -> int:
            await asyncio.sleep(0)
            return 7

        async def bad(error: BaseException) -> None:
            raise error

        assert finish(good()) == 7
        for error in (ValueError("x"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()):
            with pytest.raises(type(error)):
                finish(bad(error))
        assert finish(good()) == 7

    def test_all_run_on_one_loop_also_when_they_come_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        coroutines._loop.cache_clear()  # the one before goes with its daemon thread
        first = threading.Event()
        make = asyncio.new_event_loop
        made: list[asyncio.AbstractEventLoop] = []

        def slow() -> asyncio.AbstractEventLoop:
            made.append(make())
            first.wait(0.2)  # whoever else gets in gets in here
            return made[-1]

        monkeypatch.setattr(asyncio, "new_event_loop", slow)
        found: list[Any] = []

        async def which() -> Any:
            return asyncio.get_running_loop()

        threads = [threading.Thread(target=lambda: found.append(finish(which()))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(found) == 8
        assert len(set(found)) == len(made) == 1

    @pytest.mark.parametrize("make", [ProcessRunner, ThreadRunner])
    @pytest.mark.parametrize("kind", ["async", "threads"])
    def test_so_many_calls_are_under_way_at_a_time(self, make: Any, kind: str, tricky: Tricky) -> None:
        """Each call waits until all of them are there."""
        code = (
            "\nimport asyncio\nall_here = asyncio.Event()\nhere = 0\n"
            "class Many(Tricky):\n"
            "    max_batch_size = 1\n"
            "    concurrency = 5\n"
            "    async def predict(self, tasks, **kwargs):\n"
            "        global here\n"
            "        here += 1\n"
            "        if here == 5: all_here.set()\n"
            "        await asyncio.wait_for(all_here.wait(), 30)\n"
            "        if here > 5: raise ValueError('too many')\n"
            "        return [{'result': [{'task': task['id']}]} for task in tasks]\n"
            if kind == "async"
            else "\nbarrier = threading.Barrier(5)\n"
            "class Many(Tricky):\n"
            "    max_batch_size = 1\n"
            "    concurrency = 5\n"
            "    def predict(self, tasks, **kwargs):\n"
            "        barrier.wait(30)\n"
            "        return [{'result': [{'task': task['id']}]} for task in tasks]\n"
        )
        with (tricky.folder / "obedient.py").open("a") as file:
            file.write(code)

        async def test() -> None:
            async with bench(tricky, make, "Many") as it:
                many = await asyncio.gather(*(it.ask(task(number)) for number in range(5)))
                assert [entries[0]["result"][0]["task"] for entries in many] == list(range(5))

        run(test())

    def test_sys_exit_in_a_coroutine_is_a_failed_task_and_the_next_one_is_answered(
        self, tricky: Tricky
    ) -> None:
        with (tricky.folder / "obedient.py").open("a") as file:
            file.write(
                "\nclass Later(Tricky):\n    async def predict(self, tasks, **kwargs):\n"
                "        return super().predict(tasks, **kwargs)\n"
            )

        async def test() -> None:
            async with bench(tricky, class_name="Later") as it:
                entries = await it.ask(task(1), task(2, "exit now"))
                assert ["result" in entry for entry in entries] == [True, False]
                assert "SystemExit" in entries[1]["error"]
                assert (await it.ask())[0]["result"]

        run(test())


WITNESS = """
import weakref
alive_ones = weakref.WeakSet()
class Witness(Tricky):
    def __init__(self, **kwargs):
        with (HERE / "witness").open("a") as file:
            file.write(f"{len(alive_ones)}\\n")
        alive_ones.add(self)
        self.me = self  # as models with callbacks have it: only the collector ends it
        super().__init__(**kwargs)
"""


class TestDrainFirst:
    @pytest.mark.parametrize("drain_first", [False, True])
    def test_the_old_model_is_gone_before_the_new_one_is_built(
        self, drain_first: bool, tricky: Tricky
    ) -> None:
        with (tricky.folder / "obedient.py").open("a") as file:
            file.write(WITNESS)

        async def test() -> None:
            async with bench(tricky, class_name="Witness", drain_first=drain_first) as it:
                await it.ask()
                over = False

                async def flow() -> None:
                    while not over:
                        assert (await it.ask())[0]["result"]

                flows = [asyncio.create_task(flow()) for _ in range(4)]
                for number in (1, 2):
                    it.publish(number)
                    await it.pool.registry.refresh()
                    await until(lambda number=number: served(it) == f"v{number}", "it is served")  # type: ignore[misc]
                over = True
                await asyncio.gather(*flows)
                counts = tricky.lines("witness")
                assert counts == ["0", "0", "0"] if drain_first else counts[1] == "1"

        run(test())

    @pytest.mark.parametrize("class_name", ["Witness", "WitnessEvents"])
    def test_a_version_that_comes_while_another_loads_is_not_built_beside_it(
        self, class_name: str, tricky: Tricky
    ) -> None:
        code = WITNESS + "\nclass WitnessEvents(TrickyEvents, Witness):\n    pass\n"
        with (tricky.folder / "obedient.py").open("a") as file:
            file.write(code)
        tricky.order("on_load.2", "block gate")

        async def test() -> None:
            async with bench(tricky, class_name=class_name, drain_first=True) as it:
                it.publish(1)
                await it.ask()
                it.publish(2)
                await it.pool.registry.refresh()
                await until(lambda: tricky.started("gate"), "the second version loads")
                waiting = [asyncio.create_task(it.ask()) for _ in range(3)]
                it.publish(3)
                await it.pool.registry.refresh()
                await until(
                    lambda: any(is_version(model, 3) for model in it.pool.registry.models.by_key.values()),
                    "it is known",
                )
                if class_name == "Witness":
                    assert tricky.lines("loads")[-1].endswith(" 2"), "the third one waits"
                    tricky.release("gate")
                await until(lambda: served(it) == "v3", "the third version is served")
                await asyncio.gather(*waiting)
                assert set(tricky.lines("witness")) == {"0"}
                assert [entry["model_version"] for entry in await it.ask()] == ["v3"]
                assert not [runner.pid for runner in it.runners[:-1] if alive(runner.pid)]

        run(test())

    @pytest.mark.parametrize("class_name", ["Tricky", "TrickyEvents"])
    def test_a_version_that_does_not_load_brings_the_old_one_back(
        self, class_name: str, tricky: Tricky
    ) -> None:
        tricky.order("on_load.2", "raise hell")

        async def test() -> None:
            async with bench(tricky, class_name=class_name, drain_first=True) as it:
                it.publish(1)
                await it.ask()
                it.publish(2)
                await it.pool.registry.refresh()
                while not it.pool.registry.failures(ONE.uid):
                    assert (await it.ask())[0]["model_version"] == "v1"
                assert (await it.ask())[0]["model_version"] == "v1"

        run(test())

    def test_an_event_class_never_has_two_processes(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky, class_name="TrickyEvents", drain_first=True) as it:
                other = Project(uid="2.2", label_config=CONFIG)

                async def ask_other() -> None:
                    body = json.dumps({"tasks": [task(1)]}).encode()
                    [entry] = strict(await it.pool.predict(other, parse_predict(body)))
                    assert entry["result"]

                it.publish(1)
                await asyncio.gather(it.ask(), ask_other())
                over = False

                async def flow() -> None:
                    while not over:
                        assert (await it.ask())[0]["result"]
                        await ask_other()

                flows = [asyncio.create_task(flow()) for _ in range(4)]
                before = it.pool.registry.processes.make_runner

                def make_runner() -> Any:
                    assert not [runner.pid for runner in it.runners if alive(runner.pid)], "two at a time"
                    return before()

                it.pool.registry.processes.make_runner = make_runner
                for number in (2, 3):
                    it.publish(number)
                    await it.pool.registry.refresh()
                    await until(lambda number=number: served(it) == f"v{number}", "it is served")  # type: ignore[misc]
                over = True
                await asyncio.wait_for(asyncio.gather(*flows), LIMIT)
                assert len(it.runners) == 3
                assert it.pool.registry.processes.quick_deaths == 0

        run(test())


def is_version(model: Any, number: int) -> bool:
    return model.manifest is not None and model.manifest.name == f"v{number}"


def served(it: Any) -> str:
    model = it.pool.registry.models.serving.get(ONE.uid)
    return str(model.ready.result()) if model is not None and model.loaded else ""


def test_a_version_that_was_overtaken_while_it_loaded_is_forgotten(tricky: Tricky) -> None:
    tricky.order("on_load.2", "block gate")

    async def test() -> None:
        async with bench(tricky, ThreadRunner) as it:
            it.publish(1)
            await it.ask()
            it.publish(2)
            await it.pool.registry.refresh()
            await until(lambda: tricky.started("gate"), "the second version loads")
            it.publish(3)
            await it.pool.registry.refresh()
            tricky.release("gate")
            await until(lambda: served(it) == "v3", "the third version is served")
            await until(lambda: len(it.runners[0]._host._predictors) == 1, "nothing else is kept")
            assert [
                model.manifest and model.manifest.name for model in it.pool.registry.models.by_key.values()
            ] == ["v3"]

    run(test())


class TestManyProjects:
    @pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.soak)])
    def test_many_in_turn_stay_flat(self, tricky: Tricky, count: int) -> None:
        async def test() -> None:
            async with bench(tricky, ProcessRunner) as it:
                projects = [Project(uid=f"{number}.1", label_config=CONFIG) for number in range(count)]
                request = parse_predict(b'{"tasks": [{"id": 1}]}')
                sizes: list[tuple[int, int]] = []
                for _ in range(4):
                    for start in range(0, count, 50):
                        await asyncio.gather(
                            *(it.pool.predict(one, request) for one in projects[start : start + 50])
                        )
                        assert len(it.pool.registry.models.by_key) <= models_module.MAX_LOADED
                    sizes.append((resident(os.getpid()), resident(it.runners[0].pid)))
                for before, after in zip(sizes[1], sizes[3], strict=True):
                    assert after - before < 16 << 20, sizes

        run(test())

    def test_only_those_with_live_models_are_looked_at(
        self, tricky: Tricky, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(models_module, "MAX_LOADED", 3)

        async def test() -> None:
            async with bench(tricky, ThreadRunner) as it:
                request = parse_predict(b'{"tasks": [{"id": 1}]}')
                for number in range(10):
                    await it.pool.predict(Project(uid=f"{number}.1", label_config=CONFIG), request)
                looked: list[str] = []
                hint = it.store.hint

                def noted(uid: str) -> str | None:
                    looked.append(uid)
                    return hint(uid)

                monkeypatch.setattr(it.store, "hint", noted)
                await it.pool.registry.refresh()
                assert sorted(looked) == ["7.1", "8.1", "9.1"]
                it.publish(5)
                await it.pool.registry.refresh()
                assert it.pool.registry.version("1.1") == "v5"
                [entry] = strict(await it.pool.predict(ONE, request))
                assert entry["model_version"] == "v5"

        run(test())

    def test_those_that_come_at_once_go_when_they_are_answered(
        self, tricky: Tricky, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(models_module, "MAX_LOADED", 3)
        monkeypatch.setattr(processes_module, "MAX_DELAY", 60.0)

        async def test() -> None:
            async with bench(tricky, ThreadRunner) as it:
                projects = [Project(uid=f"{number}.1", label_config=CONFIG) for number in range(600)]
                request = parse_predict(b'{"tasks": [{"id": 1}]}')
                await asyncio.gather(*(it.pool.predict(one, request) for one in projects))
                assert len(it.pool.registry.models.by_key) <= 3
                await until(lambda: len(it.runners[0]._host._predictors) <= 3, "the lane forgets them too")

        run(test())


def resident(pid: int) -> int:
    """Return the memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
