"""Run users' coroutines on one shared event loop, in a thread that starts with the first coroutine."""

import asyncio
import functools
import threading
from collections.abc import Awaitable
from typing import Any

from label_studio_ml.processes.forked_children import UserCode


def finish(awaitable: Awaitable[Any]) -> Any:
    """Run `awaitable` on the shared event loop; return its result, or raise its exception."""

    async def work() -> tuple[Any, BaseException | None]:
        try:
            with UserCode():
                return await awaitable, None
        except BaseException as error:  # noqa: BLE001 (SystemExit would end the loop for all other coroutines)
            return None, error

    with _starting:  # functools.cache alone would let two threads create a loop each
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
