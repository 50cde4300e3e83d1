"""Queue that batches requests while the model is busy.

An item starts at once if a slot is free. Items that arrive while all slots are busy are queued, and the next free
slot takes those with equal keys as one batch, up to a number of tasks. Interactive items go first and alone; parts
of large requests (bulk) go last, but cannot starve. This module knows items, keys, slots and a callable; no models
and no HTTP.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic

from label_studio_ml.errors import Overloaded
from label_studio_ml.serving.requests.queue_item import (
    Item,
    Payload,
    Place,
    Result,
    RunnerClosed,
    Supersedable,
    Superseded,
)
from label_studio_ml.support.texts import plural

#: Full batches per slot that may be queued however long they take.
FULL_BATCHES = 2
#: Longest estimated wait in seconds (`SHORT_QUEUE_DELAY`, instead of `max_delay`) while fewer items than `SHORT_QUEUE`
#: are queued.
SHORT_QUEUE = 32
SHORT_QUEUE_DELAY = 60.0
#: Seconds between two searches of a full queue for callers that left, and the length from which on a queue is long.
SEARCH_INTERVAL = 0.05
LONG_QUEUE = 256
#: While other items are queued, every `BULK_TURN`-th batch is a bulk item.
BULK_TURN = 4
#: Number of batches whose median duration per task is used to estimate the wait.
PACES = 9
#: A batch is sent ahead only if the last one took fewer seconds than this.
QUICK = 0.02


class Batcher(Generic[Payload, Result]):
    """A queue in front of one or more slots, each of which runs one batch at a time.

    `run(key, payloads)` returns one result for each payload, in order; an error is raised in every caller of the
    batch. `max_batch` limits the sum of the items' sizes in a batch (a larger item goes alone); a batch that is not
    full waits `max_wait` seconds for more items (0: not at all). `max_queue` limits the number of queued items and
    `max_weight` the sum of their weights (in bytes, for example). Once two full batches per slot and 32 items are
    queued, `max_delay` limits the estimated wait of a new item in seconds. Beyond any of these limits `submit`
    raises Overloaded at once.

    With `ahead`, the callee of `run` queues a second batch and starts it without a gap: with one slot and quick
    batches, one full batch is sent ahead. An interactive item is then sent at once in addition, and `run` must
    execute it before the batch that was sent ahead.
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
        self._last_duration = float("inf")
        self._exclusive = False
        self.max_batch = max_batch
        self.max_wait = max_wait
        self._max_queue = max_queue
        self._max_weight = max_weight
        self._max_delay = max_delay
        self._weight = 0
        self._size = 0
        self._pace = 0.0
        self._paces: deque[float] = deque(maxlen=PACES)
        self._searched = 0.0
        self._interactive: deque[Item[Payload, Result]] = deque()
        self._normal: deque[Item[Payload, Result]] = deque()
        self._bulk: deque[Item[Payload, Result]] = deque()
        self._since_bulk = 0
        self._slots = slots
        self._busy: set[asyncio.Task[None]] = set()
        self._filling: set[asyncio.Event] = set()
        self._closed: str | None = None
        self.on_batch: Callable[[int], None] = lambda size: None  # called with each batch's size, to count it

    def __len__(self) -> int:
        """Return the number of queued items."""
        return len(self._interactive) + len(self._normal) + len(self._bulk)

    @property
    def slots(self) -> int:
        """The number of batches that run concurrently."""
        return self._slots

    @slots.setter
    def slots(self, slots: int) -> None:
        self._slots = slots
        self.start_batches()

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
        exclusive: bool = False,
        gone: Callable[[], bool] | None = None,
        place: Place | None = None,
        click: Supersedable | None = None,
        order: int = 0,
    ) -> Result:
        """Return the result for `payload`, once its batch has run.

        An item that is `alone` shares its batch with no other; one that is `exclusive` runs while no other batch does.
        `gone` returns whether the caller has left: then the item is dropped before it runs, and the wait is
        cancelled. An interactive item with a `place` starts once it could take it; items behind it are not held up.
        Queued interactive items whose `click` is superseded by that of one with a higher `order` are dropped. Raises
        Superseded for these, Overloaded when the queue is full, RunnerClosed when the runner is or gets closed before
        the item has started.
        """
        if self._closed is not None:
            raise RunnerClosed(self._closed)
        if self._full(weight, bulk=bulk):
            self._drop_abandoned()
        if self._full(weight, bulk=bulk):
            raise Overloaded(
                f"{plural(len(self), 'prediction request is', 'prediction requests are')} waiting already",
                fix="Send the request again in a moment",
            )
        bulk = bulk and not interactive
        item: Item[Payload, Result] = Item(
            key,
            payload,
            size,
            weight,
            alone or exclusive or interactive,
            exclusive,
            gone,
            place,
            click,
            order,
            asyncio.get_running_loop().create_future(),
        )
        self._weight += weight
        self._size += 0 if bulk else size
        if interactive:
            self._append_interactive(item)
        else:
            (self._bulk if bulk else self._normal).append(item)
        self.start_batches()
        for arrival in self._filling:
            arrival.set()
        if place is None or place.patience is None:
            return await item.future
        return await self._result(item, place.patience)

    async def _result(self, item: Item[Payload, Result], patience: float) -> Result:
        """Return the result of an item, whose place is asked again after `patience` seconds."""
        timer = asyncio.get_running_loop().call_later(patience, self.start_batches)
        try:
            return await item.future
        finally:
            timer.cancel()

    async def drained(self) -> None:
        """Wait until no item is running or queued."""
        while self._busy:
            await asyncio.wait(self._busy)

    def close(self, reason: str) -> None:
        """Refuse new items, and let queued ones raise RunnerClosed. Running batches continue."""
        self._closed = reason
        for queue in (self._interactive, self._normal, self._bulk):
            for item in queue:
                item.fail(RunnerClosed(reason))
            queue.clear()
        self._weight = self._size = 0

    def _append_interactive(self, item: Item[Payload, Result]) -> None:
        """Queue an interactive item, and drop those that are superseded by it; it takes the place of the first."""
        position = len(self._interactive)
        if item.click is not None and not item.abandoned:  # what is abandoned will have no result
            for other in [*self._interactive]:
                if other.abandoned:
                    continue
                if other.supersedes(item):  # `item` is sent again
                    self._drop_superseded(item)
                    return
                if item.supersedes(other):
                    position = min(position, self._interactive.index(other))
                    self._interactive.remove(other)
                    self._drop_superseded(other)
        self._interactive.insert(position, item)

    def _drop_superseded(self, item: Item[Payload, Result]) -> None:
        self._subtract(item, bulk=False)
        item.fail(Superseded("A newer request for this task was sent"))

    def _full(self, weight: int, *, bulk: bool) -> bool:
        count = len(self)
        if count >= self._max_queue:
            return True
        if (
            self._max_delay is not None
            and not bulk
            and self._size >= FULL_BATCHES * self.max_batch * self._slots
            and self._size * self._pace
            > (self._max_delay if count >= SHORT_QUEUE else SHORT_QUEUE_DELAY) * self._slots
        ):
            return True
        return self._max_weight is not None and count > 0 and self._weight + weight > self._max_weight

    def start_batches(self) -> None:
        """Start every batch that may start. To be called if a place was freed by anything but the end of a batch."""
        while batch := self._next_batch(len(self._busy)):
            task = asyncio.ensure_future(self._work(batch))
            self._busy.add(task)
            task.add_done_callback(self._finished)

    def _next_batch(self, busy: int) -> list[Item[Payload, Result]]:
        """Remove and return the batch that may start while `busy` others run; empty if there is none."""
        if self._exclusive:
            return []
        if busy < self._slots:
            return self._pop_batch(busy)
        if not self._ahead or self._slots > 1:
            return []
        if (
            busy == 1
            and self._last_duration < QUICK
            and self._size >= self.max_batch
            and not self._interactive
        ):
            return self._pop_batch(busy)
        # A batch was sent ahead: an interactive item must not wait until it ends.
        first = self._pop_first(self._interactive, busy) if busy == 2 else None
        return [] if first is None else [first]

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._busy.discard(task)
        self.start_batches()  # for items that came after the task last examined the queue

    async def _work(self, batch: list[Item[Payload, Result]]) -> None:
        """Run `batch`, then further batches, until no item is queued or the slot is removed."""
        while batch:
            if self.max_wait and not batch[0].alone:
                await self._fill(batch)
                batch = [item for item in batch if not item.abandoned]
            if batch:
                await self._run_batch(batch)
            batch = self._next_batch(len(self._busy) - 1)

    async def _fill(self, batch: list[Item[Payload, Result]]) -> None:
        """Add queued items to `batch` until it is full, `max_wait` is over, or an interactive item needs the slot."""
        arrival = asyncio.Event()
        self._filling.add(arrival)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.max_wait):
                while not self._interactive and sum(item.size for item in batch) < self.max_batch:
                    await arrival.wait()
                    arrival.clear()
                    self._gather(batch, self._normal)
        self._filling.discard(arrival)

    async def _run_batch(self, batch: list[Item[Payload, Result]]) -> None:
        began = time.monotonic()
        others_queued = len(self) > 0
        share = self._slots / max(self._slots, len(self._busy))  # others ran in the rest of the time
        try:
            results = await self._run(batch[0].key, [item.payload for item in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{plural(len(results), 'result')} for {plural(len(batch), 'payload')}")
        except asyncio.CancelledError:
            for item in batch:
                item.fail(RunnerClosed("The runner ended in the middle of the batch"))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self.close("The runner was ended")
                raise
        except Exception as error:  # noqa: BLE001 (it is raised in every caller)
            for item in batch:
                item.fail(error)
        else:
            for item, result in zip(batch, results, strict=True):
                if not item.future.done():
                    item.future.set_result(result)
        self._update_pace(
            (time.monotonic() - began) * share, sum(item.size for item in batch), others_queued=others_queued
        )
        if batch[0].exclusive:
            self._exclusive = False
            asyncio.get_running_loop().call_soon(self.start_batches)

    def _update_pace(self, seconds: float, size: int, *, others_queued: bool) -> None:
        """Update the pace (seconds per task) with the duration of a batch.

        The pace is the median of the last batches that left other items queued. Batches without a queue are not
        full, so they say nothing about full ones, and a median ignores single delays.
        """
        self._last_duration = seconds
        self.on_batch(size)
        if not others_queued:
            return
        self._paces.append(seconds / max(1, size))
        self._pace = sorted(self._paces)[(len(self._paces) - 1) // 2]

    def _pop_batch(self, busy: int) -> list[Item[Payload, Result]]:
        """Remove and return the next batch; empty if no item is queued, or the next one must run exclusively."""
        bulk_now = self._since_bulk >= BULK_TURN - 1
        queues = (self._bulk, self._normal) if bulk_now else (self._normal, self._bulk)
        for queue in (self._interactive, *queues):
            first = self._pop_first(queue, busy)
            if first is not None:
                break
            if any(item.exclusive for item in queue):
                return []  # one of its items must run exclusively: wait for running batches
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
            self._gather(batch, self._normal)
        return batch

    def _pop_first(self, queue: deque[Item[Payload, Result]], busy: int) -> Item[Payload, Result] | None:
        """Remove and return the first item of `queue` that may run while `busy` batches run; None if there is none."""
        position = 0
        while position < len(queue):
            item = queue[position]
            abandoned = item.abandoned
            if item.exclusive and busy and not abandoned:
                return None
            if not abandoned and item.place is not None and not item.place.take():
                position += 1
                continue
            del queue[position]
            self._subtract(item, bulk=queue is self._bulk)
            if not abandoned:
                self._exclusive = item.exclusive
                return item
        return None

    def _subtract(self, item: Item[Payload, Result], *, bulk: bool) -> None:
        """Subtract an item from the totals of the queue."""
        self._weight -= item.weight
        self._size -= 0 if bulk else item.size

    def _gather(self, batch: list[Item[Payload, Result]], queue: deque[Item[Payload, Result]]) -> None:
        """Move items that may share the batch from `queue` to `batch`."""
        key = batch[0].key
        size = sum(item.size for item in batch)
        passed: list[Item[Payload, Result]] = []
        while queue and size < self.max_batch:
            item = queue.popleft()
            if item.key == key and not item.alone and size + item.size <= self.max_batch:
                self._subtract(item, bulk=False)
                if not item.abandoned:
                    batch.append(item)
                    size += item.size
            else:
                passed.append(item)
        queue.extendleft(reversed(passed))

    def _drop_abandoned(self) -> None:
        """Drop items whose callers have left; a long queue is searched again only after `SEARCH_INTERVAL` seconds."""
        now = time.monotonic()
        length_before = len(self)
        if length_before >= LONG_QUEUE and now - self._searched < SEARCH_INTERVAL:
            return
        for queue in (self._interactive, self._normal, self._bulk):
            remaining: list[Item[Payload, Result]] = []
            for item in queue:
                if item.abandoned:
                    self._subtract(item, bulk=queue is self._bulk)
                else:
                    remaining.append(item)
            queue.clear()
            queue.extend(remaining)
        if len(self) == length_before:
            self._searched = now
