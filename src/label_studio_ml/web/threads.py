"""Run blocking calls in threads, for coroutines.

A call of a hanging Redis blocks its thread for seconds, so such calls have a pool of their own, and webhooks do not
wait for them.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool of at most `count` threads, started when needed."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, name)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the pool, with the context variables of the caller, and return its result."""
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)


class SharedCall(Generic[T]):
    """A short blocking call in a thread. Requests that arrive while a call is running share the next call.

    A call in a thread costs as much CPU time as a small request; shared by many requests, next to nothing for each.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None

    async def result(self) -> T:
        """Return the result of a call that starts after this one. Raises what the function raises."""
        if self._next is None or self._next.done():  # done: of an event loop that has ended
            self._next = asyncio.create_task(self._call())
        return await asyncio.shield(self._next)

    async def _call(self) -> T:
        async with self._one_at_a_time:
            self._next = None
            return await asyncio.to_thread(self._function)
