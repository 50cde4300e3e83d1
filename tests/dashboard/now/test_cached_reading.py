"""Something slow is read at most every few seconds."""

import asyncio
import time

import pytest

from helpers import run
from label_studio_ml.dashboard.now.cached_reading import CachedReading


class Counted:
    """Returns how often it was read; waits for `gate` before, and fails while `broken`."""

    def __init__(self) -> None:
        self.times = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def read(self) -> int:
        self.times += 1
        await self.gate.wait()
        if self.broken:
            raise ValueError("broken")
        return self.times


def test_a_reading_is_shared_and_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    async def check() -> None:
        counted = Counted()
        counted.gate.clear()
        cached = CachedReading(counted.read, 5.0)
        asked = [asyncio.ensure_future(cached.get()) for _ in range(3)]
        await asyncio.sleep(0)
        counted.gate.set()
        assert await asyncio.gather(*asked) == [1, 1, 1]
        now[0] += 4.9
        assert await cached.get() == 1
        now[0] += 0.2
        assert await cached.get() == 2

    run(check())


def test_a_slow_reading_is_reused_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    async def check() -> None:
        times = 0

        async def read() -> int:
            nonlocal times
            times += 1
            now[0] += 1.0
            return times

        cached = CachedReading(read, 5.0)
        assert await cached.get() == 1
        now[0] += 45.0
        assert await cached.get() == 1, "it took 1 s: at most a fiftieth of the time goes into it"
        now[0] += 6.0
        assert await cached.get() == 2

    run(check())


def test_an_error_is_not_reused_and_a_caller_that_leaves_ends_nothing() -> None:
    async def check() -> None:
        counted = Counted()
        cached = CachedReading(counted.read, 1000.0)
        counted.broken = True
        with pytest.raises(ValueError, match="broken"):
            await cached.get()
        counted.broken = False
        counted.gate.clear()
        first = asyncio.ensure_future(cached.get())
        await asyncio.sleep(0)
        second = asyncio.ensure_future(cached.get())
        await asyncio.sleep(0)
        first.cancel()
        counted.gate.set()
        assert await second == 2

    run(check())
