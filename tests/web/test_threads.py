"""Blocking calls in threads."""

import asyncio
import threading

import pytest

from helpers import run, until
from label_studio_ml.web.threads import SharedCall


class Disk:
    """Counts what it is asked; `slow` keeps an answer back."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.slow = threading.Event()
        self.slow.set()

    def ask(self) -> int:
        """Return how often it was asked."""
        self.threads.append(threading.current_thread())
        number = len(self.threads)
        assert self.slow.wait(60)
        return number


def test_calls_at_the_same_time_share_one_in_a_thread() -> None:
    disk = Disk()
    shared = SharedCall(disk.ask)

    async def test() -> None:
        assert await asyncio.gather(*(shared.result() for _ in range(50))) == [1] * 50
        assert await shared.result() == 2
        assert threading.current_thread() not in disk.threads

    run(test())


def test_a_call_gets_no_answer_that_was_begun_before_it() -> None:
    """Those that come meanwhile share the next, which begins when the first is done."""
    disk = Disk()
    shared = SharedCall(disk.ask)

    async def test() -> None:
        disk.slow.clear()
        first = asyncio.create_task(shared.result())
        await until(lambda: disk.threads, "the first call is made")
        later = [asyncio.create_task(shared.result()) for _ in range(3)]
        await asyncio.sleep(0)
        gone = later.pop()
        gone.cancel()
        disk.slow.set()
        assert await first == 1
        assert await asyncio.gather(*later) == [2, 2], "that one has left is nothing to the others"
        assert gone.cancelled()

    run(test())


def test_an_error_is_raised_for_all_and_forgotten() -> None:
    failing = [OSError("the disk is gone")]

    def ask() -> str:
        if failing:
            raise failing.pop()
        return "fine"

    shared = SharedCall(ask)

    async def test() -> None:
        found = await asyncio.gather(shared.result(), shared.result(), return_exceptions=True)
        assert [str(error) for error in found] == ["the disk is gone"] * 2
        assert await shared.result() == "fine"

    run(test())


@pytest.mark.parametrize("calls", [1, 2])
def test_it_may_be_used_on_one_event_loop_after_another(calls: int) -> None:
    shared = SharedCall(Disk().ask)

    async def test() -> list[int]:
        return await asyncio.gather(*(shared.result() for _ in range(calls)))

    assert [run(test()), run(test())] == [[1] * calls, [2] * calls]
