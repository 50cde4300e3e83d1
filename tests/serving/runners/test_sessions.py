"""Which process gets a session, who waits for it, and what is forgotten."""

import asyncio
from collections.abc import Callable

import pytest

from helpers import run
from label_studio_ml.serving.runners import sessions as module
from label_studio_ml.serving.runners.sessions import Sessions, Visit

IDLE = {0: 0, 1: 0, 2: 0}


def on_loop(test: Callable[[], None]) -> None:
    """Run `test` where there is an event loop, whose clock visits read."""

    async def body() -> None:
        test()

    run(body())


def click(session: str, patience: float = 60.0) -> Visit:
    return Visit(session, patience)


def event(session: str) -> Visit:
    return Visit(session, None)


def test_new_sessions_are_spread_over_idle_processes_and_found_again() -> None:
    def test() -> None:
        table = Sessions()
        given = [table.choose(click(str(task)), IDLE, IDLE) for task in range(6)]
        assert set(given[:3]) == set(given[3:]) == {0, 1, 2}
        for task in range(6):
            for kind in (click, event):
                assert table.choose(kind(str(task)), IDLE, IDLE) == given[task]

    on_loop(test)


def test_a_new_session_goes_to_the_least_loaded_free_process() -> None:
    def test() -> None:
        table = Sessions()
        assert table.choose(click("a"), {0: 2, 1: 1, 2: 3}, {0, 1, 2}) == 1
        assert table.choose(click("b"), {0: 2, 1: 1, 2: 3}, {0, 2}) == 0
        assert table.choose(click("c"), {0: 1}, set()) is None
        assert table.choose(event("d"), {0: 1}, set()) is None

    on_loop(test)


def test_a_click_waits_for_the_process_of_its_task_then_goes_elsewhere() -> None:
    def test() -> None:
        table = Sessions()
        home = table.choose(click("a"), IDLE, IDLE)
        others = IDLE.keys() - {home}
        assert table.choose(click("a"), IDLE, others) is None
        new = table.choose(click("a", patience=0), IDLE, others)
        assert new in others
        assert table.choose(click("a"), IDLE, IDLE) == new, "the newer state is there"

    on_loop(test)


def test_patience_ends_by_the_clock_of_the_loop() -> None:
    async def test() -> None:
        visit = click("a", patience=0.01)
        assert not visit.impatient
        await asyncio.sleep(0.01)
        assert visit.impatient

    run(test())


def test_an_event_waits_for_its_process_and_a_click_that_goes_elsewhere_leaves_the_session_there() -> None:
    def test() -> None:
        table = Sessions()
        home = table.choose(event("a"), IDLE, IDLE)
        others = IDLE.keys() - {home}
        assert table.choose(event("a"), IDLE, others) is None
        assert table.choose(click("a", patience=0), IDLE, others) in others
        assert table.choose(event("a"), IDLE, others) is None
        assert table.choose(event("a"), IDLE, IDLE) == home
        table.release("a")
        assert table.choose(click("a", patience=0), IDLE, others) in others

    on_loop(test)


def test_the_sessions_of_a_process_that_ended_go_to_others() -> None:
    def test() -> None:
        table = Sessions()
        home = table.choose(event("a"), IDLE, IDLE)
        other = table.choose(event("b"), IDLE, IDLE)
        left = {member: 0 for member in IDLE if member != home}
        assert table.choose(event("a"), left, left) in left, "it has ended, which nobody said yet"
        table = Sessions()
        home = table.choose(event("a"), IDLE, IDLE)
        other = table.choose(event("b"), IDLE, IDLE)
        assert home is not None
        table.forget_member(home)
        assert len(table) == 1
        assert table.choose(event("a"), IDLE, left) in left
        assert table.choose(event("b"), IDLE, IDLE) == other

    on_loop(test)


def test_the_table_is_bounded_and_forgets_the_least_recently_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)

    def test() -> None:
        table = Sessions()
        home = table.choose(event("a"), IDLE, IDLE)
        table.choose(event("b"), IDLE, IDLE)
        table.choose(event("a"), IDLE, IDLE)
        table.choose(event("c"), IDLE, IDLE)
        assert len(table) == 2
        assert table.choose(event("a"), IDLE, IDLE.keys() - {home}) is None, "it is still known"

    on_loop(test)
