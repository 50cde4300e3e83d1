"""Requests that wait together go together: batch-while-busy.

A free lane starts at once. What arrives while it is busy gathers, and goes as one batch as soon as the lane is free:
items with equal keys only, up to a number of tasks. Interactive items go first and alone. This module knows items,
keys and a callable; no models and no HTTP.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from label_studio_ml.errors import BackendError, Overloaded

Payload = TypeVar("Payload")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Item(Generic[Payload, Result]):
    key: Hashable
    payload: Payload
    size: int
    alone: bool
    future: "asyncio.Future[Result]" = field(repr=False)


class LaneClosed(BackendError):
    """The lane ended before the item's turn came; nothing of it has run."""


class Batcher(Generic[Payload, Result]):
    """One lane: runs one batch at a time.

    `run(key, payloads)` returns one result for each payload, in order; what it raises reaches every caller of that
    batch. `max_batch` bounds the sum of the items' sizes in a batch (a larger item goes alone), `max_queue` the
    number of waiting items: beyond it `submit` raises Overloaded at once.
    """

    def __init__(
        self,
        run: Callable[[Hashable, Sequence[Payload]], Awaitable[Sequence[Result]]],
        *,
        max_batch: int,
        max_queue: int,
    ) -> None:
        self._run = run
        self.max_batch = max_batch
        self._max_queue = max_queue
        self._interactive: deque[_Item[Payload, Result]] = deque()
        self._waiting: deque[_Item[Payload, Result]] = deque()
        self._busy: asyncio.Task[None] | None = None
        self._closed: str | None = None

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._interactive) + len(self._waiting)

    async def submit(
        self,
        key: Hashable,
        payload: Payload,
        *,
        size: int = 1,
        interactive: bool = False,
        alone: bool = False,
    ) -> Result:
        """Return the result for `payload`, after the batch that it went with.

        Raises Overloaded when the queue is full, LaneClosed when the lane is or gets closed before its turn.
        """
        if self._closed is not None:
            raise LaneClosed(self._closed)
        if len(self) >= self._max_queue and self._forget_gone() >= self._max_queue:
            raise Overloaded(
                f"{len(self)} prediction requests are waiting already", fix="Ask again in a moment"
            )
        item: _Item[Payload, Result] = _Item(
            key, payload, size, alone or interactive, asyncio.get_running_loop().create_future()
        )
        (self._interactive if interactive else self._waiting).append(item)
        if self._busy is None:
            self._busy = asyncio.create_task(self._work())
        return await item.future

    async def drained(self) -> None:
        """Wait until nothing runs and nothing waits."""
        while self._busy is not None:
            await asyncio.wait([self._busy])

    def close(self, why: str) -> None:
        """Take no more items, and turn those that wait away with LaneClosed. A running batch runs on."""
        self._closed = why
        self._fail((*self._interactive, *self._waiting), LaneClosed(why))
        self._interactive.clear()
        self._waiting.clear()

    async def _work(self) -> None:
        try:
            while batch := self._take():
                await self._run_batch(batch)
        finally:
            self._busy = None

    async def _run_batch(self, batch: list[_Item[Payload, Result]]) -> None:
        try:
            results = await self._run(batch[0].key, [item.payload for item in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} results for {len(batch)} payloads")
        except asyncio.CancelledError:
            self._fail(batch, LaneClosed("The lane ended in the middle of the batch"))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self.close("The lane was ended")
                raise
        except Exception as error:  # noqa: BLE001 (every caller gets it)
            self._fail(batch, error)
        else:
            for item, result in zip(batch, results, strict=True):
                if not item.future.done():
                    item.future.set_result(result)

    @staticmethod
    def _fail(items: Iterable[_Item[Payload, Result]], error: Exception) -> None:
        for item in items:
            if not item.future.done():
                item.future.set_exception(error)

    def _take(self) -> list[_Item[Payload, Result]]:
        """Remove the next batch from the queues and return it; empty when nothing waits."""
        self._drop_gone(self._interactive)
        if self._interactive:
            return [self._interactive.popleft()]
        self._drop_gone(self._waiting)
        if not self._waiting:
            return []
        first = self._waiting.popleft()
        batch, size = [first], first.size
        if first.alone:
            return batch
        kept: deque[_Item[Payload, Result]] = deque()
        while self._waiting and size < self.max_batch:
            item = self._waiting.popleft()
            if item.future.done():
                continue
            if item.key == first.key and not item.alone and size + item.size <= self.max_batch:
                batch.append(item)
                size += item.size
            else:
                kept.append(item)
        kept.extend(self._waiting)
        self._waiting = kept
        return batch

    def _forget_gone(self) -> int:
        """Drop all items whose caller has left; return how many wait then."""
        self._interactive = deque(item for item in self._interactive if not item.future.done())
        self._waiting = deque(item for item in self._waiting if not item.future.done())
        return len(self)

    @staticmethod
    def _drop_gone(items: "deque[_Item[Payload, Result]]") -> None:
        """Drop the items at the front whose caller has left."""
        while items and items[0].future.done():
            items.popleft()
