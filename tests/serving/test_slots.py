"""Several slots, bulk, weights, callers who leave, waiting for more: and thousands of all of that at random."""

import asyncio
import itertools
import random
from collections.abc import Hashable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import run, until
from label_studio_ml.errors import Overloaded
from label_studio_ml.serving.requests import batching
from label_studio_ml.serving.requests.batching import (
    BULK_TURN,
    PACES,
    SHORT_QUEUE,
    SHORT_QUEUE_DELAY,
    Batcher,
)
from label_studio_ml.serving.requests.queue_item import RunnerClosed


class Held:
    """Batches that end when the test says so."""

    def __init__(self, **options: Any) -> None:
        self.batches: list[list[Any]] = []
        self.running = 0
        self.most = 0
        self.gates: list[asyncio.Event] = []
        self.tasks: dict[Any, asyncio.Task[Any]] = {}
        self.batcher: Batcher[Any, Any] = Batcher(
            self._run, **{"max_batch": 100, "max_queue": 100, **options}
        )

    async def _run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        self.batches.append(list(payloads))
        self.running += 1
        self.most = max(self.most, self.running)
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        self.running -= 1
        return list(payloads)

    async def ask(self, payload: Any, key: Hashable = None, **options: Any) -> None:
        """Submit under a key of its own, unless one is given."""
        key = payload if key is None else key
        self.tasks[payload] = asyncio.create_task(self.batcher.submit(key, payload, **options))
        await settle()

    async def end(self, position: int) -> None:
        """Let the batch that began as number `position` end."""
        self.gates[position].set()
        await settle()

    async def finish(self) -> None:
        done = 0
        while done < len(self.gates):
            await self.end(done)
            done += 1
        got = await asyncio.wait_for(asyncio.gather(*self.tasks.values(), return_exceptions=True), 120)
        for asked, answer in zip(self.tasks, got, strict=True):
            assert answer == asked or isinstance(answer, BaseException)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_so_many_batches_run_as_there_are_slots() -> None:
    async def test() -> None:
        it = Held(slots=3)
        for number in range(5):
            await it.ask(number)
        assert it.batches == [[0], [1], [2]]
        await it.end(1)
        assert it.batches[3:] == [[3]]
        await it.finish()
        assert it.most == 3

    run(test())


def test_more_slots_begin_at_once() -> None:
    async def test() -> None:
        it = Held()
        for number in range(5):
            await it.ask(number)
        it.batcher.slots = 4
        await settle()
        assert it.batches == [[0], [1], [2], [3]]
        await it.finish()
        assert it.most == 4

    run(test())


def test_fewer_slots_are_reached_without_losing_anything() -> None:
    async def test() -> None:
        it = Held(slots=4)
        for number in range(10):
            await it.ask(number)
        it.batcher.slots = 1
        for position in (0, 1, 2):
            await it.end(position)
            assert len(it.batches) == 4
        await it.end(3)
        assert it.running == 1
        await it.finish()
        assert sorted(itertools.chain.from_iterable(it.batches)) == list(range(10))

    run(test())


def test_fewer_slots_while_all_end_at_once() -> None:
    async def test() -> None:
        it = Held(slots=4)
        for number in range(6):
            await it.ask(number)
        it.batcher.slots = 1
        for gate in list(it.gates):
            gate.set()
        await settle()
        assert it.running == 1
        await it.finish()
        assert len(it.batches) == 6

    run(test())


def test_what_runs_apart_runs_while_nothing_else_does() -> None:
    async def test() -> None:
        it = Held(slots=3)
        await it.ask("a")
        await it.ask("b")
        await it.ask("apart", "k", exclusive=True)
        await it.ask("c", "k")
        assert it.batches == [["a"], ["b"]]
        await it.end(0)
        assert it.running == 1
        await it.end(1)
        await it.ask("d", "k")
        assert it.batches[2:] == [["apart"]]
        await it.ask("now", interactive=True)
        assert it.running == 1
        await it.end(2)
        assert it.batches[3:] == [["now"], ["c", "d"]]
        await it.finish()

    run(test())


