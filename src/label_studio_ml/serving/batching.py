"""Requests that wait together go together: batch-while-busy.

A free slot starts at once. What arrives while all slots are busy gathers, and goes as one batch as soon as one is free:
items with equal keys only, up to a number of tasks. Interactive items go first and alone; parts of large requests go
last, but not never. This module knows items, keys, slots and a callable; no models and no HTTP.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from label_studio_ml.errors import BackendError, Overloaded
from label_studio_ml.texts import plural

Payload = TypeVar("Payload")
Result = TypeVar("Result")

#: Full batches for each slot that may wait however long they take.
FULL_BATCHES = 2
#: Items that may wait beyond that, unless it takes longer than those who ask have patience (seconds).
FEW = 32
PATIENCE = 60.0
#: Seconds between two searches of a full and long queue for callers who left, and how long that is.
LOOK = 0.05
LONG = 256
#: While others wait, every so many batches one goes to a part of a large request.
BULK_TURN = 4
#: Batches whose middle one is the pace that the queue's delay is reckoned by.
PACES = 9
#: Seconds below which the last batch must have stayed for the next one to be sent ahead of its turn.
QUICK = 0.02


@dataclass(slots=True, eq=False)
class _Item(Generic[Payload, Result]):
    key: Hashable
    payload: Payload
    size: int
    weight: int
    alone: bool
    apart: bool
    gone: Callable[[], bool] | None
    future: "asyncio.Future[Result]" = field(repr=False)

    @property
    def left(self) -> bool:
        """Whether nobody waits for this item any more."""
        if self.future.done():
            return True
        if self.gone is not None and self.gone():
            self.future.cancel()
            return True
        return False


class LaneClosed(BackendError):
    """The lane ended before the item's turn came; nothing of it has run."""


