"""The model processes of one backend: their label configs, when they start and when they end.

User code may keep state on its class or in module globals, so projects with different label configs do not share a
process. A process here is a lane: a group of several processes with `--model-workers`, a thread with `--debug`.
"""

import asyncio
import logging
import time
import weakref
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, Protocol

from label_studio_ml.config.settings import DEFAULT_LABEL_CONFIGS
from label_studio_ml.errors import BackendError
from label_studio_ml.model_calls.adapter import MAX_BATCH, ClassInfo
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.serving.registry.loaded_model import Home, shutting_down
from label_studio_ml.serving.requests.batching import Batcher, LaneClosed
from label_studio_ml.serving.runners.process_group import LaneGroup
from label_studio_ml.serving.runners.process_runner import Lane
from label_studio_ml.user_code.code_identity import CodeIdentity

logger = logging.getLogger(__name__)

#: Limits of one process's queue: prediction requests, and bytes of their tasks.
MAX_QUEUE = 1024
MAX_QUEUE_BYTES = 256 << 20
#: Longest estimated wait in seconds once two full batches and 32 requests are queued. Under overload, accepted
#: requests wait about this long.
MAX_DELAY = 0.4


class Tenants(Protocol):
    """Interface of the owner of the models, for ModelProcesses."""

    def models_in(self, home: Home) -> int:
        """Return the number of models that are loaded or loading in a process."""

    def busy(self, home: Home) -> bool:
        """Return whether a request waits for a model in a process."""

    def leave(self, home: Home) -> None:
        """Stop using the loaded models of a process."""

    async def empty(self, home: Home) -> None:
        """Stop using all models of a process; return when no request waits for them."""

    async def lost(self, home: Home, why: str, *, current: bool) -> None:
        """Handle the unexpected end of a process; `current` tells that it was the one for new loads."""

    async def load_again(self, home: Home) -> None:
        """Load the models of a process again in a new one. Raises the error of a model that fails to load."""


