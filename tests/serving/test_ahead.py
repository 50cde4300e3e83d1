"""Batches that lie ready in the model process when it ends, retries that run apart, calls that never return."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.errors import DeadlineExceeded, ModelProcessDied, PredictError
from label_studio_ml.serving.requests import batching
from label_studio_ml.serving.requests.deadlines import Deadlines
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from pools import bench
from tricky import Tricky, task

pytestmark = pytest.mark.usefixtures("clean_env")

ONE_AT_A_TIME = "\nclass Single(Tricky):\n    max_batch_size = 1\n    concurrency = 1\n"


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


def with_class(tricky: Tricky, code: str) -> None:
    with (tricky.folder / "obedient.py").open("a") as file:
        file.write(code)


def numbers(entries: Any) -> list[int]:
    return [entry["result"][0]["task"] for entry in entries]


def test_full_batches_are_answered_in_order_though_some_are_sent_ahead(
    tricky: Tricky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "QUICK", 1e9)
    with_class(tricky, ONE_AT_A_TIME)

    async def test() -> None:
        async with bench(tricky, class_name="Single") as it:
            await it.ask()
            most = 0
            calls = it.runners[0]._calls

            async def ask(number: int) -> list[int]:
                nonlocal most
                entries = await it.ask(task(number))
                most = max(most, len(calls))
                return numbers(entries)

            answers = await asyncio.gather(*(ask(number) for number in range(50)))
            assert answers == [[number] for number in range(50)]
            assert it.asked[1:] == [[number] for number in range(50)]
            assert most > 1, "nothing was sent ahead"

    run(test())


def test_what_was_sent_ahead_is_not_what_ended_the_process(
    tricky: Tricky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "QUICK", 1e9)
    with_class(tricky, ONE_AT_A_TIME)

    async def test() -> None:
        async with bench(tricky, class_name="Single") as it:
            await it.ask()
            orders = ["kill", "", "", "kill", "", ""]
            done = await asyncio.gather(
                *(it.ask(task(number, order)) for number, order in enumerate(orders, 10)),
                return_exceptions=True,
            )
            assert [isinstance(one, ModelProcessDied) for one in done] == [bool(order) for order in orders]
            answered = [numbers(one) for one in done if isinstance(one, list)]
            assert answered == [[11], [12], [14], [15]]
            assert [it.asked.count([number]) for number in range(10, 16)] == [2, 1, 1, 2, 1, 1]

    run(test())


def test_with_several_calls_at_a_time_a_retried_one_has_the_process_for_itself(tricky: Tricky) -> None:
    with_class(tricky, "\nclass Many(Tricky):\n    max_batch_size = 1\n    concurrency = 3\n")

    async def test() -> None:
        async with bench(tricky, class_name="Many") as it:
            await it.ask()
            neighbour = asyncio.create_task(it.ask(task(1, "block gate")))
            await until(lambda: tricky.started("gate"), "it blocks")
            before = tricky.started("gate")
            poison = asyncio.create_task(it.ask(task(2, "kill")))
            await until(lambda: tricky.started("gate") not in (0, before), "it blocks in the new process")
            others = [asyncio.create_task(it.ask(task(number))) for number in (3, 4)]
            await until(lambda: it.waiting() == 3, "all others wait")
            tricky.release("gate")
            assert numbers(await neighbour) == [1]
            with pytest.raises(ModelProcessDied, match="twice"):
                await poison
            assert [numbers(await other) for other in others] == [[3], [4]]

    run(test())


def test_a_process_whose_call_never_returns_is_replaced(tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(
            tricky, lambda settings: ProcessRunner(settings, longest_call=2.0), deadline=120.0
        ) as it:
            await it.ask()
            stuck = asyncio.create_task(it.ask(task(9, "gil gate")))
            await until(lambda: tricky.started("gate"), "it is stuck")
            others = [asyncio.create_task(it.ask(task(number))) for number in (2, 3)]
            with pytest.raises(PredictError, match="more than 2 s"):
                await stuck
            assert [numbers(await other) for other in others] == [[2], [3]]
            assert len(it.runners) == 2
            assert it.asked.count([9]) == 1, "it is not asked again"

    run(test())


def test_the_deadline_comes_first(tricky: Tricky) -> None:
    async def test() -> None:
        async with bench(
            tricky, lambda settings: ProcessRunner(settings, longest_call=2.0), deadline=0.5
        ) as it:
            it.pool._deadlines = Deadlines(120.0)
            await it.ask()
            it.pool._deadlines = Deadlines(0.5)
            with pytest.raises(DeadlineExceeded):
                await it.ask(task(1, "block gate"))
            it.pool._deadlines = Deadlines(120.0)
            assert numbers(await it.ask(task(2))) == [2]
            assert len(it.runners) == 2

    run(test())