class Batcher(Generic[Payload, Result]):
    """A queue in front of one or more slots, each of which runs one batch at a time.

    `run(key, payloads)` returns one result for each payload, in order; what it raises reaches every caller of that
    batch. `max_batch` bounds the sum of the items' sizes in a batch (a larger item goes alone); `max_wait` is how many
    seconds a batch that is not full waits for more (0: not at all). `max_queue` bounds the number of waiting items and
    `max_weight` the sum of their weights (bytes, say); where more than two full batches for each slot and 32 items wait
    already, `max_delay` bounds the number of seconds that an item would have to wait at the pace seen so far. Beyond
    any of them `submit` raises Overloaded at once.

    With `ahead`, what `run` asks can take a batch while it works on another, and begins it with no gap between them:
    then, with one slot and quick batches, one full batch is sent ahead. `run` must see to it that an interactive item
    still goes first: it is sent at once where it would else be behind what was sent ahead.
    """

    def __init__(
        self,
        run: Callable[[Hashable, Sequence[Payload]], Awaitable[Sequence[Result]]],
        *,
        max_batch: int,
        max_queue: int,
        slots: int = 1,
        max_wait: float = 0.0,
        max_weight: int | None = None,
        max_delay: float | None = None,
        ahead: bool = False,
    ) -> None:
        self._run = run
        self._ahead = ahead
        self._last = float("inf")
        self._apart = False
        self.max_batch = max_batch
        self.max_wait = max_wait
        self._max_queue = max_queue
        self._max_weight = max_weight
        self._max_delay = max_delay
        self._weight = 0
        self._size = 0
        self._pace = 0.0
        self._paces: deque[float] = deque(maxlen=PACES)
        self._looked = 0.0
        self._interactive: deque[_Item[Payload, Result]] = deque()
        self._waiting: deque[_Item[Payload, Result]] = deque()
        self._bulk: deque[_Item[Payload, Result]] = deque()
        self._since_bulk = 0
        self._slots = slots
        self._busy: set[asyncio.Task[None]] = set()
        self._filling: set[asyncio.Event] = set()
        self._closed: str | None = None
        self.seen: Callable[[int], None] = lambda size: None  # called with each batch's size, to count it

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._interactive) + len(self._waiting) + len(self._bulk)

    @property
    def slots(self) -> int:
        """How many batches run at a time."""
        return self._slots

    @slots.setter
    def slots(self, slots: int) -> None:
        self._slots = slots
        self._pump()

    async def submit(
        self,
        key: Hashable,
        payload: Payload,
        *,
        size: int = 1,
        weight: int = 0,
        interactive: bool = False,
        bulk: bool = False,
        alone: bool = False,
        apart: bool = False,
        gone: Callable[[], bool] | None = None,
    ) -> Result:
        """Return the result for `payload`, after the batch that it went with.

        An item that is `alone` goes with no other; one that is `apart` runs while nothing else does, in no slot.
        `gone` tells whether the caller has left in the meantime: then the item is dropped before it runs, and the
        wait is cancelled. Raises Overloaded when the queue is full, LaneClosed when the lane is or gets closed
        before its turn.
        """
        if self._closed is not None:
            raise LaneClosed(self._closed)
        if self._full(weight, bulk=bulk):
            self._forget_gone()
        if self._full(weight, bulk=bulk):
            raise Overloaded(
                f"{plural(len(self), 'prediction request is', 'prediction requests are')} waiting already",
                fix="Ask again in a moment",
            )
        item: _Item[Payload, Result] = _Item(
            key,
            payload,
            size,
            weight,
            alone or apart or interactive,
            apart,
            gone,
            asyncio.get_running_loop().create_future(),
        )
        self._weight += weight
        self._size += 0 if bulk else size
        (self._interactive if interactive else self._bulk if bulk else self._waiting).append(item)
        self._pump()
        for stir in self._filling:
            stir.set()
        return await item.future

    async def drained(self) -> None:
        """Wait until nothing runs and nothing waits."""
        while self._busy:
            await asyncio.wait(self._busy)

    def close(self, why: str) -> None:
        """Take no more items, and turn those that wait away with LaneClosed. Running batches run on."""
        self._closed = why
        for queue in (self._interactive, self._waiting, self._bulk):
            _fail(queue, LaneClosed(why))
            queue.clear()
        self._weight = self._size = 0

    def _full(self, weight: int, *, bulk: bool) -> bool:
        count = len(self)
        if count >= self._max_queue:
            return True
        if (
            self._max_delay is not None
            and not bulk
            and self._size >= FULL_BATCHES * self.max_batch * self._slots
            and self._size * self._pace > (self._max_delay if count >= FEW else PATIENCE) * self._slots
        ):
            return True
        return self._max_weight is not None and count > 0 and self._weight + weight > self._max_weight

    def _pump(self) -> None:
        """Begin every batch that may begin."""
        while batch := self._next(len(self._busy)):
            task = asyncio.ensure_future(self._work(batch))
            self._busy.add(task)
            task.add_done_callback(self._finished)

    def _next(self, busy: int) -> list[_Item[Payload, Result]]:
        """Remove and return the batch that may begin while `busy` are under way; empty when there is none."""
        if self._apart:
            return []
        if busy < self._slots:
            return self._take(busy)
        if not self._ahead or self._slots > 1:
            return []
        if busy == 1 and self._last < QUICK and self._size >= self.max_batch and not self._interactive:
            return self._take(busy)
        # Where something was sent ahead, an interactive item must not wait for the end of it.
        first = self._first(self._interactive, busy) if busy == 2 else None
        return [] if first is None else [first]

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._busy.discard(task)
        self._pump()  # for what came between the last look at the queue and now

    async def _work(self, batch: list[_Item[Payload, Result]]) -> None:
        """Run `batch`, and then what has gathered, until nothing waits or the slot is taken away."""
        while batch:
            if self.max_wait and not batch[0].alone:
                await self._fill(batch)
                batch = [item for item in batch if not item.left]
            if batch:
                await self._run_batch(batch)
            batch = self._next(len(self._busy) - 1)

    async def _fill(self, batch: list[_Item[Payload, Result]]) -> None:
        """Wait for more of what may go with `batch` until it is full, or something interactive waits for the slot."""
        stir = asyncio.Event()
        self._filling.add(stir)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.max_wait):
                while not self._interactive and sum(item.size for item in batch) < self.max_batch:
                    await stir.wait()
                    stir.clear()
                    self._gather(batch, self._waiting)
        self._filling.discard(stir)

    async def _run_batch(self, batch: list[_Item[Payload, Result]]) -> None:
        began = time.monotonic()
        pressed = len(self) > 0
        share = self._slots / max(self._slots, len(self._busy))  # the rest of the time others ran
        try:
            results = await self._run(batch[0].key, [item.payload for item in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{plural(len(results), 'result')} for {plural(len(batch), 'payload')}")
        except asyncio.CancelledError:
            _fail(batch, LaneClosed("The lane ended in the middle of the batch"))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self.close("The lane was ended")
                raise
        except Exception as error:  # noqa: BLE001 (every caller gets it)
            _fail(batch, error)
        else:
            for item, result in zip(batch, results, strict=True):
                if not item.future.done():
                    item.future.set_result(result)
        self._learn((time.monotonic() - began) * share, sum(item.size for item in batch), pressed=pressed)
        if batch[0].apart:
            self._apart = False
            asyncio.get_running_loop().call_soon(self._pump)

    def _learn(self, seconds: float, size: int, *, pressed: bool) -> None:
        """Take note of how long a batch took.

        The pace is that of the middle one of the last batches that left others waiting: what runs alone tells nothing
        of how long full batches take for each task, and one that was held up nothing of the next.
        """
        self._last = seconds
        self.seen(size)
        if not pressed:
            return
        self._paces.append(seconds / max(1, size))
        self._pace = sorted(self._paces)[(len(self._paces) - 1) // 2]

    def _take(self, busy: int) -> list[_Item[Payload, Result]]:
        """Remove the next batch from the queues and return it; empty when nothing waits, or only for the others."""
        bulk_now = self._since_bulk >= BULK_TURN - 1
        turns = (self._bulk, self._waiting) if bulk_now else (self._waiting, self._bulk)
        for queue in (self._interactive, *turns):
            first = self._first(queue, busy)
            if first is not None:
                break
            if queue:
                return []  # its first item runs apart from what is under way
        else:
            self._since_bulk = 0
            return []
        if queue is self._interactive:
            return [first]
        if queue is self._bulk:
            self._since_bulk = 0
            return [first]
        self._since_bulk += 1
        batch = [first]
        if not first.alone:
            self._gather(batch, self._waiting)
        return batch

    def _first(self, queue: deque[_Item[Payload, Result]], busy: int) -> _Item[Payload, Result] | None:
        """Remove and return the first item of `queue` that somebody waits for and that may run beside `busy` others."""
        while queue:
            item = queue[0]
            if item.apart and busy and not item.left:
                return None
            queue.popleft()
            self._forget(item, bulk=queue is self._bulk)
            if not item.left:
                self._apart = item.apart
                return item
        return None

    def _forget(self, item: _Item[Payload, Result], *, bulk: bool) -> None:
        """Take an item off the accounts of what waits."""
        self._weight -= item.weight
        self._size -= 0 if bulk else item.size

    def _gather(self, batch: list[_Item[Payload, Result]], queue: deque[_Item[Payload, Result]]) -> None:
        """Move from `queue` to `batch` what may go with it."""
        key = batch[0].key
        size = sum(item.size for item in batch)
        passed: list[_Item[Payload, Result]] = []
        while queue and size < self.max_batch:
            item = queue.popleft()
            if item.key == key and not item.alone and size + item.size <= self.max_batch:
                self._forget(item, bulk=False)
                if not item.left:
                    batch.append(item)
                    size += item.size
            else:
                passed.append(item)
        queue.extendleft(reversed(passed))

    def _forget_gone(self) -> None:
        """Drop all items whose caller has left; not again for a moment if there were none."""
        now = time.monotonic()
        before = len(self)
        if before >= LONG and now - self._looked < LOOK:
            return
        for queue in (self._interactive, self._waiting, self._bulk):
            kept: list[_Item[Payload, Result]] = []
            for item in queue:
                if item.left:
                    self._forget(item, bulk=queue is self._bulk)
                else:
                    kept.append(item)
            queue.clear()
            queue.extend(kept)
        if len(self) == before:
            self._looked = now


def _fail(items: "Iterable[_Item[Payload, Result]]", error: Exception) -> None:
    for item in items:
        if not item.future.done():
            item.future.set_exception(error)