class TestAhead:
    """What runs one batch at a time, and takes the next one meanwhile."""

    @pytest.fixture(autouse=True)
    def _every_batch_is_quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batching, "QUICK", 1e9)

    async def busy(self, **options: Any) -> Held:
        """Return a batcher whose first batch has ended, and whose second one runs."""
        it = Held(max_batch=2, ahead=True, **options)
        for name in ("first", "running"):
            await it.ask(name)
        await it.end(0)
        return it

    def test_one_full_batch_is_sent_ahead(self) -> None:
        async def test() -> None:
            it = await self.busy()
            await it.ask(1, "k")
            assert it.running == 1
            for number in range(2, 7):
                await it.ask(number, "k")
            assert it.batches[2:] == [[1, 2]]
            await it.end(1)
            assert it.batches[3:] == [[3, 4]]
            await it.finish()
            assert it.most == 2

        run(test())

    def test_none_is_while_batches_are_slow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batching, "QUICK", 0.0)

        async def test() -> None:
            it = await self.busy()
            for number in range(6):
                await it.ask(number, "k")
            await it.finish()
            assert it.most == 1

        run(test())

    def test_none_is_where_several_run(self) -> None:
        async def test() -> None:
            it = await self.busy(slots=2)
            for number in range(9):
                await it.ask(number, "k")
            await it.finish()
            assert it.most == 2

        run(test())

    def test_one_interactive_item_is_not_left_behind_what_was_sent_ahead(self) -> None:
        async def test() -> None:
            it = await self.busy()
            await it.ask("now 1", interactive=True)
            assert it.running == 1, "nothing is ahead of it"
            await it.end(1)
            for number in range(4):
                await it.ask(number, "k")
            assert it.batches[2:] == [["now 1"], [0, 1]]
            await it.ask("now 2", interactive=True)
            await it.ask("now 3", interactive=True)
            assert it.batches[4:] == [["now 2"]]
            await it.end(2)
            assert it.batches[5:] == [["now 3"]]
            await it.finish()

        run(test())

    def test_what_runs_apart_has_nothing_ahead_or_behind(self) -> None:
        async def test() -> None:
            it = await self.busy()
            await it.ask("apart", "k", exclusive=True)
            for number in range(4):
                await it.ask(number, "k")
            assert it.running == 1
            await it.end(1)
            assert it.batches[2:] == [["apart"]]
            await it.finish()

        run(test())


def test_bulk_goes_last_but_not_never() -> None:
    async def test() -> None:
        it = Held()
        await it.ask("running")
        await it.ask("large 1", bulk=True)
        await it.ask("large 2", bulk=True)
        for number in range(2 * BULK_TURN):
            await it.ask(number)
        await it.ask("now", interactive=True)
        await it.finish()
        order = [batch[0] for batch in it.batches]
        assert order[1] == "now"
        turns = [order.index("large 1"), order.index("large 2")]
        assert turns[0] >= 3
        assert turns[1] - turns[0] == BULK_TURN

    run(test())


def test_whoever_is_gone_is_dropped_and_told() -> None:
    async def test() -> None:
        it = Held()
        gone: set[str] = set()
        await it.ask("running", gone=lambda: "running" in gone)
        for name, options in [("a", {}), ("b", {}), ("c", {"interactive": True}), ("d", {"bulk": True})]:
            await it.ask(name, "k", gone=lambda name=name: name in gone, **options)
        gone |= {"running", "a", "c", "d"}
        await it.finish()
        assert it.batches == [["running"], ["b"]]
        assert [name for name, one in it.tasks.items() if one.cancelled()] == ["a", "c", "d"]
        assert it.tasks["running"].result() == "running"

    run(test())


def test_weights_are_bounded_and_given_back() -> None:
    async def test() -> None:
        it = Held(max_weight=100)
        gone: set[str] = set()
        await it.ask("running", weight=1000)  # whatever its weight: nothing else waits
        await it.ask("heavy", weight=500)
        with pytest.raises(Overloaded):
            await it.batcher.submit("k", "x", weight=0)
        await it.end(0)
        await it.ask("a", weight=60, gone=lambda: "a" in gone)
        await it.ask("b", weight=40, bulk=True)
        with pytest.raises(Overloaded):
            await it.batcher.submit("k", "x", weight=1)
        await it.ask("light", weight=0, interactive=True)
        assert it.batcher._weight == 100
        gone.add("a")
        await it.ask("c", weight=60)
        assert it.batcher._weight == 100
        it.tasks["c"].cancel()
        await settle()
        await it.ask("d", weight=50)
        await it.finish()
        assert it.batcher._weight == 0
        assert len(it.batcher) == 0
        assert list(itertools.chain.from_iterable(it.batches)) == ["running", "heavy", "light", "d", "b"]

    run(test())


