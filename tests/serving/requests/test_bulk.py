"""Large requests: every task its own entry, small ones in between, nothing computed twice or in vain."""

import asyncio
import itertools
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pools
from helpers import run, strict, until
from label_studio_ml.errors import CallerLeft, Overloaded, PredictError, RequestError
from label_studio_ml.model_calls.predictor import Answer
from label_studio_ml.protocol.requests import parse_predict
from label_studio_ml.serving import prediction_service as pool_module
from label_studio_ml.serving.registry import process_assignment as processes_module
from label_studio_ml.serving.requests.bulk import OVERHEAD, Bulk, LateResults
from label_studio_ml.serving.requests.deadlines import Deadlines
from pools import bench
from tricky import Tricky, task

pytestmark = pytest.mark.usefixtures("clean_env")

LIMIT = 200.0

Ask = Callable[[list[bytes]], Coroutine[Any, Any, Answer]]


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    made = Tricky(tmp_path / "backend")
    with (made.folder / "obedient.py").open("a") as file:
        file.write("\nTricky.max_batch_size = 50\n")
    return made


def numbers(entries: list[Any]) -> list[int | None]:
    """Return which task each entry is for, None where it says that there is no result."""
    for entry in entries:
        assert ("result" in entry) != ("error" in entry)
    return [entry["result"][0]["task"] if "result" in entry else None for entry in entries]


