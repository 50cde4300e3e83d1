"""Run functions that may take minutes, such as requests to other servers, beside the event loop."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(name: str, function: Callable[..., T], *arguments: object) -> T:
    """Return `function(*arguments)`, run in a daemon thread of its own with this `name`. Raises what it raises.

    The threads of the default executor stay free for short work such as webhooks, and the exit of this process does
    not wait for `function`, as it does for functions of `asyncio.to_thread`.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = function(*arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised in the awaiting task
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=work, daemon=True, name=name).start()
    return await future