class TestDelay:
    """Beyond two full batches, what counts is how long the wait would be at the pace seen so far."""

    async def _filled(self, max_delay: float, count: int = SHORT_QUEUE) -> Held:
        it = Held(max_batch=2, max_delay=max_delay)
        for name in ("first", "slow", "last"):
            await it.ask(name)
        await it.end(0)
        await asyncio.sleep(0.02)  # this is the pace: not a wait for anything
        await it.end(1)
        for number in range(count):
            await it.ask(number, key="k", size=1)
        return it

    def test_a_long_wait_is_refused_at_once(self) -> None:
        async def test() -> None:
            it = await self._filled(max_delay=0.001)
            with pytest.raises(Overloaded):
                await it.batcher.submit("k", "x")
            await it.ask("part", bulk=True)  # parts of large requests are counted by those who send them
            await it.finish()

        run(test())

    def test_a_few_may_wait_longer_but_not_for_ever(self) -> None:
        async def test() -> None:
            it = await self._filled(max_delay=0.001, count=SHORT_QUEUE - 1)
            await it.ask("x", key="k")
            assert not it.tasks["x"].done()
            await it.finish()
            assert it.tasks["x"].result() == "x"
            for _ in range(PACES):
                it.batcher._update_pace(SHORT_QUEUE_DELAY, 1, others_queued=True)
            for number in range(6):
                await it.ask(number, key="k")
            with pytest.raises(Overloaded):
                await it.batcher.submit("k", "x")
            await it.finish()

        run(test())

    def test_a_short_one_is_not(self) -> None:
        async def test() -> None:
            it = await self._filled(max_delay=1000.0)
            await it.ask("x", key="k")
            await it.finish()
            assert "x" in it.tasks
            assert it.tasks["x"].result() == "x"

        run(test())

    def test_what_ran_alone_tells_nothing_of_full_batches(self) -> None:
        async def test() -> None:
            it = Held(max_batch=2, max_delay=0.001)
            await it.ask("alone")
            await asyncio.sleep(0.02)  # this would be the pace
            await it.end(0)
            for number in range(6):
                await it.ask(number, key="k")
            await it.ask("x", key="k")
            await it.finish()
            assert it.tasks["x"].result() == "x"

        run(test())

    @pytest.mark.parametrize("slow", [1, 6])
    def test_one_batch_that_took_long_says_nothing_but_many_do(self, slow: int) -> None:
        async def test() -> None:
            it = Held(max_batch=2, max_delay=1.0)
            for number in range(6):
                it.batcher._update_pace(60.0 if number >= 6 - slow else 0.001, 2, others_queued=True)
            for number in range(6):
                await it.ask(number, key="k")
            await it.ask("x", key="k")
            assert isinstance(it.tasks["x"].exception() if it.tasks["x"].done() else None, Overloaded) == (
                slow == 6
            )
            await it.finish()

        run(test())


def test_close_gives_the_weight_back() -> None:
    async def test() -> None:
        it = Held(max_weight=100)
        for number in range(3):
            await it.ask(number, weight=50)
        it.batcher.close("over")
        assert it.batcher._weight == 0
        await it.finish()
        assert [type(one.exception()) for one in it.tasks.values()] == [
            type(None),
            RunnerClosed,
            RunnerClosed,
        ]

    run(test())


class TestMaxWait:
    def test_it_gathers_what_comes_meanwhile(self) -> None:
        async def test() -> None:
            it = Held(max_wait=0.5)
            for number in range(5):
                await it.ask(number, "k")
            await it.ask("other")
            assert it.batches == []
            await until(lambda: it.batches, "it has waited long enough")
            assert it.batches == [[0, 1, 2, 3, 4]]
            await it.end(0)
            await until(lambda: len(it.batches) == 2, "the other one too")
            await it.finish()

        run(test())

    def test_a_batch_that_gets_full_goes_at_once(self) -> None:
        async def test() -> None:
            it = Held(max_wait=1e6, max_batch=4)
            for number in range(5):
                await it.ask(number, "k")
            assert it.batches == [[0, 1, 2, 3]]
            for number in range(5, 8):
                await it.ask(number, "k")
            await it.end(0)
            assert it.batches[1:] == [[4, 5, 6, 7]]
            await it.finish()

        run(test())

    def test_interactive_requests_neither_wait_nor_have_to(self) -> None:
        async def test() -> None:
            it = Held(max_wait=1e6)
            await it.ask("now 1", interactive=True)
            assert it.batches == [["now 1"]]
            await it.end(0)
            await it.ask(1, "k")
            assert len(it.batches) == 1
            await it.ask("now 2", interactive=True)
            assert it.batches[1:] == [[1]]
            await it.end(1)
            assert it.batches[2:] == [["now 2"]]
            await it.finish()

        run(test())

    def test_whoever_leaves_while_it_gathers_is_not_run(self) -> None:
        async def test() -> None:
            it = Held(max_wait=1e6, max_batch=4)
            gone: set[int] = set()
            for number in range(3):
                await it.ask(number, "k", gone=lambda number=number: number in gone)
            gone.add(1)
            it.tasks[2].cancel()
            await settle()
            await it.ask(3, "k")
            assert it.batches == [[0, 3]]
            await it.finish()
            # all of a batch
            await it.ask(4, "k", gone=lambda: True)
            await it.ask(5, "k", size=4)
            await it.finish()
            assert it.batches[1:] == [[5]]

        run(test())


