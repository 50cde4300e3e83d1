"""Blocking calls in threads, for coroutines.

A Redis that hangs keeps a thread for seconds: calls of it have threads of their own, so that a webhook does not wait
for them.
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
    """At most `count` threads that start when they are needed."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, name)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in one of them, as `asyncio.to_thread` does, and return what it returns."""
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)


class SharedCall(Generic[T]):
    """A quick call that blocks, made in a thread: requests that come while it is made share the next one.

    Going through a thread costs as much processor time as a small request; shared by many, next to nothing for each.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None

    async def result(self) -> T:
        """Return the result of a call that begins from now on. Raises what the function raises."""
        if self._next is None or self._next.done():  # done: its event loop has ended
            self._next = asyncio.create_task(self._call())
        return await asyncio.shield(self._next)

    async def _call(self) -> T:
        async with self._one_at_a_time:
            self._next = None
            return await asyncio.to_thread(self._function)
