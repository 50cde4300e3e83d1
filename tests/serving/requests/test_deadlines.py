"""One deadline for many."""

import asyncio

import pytest

from label_studio_ml.serving.requests.deadlines import Deadlines


async def _never(deadlines: Deadlines) -> None:
    with deadlines.limit():
        await asyncio.Event().wait()


def test_what_takes_too_long_ends_and_the_rest_goes_on() -> None:
    async def test() -> None:
        deadlines = Deadlines(0.2)
        with deadlines.limit():
            await asyncio.sleep(0)
        ended = await asyncio.gather(*(_never(deadlines) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in ended] == [TimeoutError] * 3
        with pytest.raises(TimeoutError):  # the timer comes again
            await _never(deadlines)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(test())


def test_a_stay_that_ended_in_time_is_not_cancelled_later() -> None:
    async def test() -> None:
        deadlines = Deadlines(0.2)
        with deadlines.limit():
            pass
        over = asyncio.create_task(_never(deadlines))
        await asyncio.wait([over])
        await asyncio.sleep(0)  # whoever would be cancelled wrongly is this task

    asyncio.run(test())


def test_being_cancelled_by_somebody_else_stays_that() -> None:
    async def test() -> None:
        deadlines = Deadlines(60.0)
        task = asyncio.create_task(_never(deadlines))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not deadlines._blocks

    asyncio.run(test())


def test_what_is_raised_inside_goes_through() -> None:
    async def test() -> None:
        with pytest.raises(KeyError), Deadlines(60.0).limit():
            raise KeyError("x")

    asyncio.run(test())
