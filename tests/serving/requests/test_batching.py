"""What goes together, what goes first, what is turned away. `run` is held by the test, so order is certain."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.errors import Overloaded
from label_studio_ml.serving.requests.batching import Batcher
from label_studio_ml.serving.requests.queue_item import RunnerClosed


class ModelRunner:
    """A runner that runs a batch when the test lets it."""

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


def test_a_free_runner_starts_at_once() -> None:
    async def test() -> None:
        runner = ModelRunner()
        await runner.ask(1)
        assert runner.batches == [("k", [1])]
        assert await runner.finish() == ["1!"]

    run(test())


def test_what_comes_while_it_is_busy_goes_together() -> None:
    async def test() -> None:
        runner = ModelRunner()
        for number in range(5):
            await runner.ask(number)
        assert len(runner.batcher) == 4
        assert await runner.finish() == ["0!", "1!", "2!", "3!", "4!"]
        assert [batch for _, batch in runner.batches] == [[0], [1, 2, 3, 4]]
        assert len(runner.batcher) == 0

    run(test())


def test_only_equal_keys_go_together_and_nobody_overtakes_within_a_key() -> None:
    async def test() -> None:
        runner = ModelRunner()
        for number, key in enumerate("abacba"):
            await runner.ask(number, key)
        await runner.finish()
        assert runner.batches == [("a", [0]), ("b", [1, 4]), ("a", [2, 5]), ("c", [3])]

    run(test())


def test_the_sum_of_sizes_is_capped_and_a_larger_item_goes_alone() -> None:
    async def test() -> None:
        runner = ModelRunner(max_batch=4)
        await runner.ask("first")
        for name, size in [("2a", 2), ("9", 9), ("2b", 2), ("1", 1), ("3", 3)]:
            await runner.ask(name, size=size)
        await runner.finish()
        assert [batch for _, batch in runner.batches] == [["first"], ["2a", "2b"], ["9"], ["1", "3"]]

    run(test())


def test_interactive_items_go_first_and_alone() -> None:
    async def test() -> None:
        runner = ModelRunner()
        await runner.ask("running")
        await runner.ask("batch 1")
        await runner.ask("now 1", interactive=True)
        await runner.ask("batch 2")
        await runner.ask("now 2", interactive=True)
        await runner.finish()
        assert [batch for _, batch in runner.batches] == [
            ["running"],
            ["now 1"],
            ["now 2"],
            ["batch 1", "batch 2"],
        ]

    run(test())


def test_what_must_go_alone_does() -> None:
    async def test() -> None:
        runner = ModelRunner()
        await runner.ask("running")
        for name, alone in [("a", False), ("b", True), ("c", False), ("d", True)]:
            await runner.ask(name, alone=alone)
        await runner.finish()
        assert [batch for _, batch in runner.batches] == [["running"], ["a", "c"], ["b"], ["d"]]

    run(test())


def test_a_full_queue_turns_away_at_once() -> None:
    async def test() -> None:
        runner = ModelRunner(max_queue=2)
        for number in range(3):  # one runs, two wait
            await runner.ask(number)
        with pytest.raises(Overloaded, match="2 prediction requests are waiting"):
            await asyncio.wait_for(runner.batcher.submit("k", 4), 120)
        with pytest.raises(Overloaded):
            await asyncio.wait_for(runner.batcher.submit("k", 5, interactive=True), 120)
        assert await runner.finish() == ["0!", "1!", "2!"]
        assert await asyncio.wait_for(runner.batcher.submit("k", 6), 120) == "6!"

    run(test())


def test_those_who_left_do_not_fill_the_queue() -> None:
    async def test() -> None:
        runner = ModelRunner(max_queue=2)
        for number in range(3):
            await runner.ask(number)
        for task in runner.tasks[1:]:
            task.cancel()
        await asyncio.wait(runner.tasks[1:])
        await runner.ask(4)
        assert (await runner.finish())[-1] == "4!"

    run(test())


@pytest.mark.parametrize("leaving", [1, 2, 3])
def test_a_caller_who_left_is_not_run(leaving: int) -> None:
    async def test() -> None:
        runner = ModelRunner()
        for number in range(4):
            await runner.ask(number)
        runner.tasks[leaving].cancel()
        await asyncio.wait([runner.tasks[leaving]])
        await runner.finish()
        assert [batch for _, batch in runner.batches] == [[0], [n for n in (1, 2, 3) if n != leaving]]

    run(test())


def test_an_interactive_caller_who_left_is_not_run() -> None:
    async def test() -> None:
        runner = ModelRunner()
        await runner.ask(0)
        gone = await runner.ask(1, interactive=True)
        gone.cancel()
        await asyncio.wait([gone])
        await runner.finish()
        assert [batch for _, batch in runner.batches] == [[0]]

    run(test())


def test_a_caller_who_leaves_a_running_batch_takes_nothing_from_the_others() -> None:
    async def test() -> None:
        runner = ModelRunner()
        await runner.ask(0)
        await runner.ask(1)
        await runner.ask(2)
        await runner.let(1)
        await until(lambda: len(runner.batches) == 2, "the second batch runs")
        runner.tasks[1].cancel()
        got = await runner.finish()
        assert isinstance(got[1], asyncio.CancelledError)
        assert got[2] == "2!"

    run(test())


@pytest.mark.parametrize("error", [ValueError("x"), KeyError(), Overloaded("y")], ids=repr)
def test_an_error_reaches_every_caller_and_the_next_batch_runs(error: Exception) -> None:
    async def test() -> None:
        runner = ModelRunner()
        await runner.ask(0)
        await runner.ask(1)
        await runner.ask(2)
        await runner.let(1)
        await until(lambda: len(runner.batches) == 2, "the second batch runs")
        await runner.ask(3)
        runner.error = error
        await runner.let(1)
        await asyncio.wait(runner.tasks[1:3], timeout=120)
        runner.error = None
        assert await runner.finish() == ["0!", error, error, "3!"]

    run(test())


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_results_leaves_nobody_waiting(count: int) -> None:
    async def test() -> None:
        runner = ModelRunner()
        runner.answers = lambda payloads: ["x"] * (count if len(payloads) == 2 else 1)
        for number in range(3):
            await runner.ask(number)
        await runner.ask("later", key="other")
        got = await runner.finish()
        assert [type(one) for one in got] == [str, RuntimeError, RuntimeError, str]

    run(test())


def test_a_run_that_is_cancelled_leaves_nobody_waiting() -> None:
    """As a thread pool does when it shuts down."""

    async def test() -> None:
        runner = ModelRunner()
        runner.error = asyncio.CancelledError()
        await runner.ask(0)
        await runner.ask(1)
        got = await runner.finish()
        assert [type(one) for one in got] == [RunnerClosed, RunnerClosed]

    run(test())


def test_close_turns_away_what_waits_while_the_running_batch_goes_on() -> None:
    async def test() -> None:
        runner = ModelRunner()
        await runner.ask("running")
        await runner.ask("waiting")
        await runner.ask("now", interactive=True)
        runner.batcher.close("over")
        with pytest.raises(RunnerClosed, match="over"):
            await asyncio.wait_for(runner.batcher.submit("k", "late"), 120)
        got = await runner.finish()
        assert got[0] == "running!"
        assert [str(one) for one in got[1:]] == ["over", "over"]
        assert [batch for _, batch in runner.batches] == [["running"]]

    run(test())


def test_drained_waits_for_what_runs_and_what_waits() -> None:
    async def test() -> None:
        runner = ModelRunner()
        await asyncio.wait_for(runner.batcher.drained(), 120)
        await runner.ask(0)
        await runner.ask(1)
        drained = asyncio.create_task(runner.batcher.drained())
        await runner.let(1)
        await until(lambda: len(runner.batches) == 2, "the second batch runs")
        assert not drained.done()
        await runner.finish()
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