@pytest.mark.parametrize("seed", range(6))
def test_thousands_at_random_all_end(seed: int) -> None:
    chance = random.Random(seed)

    async def test() -> None:
        running = 0
        ran: set[int] = set()

        async def work(key: Hashable, payloads: Sequence[int]) -> list[int]:
            nonlocal running
            running += 1
            assert len({number % 5 for number in payloads}) == 1
            assert not ran & set(payloads), "run twice"
            ran.update(payloads)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            running -= 1
            if 9999 not in payloads and chance.random() < 0.1:
                raise ValueError("told to")
            return [number * 2 for number in payloads]

        batcher: Batcher[int, int] = Batcher(
            work, max_batch=7, max_queue=50, max_weight=2000, slots=2, max_wait=0.0 if seed % 2 else 1e-4
        )
        gone: set[int] = set()

        async def one(number: int) -> Any:
            return await batcher.submit(
                number % 5,
                number,
                size=chance.randrange(1, 9),
                weight=chance.randrange(200),
                interactive=chance.random() < 0.1,
                bulk=chance.random() < 0.3,
                alone=chance.random() < 0.1,
                gone=lambda: number in gone,
            )

        tasks = []
        for number in range(4000):
            tasks.append(asyncio.create_task(one(number)))
            if chance.random() < 0.1:
                chance.choice(tasks).cancel()
            if chance.random() < 0.1:
                gone.add(chance.randrange(number + 1))
            if chance.random() < 0.05:
                batcher.slots = chance.randrange(1, 6)
            if chance.random() < 0.5:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            assert batcher._weight >= 0
            assert len(batcher) <= 50
        done, pending = await asyncio.wait(tasks, timeout=120)
        assert not pending, f"{len(pending)} wait for ever"
        answered = [
            number for number, task in enumerate(tasks) if not task.cancelled() and not task.exception()
        ]
        assert all(tasks[number].result() == number * 2 for number in answered)
        assert len(answered) > 500
        for task in done:
            if not task.cancelled() and task.exception() is not None:
                assert isinstance(task.exception(), ValueError | Overloaded)
        await asyncio.wait_for(batcher.drained(), 120)
        assert (batcher._weight, len(batcher), running) == (0, 0, 0)
        assert await asyncio.wait_for(batcher.submit(0, 9999), 120) == 19998

    run(test())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["ask", "now", "bulk", "alone", "apart", "cancel", "gone", "slots", "end", "pass"]
            ),
            st.integers(0, 40),
        ),
        max_size=80,
    )
)
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("ahead", [False, True])
def test_no_order_of_events_loses_a_wake_up(ahead: bool, events: list[tuple[str, int]]) -> None:
    async def test() -> None:
        it = Held(max_batch=6, max_queue=12, max_weight=60, slots=1 if ahead else 2, ahead=ahead)
        gone: set[int] = set()
        names = list(range(len(events)))
        for name, (event, value) in zip(names, events, strict=True):
            if event in ("ask", "now", "bulk", "alone", "apart"):
                it.tasks[name] = asyncio.create_task(
                    it.batcher.submit(
                        value % 3,
                        name,
                        size=value % 8,
                        weight=value,
                        interactive=event == "now",
                        bulk=event == "bulk",
                        alone=event == "alone",
                        exclusive=event == "apart",
                        gone=lambda name=name: name in gone,  # type: ignore[misc]
                    )
                )
            elif event == "cancel" and it.tasks:
                list(it.tasks.values())[value % len(it.tasks)].cancel()
            elif event == "gone":
                gone.add(value)
            elif event == "slots":
                it.batcher.slots = 1 + value % 4
            elif event == "end" and it.gates:
                it.gates[value % len(it.gates)].set()
            elif event == "pass":
                await settle()
            assert it.batcher._weight >= 0
        await settle()
        await it.finish()
        assert (it.batcher._weight, len(it.batcher), it.running) == (0, 0, 0)

    run(test())
