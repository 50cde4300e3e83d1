import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from label_studio_ml.errors import PredictError
from label_studio_ml.projects.pipeline import FAILURE_LIMIT, Predicted, Progress, run
from label_studio_ml.serving.offline_model import Outcome


class Doubler:
    """A model that is as slow as it is told; `most` is how many calls ran at a time."""

    version = "v"

    def __init__(self, batch: int = 4, at_once: int = 2, error: str = "") -> None:
        self.batch, self.at_once, self.error = batch, at_once, error
        self.running = self.most = 0
        self.asked: list[int] = []

    async def ask(self, tasks: Sequence[Any]) -> list[Outcome]:
        self.asked.append(len(tasks))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.01 * (len(self.asked) % 3))
        self.running -= 1
        return [Outcome([{"result": [], "score": task["id"]}], self.error) for task in tasks]


class Keeper:
    def __init__(self) -> None:
        self.ids: list[int] = []
        self.writes: list[int] = []

    def write(self, predicted: Sequence[Predicted]) -> int:
        self.ids += [task["id"] for task, _ in predicted]
        self.writes.append(len(predicted))
        return sum(not outcome.error for _, outcome in predicted)


def tasks(count: int) -> Iterator[dict[str, Any]]:
    return iter([{"id": number} for number in range(count)])


class Sociable(Doubler):
    """One whose first call waits for the second: both run at a time, however slow the reading is."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0
        self._second = asyncio.Event()

    async def ask(self, tasks: Sequence[Any]) -> list[Outcome]:
        self._calls += 1
        if self._calls == 2:
            self._second.set()
        await self._second.wait()
        return await super().ask(tasks)


def test_every_task_in_order_and_in_full_batches() -> None:
    prediction_source, keeper, progress = Sociable(), Keeper(), Progress()
    asyncio.run(run(tasks(30), prediction_source, keeper, progress, at_once=10))
    assert keeper.ids == list(range(30))
    assert prediction_source.asked == [4] * 7 + [2]
    assert prediction_source.most == 2
    assert max(keeper.writes) <= 10
    assert (progress.predicted, progress.written, progress.failed) == (30, 30, 0)


def test_little_is_read_ahead() -> None:
    """A writer that stands still stops the reading."""
    read, go_on = 0, threading.Event()

    def source() -> Iterator[dict[str, Any]]:
        nonlocal read
        for read in range(1, 1001):
            yield {"id": read}

    class Stuck(Keeper):
        def write(self, predicted: Sequence[Predicted]) -> int:
            assert go_on.wait(30)
            return super().write(predicted)

    async def watch() -> None:
        keeper = Stuck()
        running = asyncio.create_task(run(source(), Doubler(), keeper, Progress(), at_once=8))
        before = -1
        while before != read or not read:
            before = read
            await asyncio.sleep(0.3)
        assert read < 100
        go_on.set()
        await running
        assert keeper.ids == list(range(1, 1001))

    asyncio.run(watch())


def test_a_task_that_fails_is_counted_with_its_cause() -> None:
    progress = Progress()
    asyncio.run(run(tasks(5), Doubler(error="no luck"), Keeper(), progress))
    assert (progress.written, progress.failed, progress.causes) == (0, 5, {"no luck": 5})


def test_a_model_that_never_answers_ends_the_run() -> None:
    keeper = Keeper()
    with pytest.raises(PredictError, match="no luck"):
        asyncio.run(run(tasks(10 * FAILURE_LIMIT), Doubler(error="no luck"), keeper, Progress()))


@pytest.mark.parametrize("who", ["source", "prediction_source", "writer"])
def test_what_one_raises_ends_the_others(who: str) -> None:
    def source() -> Iterator[dict[str, Any]]:
        yield from tasks(20)
        if who == "source":
            raise OSError("the source")

    class PredictionSource(Doubler):
        async def ask(self, tasks: Sequence[Any]) -> list[Outcome]:
            if who == "prediction_source":
                raise OSError("the prediction_source")
            return await super().ask(tasks)

    class Writer(Keeper):
        def write(self, predicted: Sequence[Predicted]) -> int:
            if who == "writer":
                raise OSError("the writer")
            return super().write(predicted)

    with pytest.raises(OSError, match=f"the {who}"):
        asyncio.run(run(source(), PredictionSource(), Writer(), Progress()))


def test_duration_and_rate_are_measured_by_the_clock_of_the_run() -> None:
    now = iter([100.0, 104.0, 104.0])
    progress = Progress(clock=lambda: next(now), written=6, failed=2)
    assert progress.seconds == 4
    assert progress.rate == 2
