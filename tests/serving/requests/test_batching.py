"""What goes together, what goes first, what is turned away. `run` is held by the test, so order is certain."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.errors import Overloaded
from label_studio_ml.serving.requests.batching import Batcher, LaneClosed


class Lane:
    """A lane that runs a batch when the test lets it."""

    def __init__(self, *, max_batch: int = 100, max_queue: int = 100) -> None:
        self.batches: list[tuple[Hashable, list[Any]]] = []
        self.error: BaseException | None = None
        self.answers: Callable[[list[Any]], list[Any]] = lambda payloads: [f"{one}!" for one in payloads]
        self._turns = asyncio.Semaphore(0)
        self.batcher: Batcher[Any, Any] = Batcher(self._run, max_batch=max_batch, max_queue=max_queue)
        self.tasks: list[asyncio.Task[Any]] = []

    async def _run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        self.batches.append((key, list(payloads)))
        await self._turns.acquire()
        if self.error is not None:
            raise self.error
        return self.answers(list(payloads))

    async def ask(self, payload: Any, key: Hashable = "k", **options: Any) -> asyncio.Task[Any]:
        """Submit, and return once the item waits or runs."""
        task = asyncio.create_task(self.batcher.submit(key, payload, **options))
        self.tasks.append(task)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    async def let(self, batches: int) -> None:
        """Let so many batches run, and wait until they have."""
        for _ in range(batches):
            self._turns.release()
            await until(lambda: self._turns._value == 0, "a batch takes its turn")
            await asyncio.sleep(0)

    async def finish(self) -> list[Any]:
        """Let everything run, and return what came of all that was asked."""
        for _ in range(1000):
            self._turns.release()
        return await asyncio.wait_for(asyncio.gather(*self.tasks, return_exceptions=True), 120)


def test_a_free_lane_starts_at_once() -> None:
    async def test() -> None:
        lane = Lane()
        await lane.ask(1)
        assert lane.batches == [("k", [1])]
        assert await lane.finish() == ["1!"]

    run(test())


def test_what_comes_while_it_is_busy_goes_together() -> None:
    async def test() -> None:
        lane = Lane()
        for number in range(5):
            await lane.ask(number)
        assert len(lane.batcher) == 4
        assert await lane.finish() == ["0!", "1!", "2!", "3!", "4!"]
        assert [batch for _, batch in lane.batches] == [[0], [1, 2, 3, 4]]
        assert len(lane.batcher) == 0

    run(test())


def test_only_equal_keys_go_together_and_nobody_overtakes_within_a_key() -> None:
    async def test() -> None:
        lane = Lane()
        for number, key in enumerate("abacba"):
            await lane.ask(number, key)
        await lane.finish()
        assert lane.batches == [("a", [0]), ("b", [1, 4]), ("a", [2, 5]), ("c", [3])]

    run(test())


def test_the_sum_of_sizes_is_capped_and_a_larger_item_goes_alone() -> None:
    async def test() -> None:
        lane = Lane(max_batch=4)
        await lane.ask("first")
        for name, size in [("2a", 2), ("9", 9), ("2b", 2), ("1", 1), ("3", 3)]:
            await lane.ask(name, size=size)
        await lane.finish()
        assert [batch for _, batch in lane.batches] == [["first"], ["2a", "2b"], ["9"], ["1", "3"]]

    run(test())


def test_interactive_items_go_first_and_alone() -> None:
    async def test() -> None:
        lane = Lane()
        await lane.ask("running")
        await lane.ask("batch 1")
        await lane.ask("now 1", interactive=True)
        await lane.ask("batch 2")
        await lane.ask("now 2", interactive=True)
        await lane.finish()
        assert [batch for _, batch in lane.batches] == [
            ["running"],
            ["now 1"],
            ["now 2"],
            ["batch 1", "batch 2"],
        ]

    run(test())


def test_what_must_go_alone_does() -> None:
    async def test() -> None:
        lane = Lane()
        await lane.ask("running")
        for name, alone in [("a", False), ("b", True), ("c", False), ("d", True)]:
            await lane.ask(name, alone=alone)
        await lane.finish()
        assert [batch for _, batch in lane.batches] == [["running"], ["a", "c"], ["b"], ["d"]]

    run(test())


def test_a_full_queue_turns_away_at_once() -> None:
    async def test() -> None:
        lane = Lane(max_queue=2)
        for number in range(3):  # one runs, two wait
            await lane.ask(number)
        with pytest.raises(Overloaded, match="2 prediction requests are waiting"):
            await asyncio.wait_for(lane.batcher.submit("k", 4), 120)
        with pytest.raises(Overloaded):
            await asyncio.wait_for(lane.batcher.submit("k", 5, interactive=True), 120)
        assert await lane.finish() == ["0!", "1!", "2!"]
        assert await asyncio.wait_for(lane.batcher.submit("k", 6), 120) == "6!"

    run(test())


def test_those_who_left_do_not_fill_the_queue() -> None:
    async def test() -> None:
        lane = Lane(max_queue=2)
        for number in range(3):
            await lane.ask(number)
        for task in lane.tasks[1:]:
            task.cancel()
        await asyncio.wait(lane.tasks[1:])
        await lane.ask(4)
        assert (await lane.finish())[-1] == "4!"

    run(test())


@pytest.mark.parametrize("leaving", [1, 2, 3])
def test_a_caller_who_left_is_not_run(leaving: int) -> None:
    async def test() -> None:
        lane = Lane()
        for number in range(4):
            await lane.ask(number)
        lane.tasks[leaving].cancel()
        await asyncio.wait([lane.tasks[leaving]])
        await lane.finish()
        assert [batch for _, batch in lane.batches] == [[0], [n for n in (1, 2, 3) if n != leaving]]

    run(test())


def test_an_interactive_caller_who_left_is_not_run() -> None:
    async def test() -> None:
        lane = Lane()
        await lane.ask(0)
        gone = await lane.ask(1, interactive=True)
        gone.cancel()
        await asyncio.wait([gone])
        await lane.finish()
        assert [batch for _, batch in lane.batches] == [[0]]

    run(test())


def test_a_caller_who_leaves_a_running_batch_takes_nothing_from_the_others() -> None:
    async def test() -> None:
        lane = Lane()
        await lane.ask(0)
        await lane.ask(1)
        await lane.ask(2)
        await lane.let(1)
        await until(lambda: len(lane.batches) == 2, "the second batch runs")
        lane.tasks[1].cancel()
        got = await lane.finish()
        assert isinstance(got[1], asyncio.CancelledError)
        assert got[2] == "2!"

    run(test())


@pytest.mark.parametrize("error", [ValueError("x"), KeyError(), Overloaded("y")], ids=repr)
def test_an_error_reaches_every_caller_and_the_next_batch_runs(error: Exception) -> None:
    async def test() -> None:
        lane = Lane()
        await lane.ask(0)
        await lane.ask(1)
        await lane.ask(2)
        await lane.let(1)
        await until(lambda: len(lane.batches) == 2, "the second batch runs")
        await lane.ask(3)
        lane.error = error
        await lane.let(1)
        await asyncio.wait(lane.tasks[1:3], timeout=120)
        lane.error = None
        assert await lane.finish() == ["0!", error, error, "3!"]

    run(test())


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_results_leaves_nobody_waiting(count: int) -> None:
    async def test() -> None:
        lane = Lane()
        lane.answers = lambda payloads: ["x"] * (count if len(payloads) == 2 else 1)
        for number in range(3):
            await lane.ask(number)
        await lane.ask("later", key="other")
        got = await lane.finish()
        assert [type(one) for one in got] == [str, RuntimeError, RuntimeError, str]

    run(test())


def test_a_run_that_is_cancelled_leaves_nobody_waiting() -> None:
    """As a thread pool does when it shuts down."""

    async def test() -> None:
        lane = Lane()
        lane.error = asyncio.CancelledError()
        await lane.ask(0)
        await lane.ask(1)
        got = await lane.finish()
        assert [type(one) for one in got] == [LaneClosed, LaneClosed]

    run(test())


def test_close_turns_away_what_waits_while_the_running_batch_goes_on() -> None:
    async def test() -> None:
        lane = Lane()
        await lane.ask("running")
        await lane.ask("waiting")
        await lane.ask("now", interactive=True)
        lane.batcher.close("over")
        with pytest.raises(LaneClosed, match="over"):
            await asyncio.wait_for(lane.batcher.submit("k", "late"), 120)
        got = await lane.finish()
        assert got[0] == "running!"
        assert [str(one) for one in got[1:]] == ["over", "over"]
        assert [batch for _, batch in lane.batches] == [["running"]]

    run(test())


def test_drained_waits_for_what_runs_and_what_waits() -> None:
    async def test() -> None:
        lane = Lane()
        await asyncio.wait_for(lane.batcher.drained(), 120)
        await lane.ask(0)
        await lane.ask(1)
        drained = asyncio.create_task(lane.batcher.drained())
        await lane.let(1)
        await until(lambda: len(lane.batches) == 2, "the second batch runs")
        assert not drained.done()
        await lane.finish()
        await asyncio.wait_for(drained, 120)

    run(test())


def test_under_load_everyone_gets_their_own_answer() -> None:
    async def test() -> None:
        async def work(key: Hashable, payloads: Sequence[int]) -> list[int]:
            await asyncio.sleep(0)
            return [payload * 2 for payload in payloads]

        batcher: Batcher[int, int] = Batcher(work, max_batch=7, max_queue=10_000)

        def one(number: int) -> Coroutine[Any, Any, int]:
            return batcher.submit(
                number % 3, number, size=number % 4, interactive=number % 11 == 0, alone=number % 13 == 0
            )

        got = await asyncio.gather(*(one(number) for number in range(2000)))
        assert got == [number * 2 for number in range(2000)]

    run(test())