class ModelProcesses:
    """Processes for the models of one backend, on one event loop.

    `make_lane` returns a new one. With `separate`, each label config has its own, and at most `most` have one:
    before another starts, the least recently used one ends after its requests in flight. A process without models
    ends at the next `end_unused`, except the last one.
    """

    def __init__(
        self,
        make_lane: Callable[[], Lane],
        tenants: Tenants,
        counts: Callable[[], Counts],
        *,
        retry_after: float,
        separate: bool = False,
        most: int = DEFAULT_LABEL_CONFIGS,
    ) -> None:
        self.make_lane = make_lane
        self.all: set[Home] = set()
        self.info: ClassInfo | None = None
        self.closing = False
        self.quick_deaths = 0
        #: Whether a new lane starts without imported modules; a thread shares those of its interpreter.
        self.own_memory = False
        self._tenants = tenants
        self._counts = counts
        self._retry_after = retry_after
        self._separate = separate
        self._most = most
        self._current: dict[str, Home] = {}
        self._spare: Home | None = None
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._starting = 0
        self._leaving: set[Home] = set()
        self._room = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Start the first process, which begins to import the model file; the first label config gets it."""
        self._spare = await self.new()

    async def close(self) -> None:
        """End all processes."""
        self.closing = True
        for task in list(self._tasks):
            task.cancel()
        homes = list(self.all)
        for home in homes:
            home.batcher.close("The backend is shutting down")
        await asyncio.gather(*(home.lane.close() for home in homes))

    @property
    def current(self) -> list[Home]:
        """The processes for new loads, one for each label config, and the first process while it has none."""
        return [*self._current.values(), *([self._spare] if self._spare is not None else [])]

    def current_for(self, group: str) -> Home | None:
        """Return the process for new loads of a group, None if none runs."""
        home = self._current.get(group)
        return home if home is not None and self._placed(home) else None

    def group(self, label_config: str) -> str:
        """Return the key by which projects with this label config share a process."""
        return label_config if self._separate and self.own_memory else ""

    async def home_for(self, label_config: str, code: CodeIdentity) -> Home:
        """Return the process in which to load a model with this label config.

        This is the current one, unless only another process of the label config has imported `code`. Raises the
        errors of starting a process.
        """
        group = self.group(label_config)
        async with self._lock(group):
            home = self._current.get(group)
            if home is None and self._spare is not None:
                home, self._spare = self._spare, None
                self._place(home, group)
            if home is None or home.lane.ended.done() or home.import_failed(self._retry_after):
                before, home = home, await self._start_for(group)
                self._place(home, group)
                if before is not None and not before.lane.ended.done():
                    self.spawn(before.lane.close(0))
            if code.same(home.code):
                return home
            return next((other for other in self._of(group) if other.code.hash == code.hash), home)

    async def new(self, *, quiet: bool = False) -> Home:
        """Start a process without a label config. With `quiet`, the caller reports import errors of the model file.

        Waits after repeated early crashes. Raises the errors of starting the lane, and Overloaded during the
        shutdown.
        """
        if self.quick_deaths:
            await asyncio.sleep(min(10.0, 0.1 * 2 ** min(self.quick_deaths, 10)))
        if self.closing:
            raise shutting_down()
        home = self._home_of(self.make_lane())
        lane = home.lane
        self.own_memory = lane.own_memory
        self.all.add(home)
        if isinstance(lane, LaneGroup):
            lane.when_edited = lambda: self.spawn(self._load_again(home))
        try:
            await lane.start()
        except Exception:
            self.all.discard(home)
            raise
        self.spawn(self._watch(home, quiet=quiet))
        return home

    async def exchange(self, old: Home, label_config: str) -> Home:
        """End a label config's process, then start its replacement and return it; no model is loaded in between.

        If `old` has been replaced already, return the current process.
        """
        group = self.group(label_config)
        async with self._lock(group):
            if self._current.get(group) is old:
                self._tenants.leave(old)
                await self.retire(old)
                self._place(await self.new(), group)
            home = self._current.get(group)
        if home is None:
            raise LaneClosed("There is no model process")
        return home

    def take_over(self, home: Home, old: Home) -> list[Home]:
        """Make `home` the current process in place of `old`, and return the processes that it replaces.

        These are all those of the same label config, or only `old` if it has none yet.
        """
        if not old.placed:
            self._spare = home
            return [old]
        before = self._of(old.group)
        self._place(home, old.group)
        return before

    def replace(self, home: Home, label_config: str) -> Home | None:
        """Make `home` the current process of a label config, and return the previous one."""
        group = self.group(label_config)
        before = self._current.get(group)
        self._place(home, group)
        return before

    def is_current(self, home: Home) -> bool:
        """Return whether models are loaded in a process from now on."""
        return home is self._spare or self._current.get(home.group) is home

    async def retire(self, home: Home) -> None:
        """End a process after its requests in flight; afterwards its queue refuses requests."""
        await home.batcher.drained()
        home.retired = True
        home.batcher.close("Its model process was replaced")
        await home.lane.close()

    def end_unused(self) -> None:
        """End the processes without models, except the last one."""
        for home in list(self.all):
            if home is self._spare or home in self._leaving or not self._placed(home):
                continue
            lock = self._locks.get(home.group)
            if self._tenants.models_in(home) or (lock is not None and lock.locked()):
                continue
            if len(self.all - self._leaving) > 1:
                self._take_away(home)
                self.spawn(self._end(home))

    def spawn(self, work: "Coroutine[Any, Any, Any]") -> "asyncio.Task[Any]":
        """Run `work` in the background; errors are logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("A background step failed", exc_info=task.exception())

    def _lock(self, group: str) -> asyncio.Lock:
        return self._locks.setdefault(group, asyncio.Lock())

    def _place(self, home: Home, group: str) -> None:
        self._current[group] = home
        home.group = group
        home.placed = True

    def _placed(self, home: Home) -> bool:
        return home.placed and not home.retired and not home.lane.ended.done()

    def _of(self, group: str) -> list[Home]:
        return [
            home
            for home in self.all
            if self._placed(home) and home.group == group and home not in self._leaving
        ]

    async def _start_for(self, group: str) -> Home:
        """Start a process for another label config, after ending one if there are `most` already."""
        while self._separate and self._count_others(group) >= self._most:
            others = [home for home in self._current.values() if home.group != group]
            others = [home for home in others if not home.lane.ended.done()]
            if others:
                last = min(others, key=lambda home: (self._tenants.busy(home), home.asked))
                self._take_away(last)
                await self._end(last)
            else:
                self._room.clear()
                await self._room.wait()
        self._starting += 1
        try:
            return await self.new()
        finally:
            self._starting -= 1
            self._room.set()

    def _count_others(self, group: str) -> int:
        """Return the number of processes that run or start for other label configs."""
        running = {home for home in self._current.values() if home.group != group} | self._leaving
        return sum(not home.lane.ended.done() for home in running) + self._starting

    def _take_away(self, home: Home) -> None:
        """Load no further models in a process, because it is to end."""
        self._leaving.add(home)
        if self._current.get(home.group) is home:
            del self._current[home.group]

    async def _end(self, home: Home) -> None:
        """Remove the models from a process that was taken away, and end it."""
        try:
            await self._tenants.empty(home)
            await self.retire(home)
        finally:
            self._leaving.discard(home)
            self._room.set()

    def _home_of(self, lane: Lane) -> Home:
        """Return a lane with its queue."""

        async def run(key: Hashable, requests: Sequence[Request]) -> Sequence[Answer]:
            if lane.ended.done():
                raise LaneClosed(lane.ended.result())  # these requests did not end it: retry them as new
            home.asked = time.monotonic()
            return await lane.predict(key[0], requests)  # type: ignore[index]

        batcher: Batcher[Request, Answer] = Batcher(
            run,
            max_batch=MAX_BATCH,
            max_queue=MAX_QUEUE,
            max_weight=MAX_QUEUE_BYTES,
            max_delay=MAX_DELAY,
            ahead=lane.ahead,
        )
        batcher.seen = self._counts().batches.observe
        home = Home(lane, batcher, time.monotonic())
        return home

    async def _load_again(self, home: Home) -> None:
        """Load the edited code in new processes, after one process of a group has ended and cannot be replaced."""
        if home.retired or self.closing or not (home.placed or home is self._spare):
            return
        logger.info("The models are loaded again in new processes, with the code on the disk")
        try:
            await self._tenants.load_again(home)
        except BackendError as error:
            logger.error(
                "The edited code is not used: %s. The code before goes on, in fewer processes; edit it again",
                error,
            )

    async def _watch(self, home: Home, *, quiet: bool) -> None:
        """Wait for the end of a process, then close its queue and report the loss, so that its models load again."""
        try:
            self.info = await asyncio.shield(home.lane.info)
        except BackendError as error:
            if not quiet:
                logger.error("The model file cannot be used: %s", error)
        why = await asyncio.shield(home.lane.ended)
        self.all.discard(home)
        self._room.set()
        home.batcher.close(why)
        if home.retired:
            return
        current = self.is_current(home) and not self.closing
        if current:
            quick = time.monotonic() - home.started < 10
            self.quick_deaths = self.quick_deaths + 1 if quick else 0
            self._counts().restarts += 1
        await self._tenants.lost(home, why, current=current)
