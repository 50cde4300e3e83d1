"""Running users' coroutines: one event loop in a thread of its own, started when the first one comes."""

import asyncio
import functools
import threading
from collections.abc import Awaitable
from typing import Any

from label_studio_ml.forks import UserCode


def finish(awaitable: Awaitable[Any]) -> Any:
    """Run `awaitable` on the loop that all of them share, and return its result; what it raises comes out here."""

    async def work() -> tuple[Any, BaseException | None]:
        try:
            with UserCode():
                return await awaitable, None
        except BaseException as error:  # noqa: BLE001 (SystemExit, say, would end the loop under the others)
            return None, error

    with _starting:  # a cache alone lets two threads make a loop each
        loop = _loop()
    result, error = asyncio.run_coroutine_threadsafe(work(), loop).result()
    if error is not None:
        raise error
    return result


_starting = threading.Lock()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="coroutines").start()
    return loop
