"""Running users' coroutines: one event loop in a thread of its own, started when the first one comes."""

import asyncio
import functools
import threading
from collections.abc import Awaitable
from typing import Any


def finish(awaitable: Awaitable[Any]) -> Any:
    """Run `awaitable` on the loop that all of them share, and return its result; what it raises comes out here."""

    async def work() -> Any:
        return await awaitable

    return asyncio.run_coroutine_threadsafe(work(), _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="coroutines").start()
    return loop
