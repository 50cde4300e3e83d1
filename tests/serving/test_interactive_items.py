"""Queued clicks that newer ones supersede, and items that wait for a place of their own."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from helpers import run, until
from label_studio_ml.errors import Overloaded
from label_studio_ml.serving.requests.queue_item import RunnerClosed, Superseded

from .test_slots import Held, settle


@dataclass(frozen=True)
class Click:
    """Supersedes older clicks of its task."""

    task: str

    def supersedes(self, older: "Click") -> bool:
        return self.task == older.task


class Door:
    """A place that can be taken while it is open."""

    def __init__(self, *, opened: bool = False, patience: float | None = None) -> None:
        self.opened = opened
        self.patience = patience
        self.asked = 0

    def take(self) -> bool:
        self.asked += 1
        return self.opened


async def clicked(it: Held, name: str, task: str = "a", order: int = 0, **options: Any) -> None:
    await it.ask(name, interactive=True, click=Click(task), order=order, **options)


async def superseded(it: Held, name: str) -> bool:
    with pytest.raises(Superseded):
        await it.tasks[name]
    return True


def test_only_the_newest_waiting_click_runs() -> None:
    async def test() -> None:
        it = Held()
        await clicked(it, "runs", order=1)
        for order in range(2, 6):
            await clicked(it, f"click {order}", order=order)
        assert len(it.batcher) == 1
        for order in range(2, 5):
            assert await superseded(it, f"click {order}")
        await it.finish()
        assert it.batches == [["runs"], ["click 5"]]

    run(test())


def test_the_newest_click_takes_the_place_of_the_oldest() -> None:
    async def test() -> None:
        it = Held()
        await it.ask("runs")
        await clicked(it, "a1", "a", 1)
        await clicked(it, "b1", "b", 2)
        await clicked(it, "a2", "a", 3)
        await it.finish()
        assert it.batches == [["runs"], ["a2"], ["b1"]]

    run(test())


def test_a_click_that_is_sent_again_does_not_supersede_a_newer_one() -> None:
    async def test() -> None:
        it = Held()
        await it.ask("runs")
        await clicked(it, "newer", order=2)
        await clicked(it, "again", order=1)
        assert await superseded(it, "again")
        await it.finish()
        assert it.batches == [["runs"], ["newer"]]

    run(test())


def test_what_is_superseded_leaves_the_totals_of_the_queue() -> None:
    async def test() -> None:
        it = Held(max_weight=100, max_queue=2)
        await it.ask("runs")
        await clicked(it, "old", order=1, weight=90)
        await clicked(it, "new", order=2, weight=10)
        assert await superseded(it, "old")
        assert (it.batcher._weight, it.batcher._size) == (10, 1)
        await clicked(it, "other", "b", 3, weight=90)
        with pytest.raises(Overloaded):
            await it.batcher.submit("k", "x", weight=1)
        await it.finish()
        assert (it.batcher._weight, it.batcher._size) == (0, 0)

    run(test())


def test_an_item_that_waits_for_its_place_holds_up_nobody() -> None:
    async def test() -> None:
        it = Held(slots=2)
        shut, door = Door(), Door(opened=True)
        await it.ask("runs")
        await it.ask("waits", interactive=True, place=shut)
        await it.ask("passes", interactive=True, place=door)
        await it.ask("queued")
        assert it.batches == [["runs"], ["passes"]]
        await it.end(1)
        assert it.batches[2:] == [["queued"]]
        shut.opened = True
        await it.end(2)
        assert it.batches[3:] == [["waits"]]
        await it.finish()

    run(test())


def test_a_place_is_asked_again_when_its_patience_is_over() -> None:
    async def test() -> None:
        it = Held(slots=2)
        await it.ask("runs")
        door = Door(patience=0.01)
        await it.ask("waits", interactive=True, place=door)
        asked = door.asked
        door.opened = True
        await until(lambda: it.batches[1:] == [["waits"]], "it is asked again")
        assert door.asked > asked
        await it.finish()

    run(test())


def test_a_place_is_not_taken_for_a_caller_who_left() -> None:
    async def test() -> None:
        it = Held(slots=2)
        left = False
        door = Door()
        await it.ask("runs")
        await it.ask("leaves", interactive=True, place=door, gone=lambda: left)
        left = door.opened = True
        asked = door.asked
        await it.ask("other")
        await settle()
        assert door.asked == asked
        assert it.tasks["leaves"].cancelled()
        await it.finish()

    run(test())


def test_an_exclusive_item_with_a_place_waits_for_all_others_and_nobody_passes_it() -> None:
    async def test() -> None:
        it = Held(slots=3)
        await it.ask("runs")
        await it.ask("alone", interactive=True, exclusive=True, place=Door(opened=True))
        await it.ask("later")
        assert it.batches == [["runs"]]
        await it.end(0)
        assert it.batches[1:] == [["alone"]]
        await it.end(1)
        assert it.batches[2:] == [["later"]]
        await it.finish()

    run(test())


def test_closing_ends_the_wait_for_a_place() -> None:
    async def test() -> None:
        it = Held()
        await it.ask("waits", interactive=True, place=Door())
        it.batcher.close("over")
        with pytest.raises(RunnerClosed):
            await it.tasks["waits"]
        await asyncio.wait_for(it.batcher.drained(), 60)

    run(test())


def test_a_click_whose_caller_has_left_drops_no_other() -> None:
    async def test() -> None:
        it = Held()
        await it.ask("runs")
        await clicked(it, "older", order=1)
        await clicked(it, "newer", order=2, gone=lambda: True)
        await it.finish()
        assert it.batches == [["runs"], ["older"]]

    run(test())


def test_a_click_that_is_sent_again_runs_if_the_caller_of_the_newer_one_has_left() -> None:
    async def test() -> None:
        it = Held()
        await it.ask("runs")
        await clicked(it, "newer", order=2, gone=lambda: True)
        await clicked(it, "again", order=1)
        await it.finish()
        assert it.batches == [["runs"], ["again"]]

    run(test())


def test_nothing_is_left_of_the_wait_for_a_place_once_its_item_has_run() -> None:
    async def test() -> None:
        it = Held()
        await it.ask("click", interactive=True, place=Door(opened=True, patience=1e6))
        loop: Any = asyncio.get_running_loop()
        [timer] = [timer for timer in loop._scheduled if timer.when() > loop.time() + 1e5]
        await it.finish()
        assert timer.cancelled()

    run(test())


def test_a_place_is_asked_again_on_request() -> None:
    async def test() -> None:
        it = Held(slots=2)
        door = Door()
        await it.ask("runs")
        await it.ask("waits", interactive=True, place=door)
        door.opened = True
        it.batcher.start_batches()
        await settle()
        assert it.batches[1:] == [["waits"]]
        await it.finish()

    run(test())


def test_interactive_parts_of_large_requests_leave_the_totals_of_the_queue() -> None:
    async def test() -> None:
        it = Held()
        await it.ask("part", interactive=True, bulk=True, size=5)
        assert it.batcher._size == 0
        await it.finish()

    run(test())