class TestPool:
    def test_ten_thousand_tasks_get_an_entry_each_in_order(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                entries = await it.ask(*(task(number) for number in range(10_000)))
                assert numbers(entries) == list(range(10_000))
                assert {entry["model_version"] for entry in entries} == {"INITIAL"}
                assert {len(call) for call in it.asked} == {50}
                assert len(it.asked) == 200

        run(test())

    def test_the_very_first_request_is_cut_too(self, tricky: Tricky) -> None:
        """Nobody knows yet how many the class takes."""
        tricky.order("on_import", "block gate")

        async def test() -> None:
            async with bench(tricky) as it:
                asked = asyncio.create_task(it.ask(*(task(number) for number in range(120))))
                await until(lambda: tricky.started("gate"), "the file is imported")
                tricky.release("gate")
                assert numbers(await asked) == list(range(120))
                assert [len(call) for call in it.asked] == [50, 50, 20]

        run(test())

    @pytest.mark.parametrize("interactive", [False, True])
    def test_small_requests_wait_for_no_more_than_the_part_under_way(
        self, interactive: bool, tricky: Tricky
    ) -> None:
        params = {"context": {"result": []}, "login": "x"} if interactive else {"login": "x"}

        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                many = [task(number, "block gate" if number == 125 else "") for number in range(1000)]
                large = asyncio.create_task(it.ask(*many))
                await until(lambda: tricky.started("gate"), "the third part is under way")
                small = asyncio.create_task(it.ask(task(5000), params=params))
                await until(lambda: it.waiting() == 2, "it waits, and the fourth part")
                tricky.release("gate")
                assert numbers(await small) == [5000]
                assert numbers(await large) == list(range(1000))
                position = it.asked.index([5000])
                assert it.asked[position - 1] == list(range(100, 150))

        run(test())

    def test_a_stream_of_small_requests_does_not_stop_a_large_one(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                large = asyncio.create_task(it.ask(*(task(number) for number in range(500))))
                over = False

                async def flow(number: int) -> None:
                    while not over:
                        assert numbers(await it.ask(task(number))) == [number]

                flows = [asyncio.create_task(flow(number)) for number in range(1000, 1004)]
                try:
                    assert numbers(await large) == list(range(500))
                finally:
                    over = True
                    await asyncio.gather(*flows)

        run(test())

    def test_what_is_late_is_said_and_kept(self, tricky: Tricky, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pool_module, "BULK_SHARE", 0.025)  # five seconds; the deadline itself is far away

        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                it.pool._deadlines = Deadlines(200.0)
                many = [task(number, "block gate" if number == 120 else "") for number in range(300)]
                first = await it.ask(*many)
                assert numbers(first) == [*range(100), *[None] * 200]
                assert "100 of 300" in first[-1]["error"]
                assert first[-1]["model_version"] == "INITIAL"
                tricky.release("gate")
                monkeypatch.undo()
                await until(
                    lambda: len(it.pool._late_results) == 100, "the part under way and the next one are kept"
                )
                before = len(it.asked)
                rest = await it.ask(*many[100:])
                assert numbers(rest) == list(range(100, 300))
                assert sorted(itertools.chain.from_iterable(it.asked[before:])) == list(range(200, 300))
                assert len(it.pool._late_results) == 0

        run(test())

    def test_a_caller_who_leaves_costs_no_further_part_and_loses_nothing(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                left = False
                many = [task(number, "block gate" if number == 60 else "") for number in range(500)]
                asked = asyncio.create_task(it.ask(*many, gone=lambda: left))
                await until(lambda: tricky.started("gate"), "the second part is under way")
                left = True
                tricky.release("gate")
                with pytest.raises(CallerLeft):
                    await asked
                assert len(it.asked) == 3
                assert numbers(await it.ask(*many)) == list(range(500))
                assert [len(call) for call in it.asked[3:]] == [50] * 8

        run(test())

    def test_a_cancelled_request_keeps_what_was_computed(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                many = [task(number, "block gate" if number == 60 else "") for number in range(500)]
                asked = asyncio.create_task(it.ask(*many))
                await until(lambda: tricky.started("gate"), "the second part is under way")
                asked.cancel()
                await asyncio.wait([asked])
                assert asked.cancelled()
                tricky.release("gate")
                await until(
                    lambda: len(it.pool._late_results) == 150, "two parts, and the one that waited, are kept"
                )
                assert numbers(await it.ask(*many)) == list(range(500))
                assert sum(map(len, it.asked)) == 1 + 500

        run(test())

    def test_a_part_that_fails_does_not_take_the_others(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                many = [task(number, "raise hell" if 50 <= number < 100 else "") for number in range(200)]
                entries = await it.ask(*many)
                assert numbers(entries) == [*range(50), *[None] * 50, *range(100, 200)]
                assert "told to hell" in entries[50]["error"]

        run(test())

    def test_a_part_that_has_nothing_to_say_is_said_in_its_entries(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                silent = range(50, 100)
                many = [task(number, "say nothing" if number in silent else "") for number in range(200)]
                entries = await it.ask(*many)
                assert numbers(entries) == [*range(50), *[None] * 50, *range(100, 200)]
                assert entries[50]["error"] == "predict returned nothing for this task"
                silent_request = parse_predict(msgspec.json.encode({"tasks": [many[50]] * 120}))
                assert await it.pool.predict(pools.ONE, silent_request) == b"[]"

        run(test())

    def test_when_all_parts_fail_it_is_an_error_with_its_cause(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                with pytest.raises(PredictError, match="told to hell"):
                    await it.ask(*(task(number, "raise hell") for number in range(120)))

        run(test())

    def test_tasks_that_are_not_json_are_the_requests_fault(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                tasks = [b'{"id": %d}' % number for number in range(200)]
                tasks[120] = b'{"id": "\xff"}'
                request = msgspec.structs.replace(parse_predict(b'{"tasks": []}'), tasks=tasks)
                with pytest.raises(RequestError) as caught:
                    await it.send(request)
                assert caught.value.field == "tasks"

        run(test())

    @pytest.mark.parametrize("class_name", ["Tricky", "TrickyEvents"])
    @pytest.mark.parametrize("drain_first", [False, True])
    def test_a_swap_in_the_middle_does_not_mix_versions(
        self, class_name: str, drain_first: bool, tricky: Tricky
    ) -> None:
        async def test() -> None:
            async with bench(tricky, class_name=class_name, drain_first=drain_first) as it:
                it.publish(1)
                await it.ask()
                many = [task(number, "block gate" if number == 60 else "") for number in range(400)]
                large = asyncio.create_task(it.ask(*many))
                await until(lambda: tricky.started("gate"), "the second part is under way")
                it.publish(2)
                await it.pool.registry.refresh()
                small = asyncio.create_task(it.ask(task(9)))
                if not drain_first:
                    await until(
                        lambda: it.pool.registry.version(pools.ONE.uid) == "v2", "the new version is served"
                    )
                tricky.release("gate")
                entries = await large
                assert numbers(entries) == list(range(400))
                assert {entry["model_version"] for entry in entries} == {"v1"}
                assert {entry["result"][0]["number"] for entry in entries} == {1}
                assert (await small)[0]["result"]
                assert (await it.ask())[0]["model_version"] == "v2"

        run(test())

    def test_a_crash_costs_the_part_that_ran_and_no_other(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                many = [task(number, "block gate" if number == 60 else "") for number in range(400)]
                large = asyncio.create_task(it.ask(*many))
                await until(lambda: tricky.started("gate"), "the second part is under way")
                pid = tricky.started("gate")
                (tricky.folder / "gate.started").unlink()
                os.kill(pid, signal.SIGKILL)
                await until(lambda: tricky.started("gate"), "it is tried again")
                tricky.release("gate")
                assert numbers(await large) == list(range(400))
                calls = [call[0] for call in it.asked[1:]]
                assert sorted(calls) == sorted([*range(0, 400, 50), 50])

        run(test())

    def test_a_crash_and_a_new_version_at_once_do_not_mix_versions(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                it.publish(1)
                await it.ask()
                many = [task(number, "block gate" if number == 60 else "") for number in range(400)]
                large = asyncio.create_task(it.ask(*many))
                await until(lambda: tricky.started("gate"), "the second part is under way")
                it.publish(2)
                await it.pool.registry.refresh()
                await until(
                    lambda: it.pool.registry.version(pools.ONE.uid) == "v2", "the new version is served"
                )
                os.kill(tricky.started("gate"), signal.SIGKILL)
                entries = await large
                assert {entry["model_version"] for entry in entries} == {"v1"}
                assert numbers(entries) == [*range(50), *[None] * 350]
                assert "v2" in entries[-1]["error"]

        run(test())

    def test_a_part_that_kills_twice_does_not_take_the_others(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                entries = await it.ask(
                    *(task(number, "kill" if number == 60 else "") for number in range(200))
                )
                assert numbers(entries) == [*range(50), *[None] * 50, *range(100, 200)]
                assert "SIGKILL" in entries[60]["error"]

        run(test())

    def test_a_full_queue_turns_a_large_request_away_at_once_or_lets_it_wait(
        self, tricky: Tricky, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(processes_module, "MAX_QUEUE", 3)

        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                held = asyncio.create_task(it.ask(task(1, "block gate")))
                await until(lambda: tricky.started("gate"), "predict blocks")
                small = [asyncio.create_task(it.ask(task(2), params={"login": str(n)})) for n in range(2)]
                await until(lambda: it.waiting() == 2, "they wait")
                many = [task(number, "block second" if number == 60 else "") for number in range(400)]
                large = asyncio.create_task(it.ask(*many))
                await until(lambda: it.waiting() == 3, "its first part waits too")
                with pytest.raises(Overloaded):
                    await it.ask(*many)
                tricky.release("gate")
                await until(lambda: tricky.started("second"), "the second part is under way")
                more = [asyncio.create_task(it.ask(task(3), params={"login": str(n)})) for n in range(2)]
                await until(lambda: it.waiting() >= 2, "they wait with what is left of it")
                tricky.release("second")
                assert numbers(await large) == list(range(400))
                await asyncio.gather(held, *small, *more)

        run(test())

    def test_close_in_the_middle_ends_it(self, tricky: Tricky) -> None:
        async def test() -> None:
            async with bench(tricky) as it:
                await it.ask()
                many = [task(number, "block gate" if number == 60 else "") for number in range(400)]
                large = asyncio.create_task(it.ask(*many))
                await until(lambda: tricky.started("gate"), "the second part is under way")
                closing = asyncio.create_task(it.pool.registry.close())
                await asyncio.sleep(0)
                tricky.release("gate")
                entries = await large
                assert numbers(entries) == [*range(100), *[None] * 300]
                assert "shutting down" in entries[-1]["error"]
                await closing

        run(test())


class TestBulk:
    """Without a pool: the test holds every part."""

    @staticmethod
    def make(ask: Ask, count: int = 10, kept: LateResults | None = None, key: str = "m") -> Bulk:
        tasks = [b"%d" % number for number in range(count)]
        return Bulk(
            tasks, b"{}", key=key, version="v", kept=kept if kept is not None else LateResults(), ask=ask
        )

    @staticmethod
    async def echo(tasks: list[bytes]) -> Answer:
        return Answer(results=b"[" + b",".join(tasks) + b"]")

    @pytest.mark.parametrize("at_once", [1, 2, 5, 50])
    @pytest.mark.parametrize("part", [1, 3, 10, 100])
    def test_the_order_of_the_parts_does_not_matter(self, part: int, at_once: int) -> None:
        async def test() -> None:
            turns: list[asyncio.Event] = []

            async def ask(tasks: list[bytes]) -> Answer:
                turns.append(asyncio.Event())
                assert sum(not turn.is_set() for turn in turns) <= at_once
                await turns[-1].wait()
                return await self.echo(tasks)

            running = asyncio.create_task(self.make(ask).run(part=part, at_once=at_once, patience=LIMIT))
            while not running.done():
                for turn in reversed(turns):  # the last one first
                    if not turn.is_set():
                        turn.set()
                        break
                await asyncio.sleep(0)
            assert strict(running.result().results) == list(range(10))

        run(test())

    def test_an_unforeseen_error_is_said_and_the_others_go_on(self) -> None:
        async def test() -> None:
            async def ask(tasks: list[bytes]) -> Answer:
                if b"3" in tasks:
                    raise OSError("no more processes")
                return await self.echo(tasks)

            answer = await self.make(ask).run(part=2, at_once=1, patience=LIMIT)
            entries = strict(answer.results)
            assert [entries[number] for number in (0, 1, 4, 9)] == [0, 1, 4, 9]
            assert entries[2] == entries[3] == {"error": "no more processes", "model_version": "v"}

        run(test())

    def test_other_models_params_and_tasks_results_are_not_taken(self) -> None:
        kept = LateResults()
        kept.put("m", b"{}", b"1", b'"kept"')
        for key, params, one in [
            ("n", b"{}", b"1"),
            ("m", b"{ }", b"1"),
            ("m", b"{}", b"2"),
            ("m", b"{}1", b""),
        ]:
            assert kept.take(key, params, one) is None
        assert kept.take("m", b"{}", b"1") == b'"kept"'
        assert kept.take("m", b"{}", b"1") is None
        assert kept._bytes == 0

    def test_tasks_that_are_equal_get_an_entry_each(self) -> None:
        async def test() -> None:
            kept = LateResults()
            kept.put("m", b"{}", b"7", b"7")
            bulk = Bulk([b"7", b"8", b"7"], b"{}", key="m", version="v", kept=kept, ask=self.echo)
            answer = await bulk.run(part=2, at_once=1, patience=LIMIT)
            assert strict(answer.results) == [7, 8, 7]

        run(test())

    def test_no_patience_at_all_gives_what_is_kept(self) -> None:
        async def test() -> None:
            kept = LateResults()
            for number in range(9):
                kept.put("m", b"{}", b"%d" % number, b"%d" % number)

            async def never(tasks: list[bytes]) -> Answer:
                await asyncio.Event().wait()
                raise AssertionError

            answer = await self.make(never, kept=kept).run(part=5, at_once=2, patience=0.0)
            entries = strict(answer.results)
            assert entries[:9] == list(range(9))
            assert "9 of 10" in entries[9]["error"]
            await self.stop_others()

        run(test())

    def test_a_failure_is_not_kept(self) -> None:
        async def test() -> None:
            kept = LateResults()
            held = asyncio.Event()

            async def ask(tasks: list[bytes]) -> Answer:
                if tasks == [b"1"]:
                    held.set()
                    await asyncio.Event().wait()
                return Answer(error="no")

            running = asyncio.create_task(self.make(ask, kept=kept).run(part=1, at_once=1, patience=LIMIT))
            await held.wait()
            running.cancel()
            await asyncio.wait([running])
            assert len(kept) == 0
            await self.stop_others()

        run(test())

    @staticmethod
    async def stop_others() -> None:
        others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        for one in others:
            if "Bulk._work" in repr(one.get_coro()):
                one.cancel()

    def test_what_is_kept_is_bounded_and_the_oldest_go_first(self) -> None:
        kept = LateResults(max_bytes=10 * (100 + OVERHEAD))
        for number in range(1000):
            kept.put("m", b"{}", b"%d" % number, b"x" * 100)
            assert len(kept) <= 10
            assert kept._bytes <= 10 * (100 + OVERHEAD)
        assert kept.take("m", b"{}", b"990") is not None
        assert kept.take("m", b"{}", b"989") is None
        for _ in range(100):
            kept.put("m", b"{}", b"999", b"y" * 100)
        assert len(kept) == 9
        kept.put("m", b"{}", b"huge", b"z" * 100_000)
        assert len(kept) == 0
        assert kept._bytes == 0
