"""The model processes of one backend: their label configs, when they start and when they end.

User code may keep state on its class or in module globals, so projects with different label configs do not share a
process. A process here is a runner: a group of several processes with `--model-workers`, a thread with `--debug`.
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
from label_studio_ml.serving.registry.loaded_model import ProcessGroup, shutting_down
from label_studio_ml.serving.requests.batching import Batcher, RunnerClosed
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.serving.runners.runner_group import RunnerGroup
from label_studio_ml.storage.retries import pause_after
from label_studio_ml.user_code.code_identity import CodeIdentity

logger = logging.getLogger(__name__)

#: Limits of one process's queue: prediction requests, and bytes of their tasks.
MAX_QUEUE = 1024
MAX_QUEUE_BYTES = 256 << 20
#: Longest estimated wait in seconds once two full batches and 32 requests are queued. Under overload, accepted
#: requests wait about this long.
MAX_DELAY = 0.4
#: Seconds before a process is started after one that crashed early: at first, and after repeated crashes.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0


class Tenants(Protocol):
    """Interface of the owner of the models, for ModelProcesses."""

    def models_in(self, process_group: ProcessGroup) -> int:
        """Return the number of models that are loaded or loading in a process."""

    def busy(self, process_group: ProcessGroup) -> bool:
        """Return whether a request waits for a model in a process."""

    def leave(self, process_group: ProcessGroup) -> None:
        """Stop using the loaded models of a process."""

    async def empty(self, process_group: ProcessGroup) -> None:
        """Stop using all models of a process; return when no request waits for them."""

    async def lost(self, process_group: ProcessGroup, why: str, *, current: bool) -> None:
        """Handle the unexpected end of a process; `current` tells that it was the one for new loads."""

    async def load_again(self, process_group: ProcessGroup) -> None:
        """Load the models of a process again in a new one. Raises the error of a model that fails to load."""


class ModelProcesses:
    """Processes for the models of one backend, on one event loop.

    `make_runner` returns a new one. With `separate`, each label config has its own, and at most `most` have one:
    before another starts, the least recently used one ends after its requests in flight. A process without models
    ends at the next `end_unused`, except the last one.
    """

    def __init__(
        self,
        make_runner: Callable[[], ModelRunner],
        tenants: Tenants,
        counts: Callable[[], Counts],
        *,
        retry_after: float,
        separate: bool = False,
        most: int = DEFAULT_LABEL_CONFIGS,
    ) -> None:
        self.make_runner = make_runner
        self.all: set[ProcessGroup] = set()
        self.info: ClassInfo | None = None
        self.closing = False
        self.quick_deaths = 0
        #: Whether a new runner starts without imported modules; a thread shares those of its interpreter.
        self.own_memory = False
        self._tenants = tenants
        self._counts = counts
        self._retry_after = retry_after
        self._separate = separate
        self._most = most
        self._current: dict[str, ProcessGroup] = {}
        self._spare: ProcessGroup | None = None
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._starting = 0
        self._leaving: set[ProcessGroup] = set()
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
        process_groups = list(self.all)
        for process_group in process_groups:
            process_group.batcher.close("The backend is shutting down")
        await asyncio.gather(*(process_group.runner.close() for process_group in process_groups))

    @property
    def current(self) -> list[ProcessGroup]:
        """The processes for new loads, one for each label config, and the first process while it has none."""
        return [*self._current.values(), *([self._spare] if self._spare is not None else [])]

    def current_for(self, group: str) -> ProcessGroup | None:
        """Return the process for new loads of a group, None if none runs."""
        process_group = self._current.get(group)
        return process_group if process_group is not None and self._placed(process_group) else None

    def group(self, label_config: str) -> str:
        """Return the key by which projects with this label config share a process."""
        return label_config if self._separate and self.own_memory else ""

    async def process_group_for(self, label_config: str, code: CodeIdentity) -> ProcessGroup:
        """Return the process in which to load a model with this label config.

        This is the current one, unless only another process of the label config has imported `code`. Raises the
        errors of starting a process.
        """
        group = self.group(label_config)
        async with self._lock(group):
            process_group = self._current.get(group)
            if process_group is None and self._spare is not None:
                process_group, self._spare = self._spare, None
                self._place(process_group, group)
            if (
                process_group is None
                or process_group.runner.ended.done()
                or process_group.import_failed(self._retry_after)
            ):
                before, process_group = process_group, await self._start_for(group)
                self._place(process_group, group)
                if before is not None and not before.runner.ended.done():
                    self.spawn(before.runner.close(0))
            if code.same(process_group.code):
                return process_group
            return next((other for other in self._of(group) if other.code.hash == code.hash), process_group)

    async def new(self, *, quiet: bool = False) -> ProcessGroup:
        """Start a process without a label config. With `quiet`, the caller reports import errors of the model file.

        Waits after repeated early crashes. Raises the errors of starting the runner, and Overloaded during the
        shutdown.
        """
        if self.quick_deaths:
            await asyncio.sleep(pause_after(self.quick_deaths, first=FIRST_PAUSE, longest=LONGEST_PAUSE))
        if self.closing:
            raise shutting_down()
        process_group = self._process_group_of(self.make_runner())
        runner = process_group.runner
        self.own_memory = runner.own_memory
        self.all.add(process_group)
        if isinstance(runner, RunnerGroup):
            runner.when_edited = lambda: self.spawn(self._load_again(process_group))
        try:
            await runner.start()
        except Exception:
            self.all.discard(process_group)
            raise
        self.spawn(self._watch(process_group, quiet=quiet))
        return process_group

    async def exchange(self, old: ProcessGroup, label_config: str) -> ProcessGroup:
        """End a label config's process, then start its replacement and return it; no model is loaded in between.

        If `old` has been replaced already, return the current process.
        """
        group = self.group(label_config)
        async with self._lock(group):
            if self._current.get(group) is old:
                self._tenants.leave(old)
                await self.retire(old)
                self._place(await self.new(), group)
            process_group = self._current.get(group)
        if process_group is None:
            raise RunnerClosed("There is no model process")
        return process_group

    def take_over(self, process_group: ProcessGroup, old: ProcessGroup) -> list[ProcessGroup]:
        """Make `process_group` the current process in place of `old`, and return the processes that it replaces.

        These are all those of the same label config, or only `old` if it has none yet.
        """
        if not old.placed:
            self._spare = process_group
            return [old]
        before = self._of(old.group)
        self._place(process_group, old.group)
        return before

    def replace(self, process_group: ProcessGroup, label_config: str) -> ProcessGroup | None:
        """Make `process_group` the current process of a label config, and return the previous one."""
        group = self.group(label_config)
        before = self._current.get(group)
        self._place(process_group, group)
        return before

    def is_current(self, process_group: ProcessGroup) -> bool:
        """Return whether models are loaded in a process from now on."""
        return process_group is self._spare or self._current.get(process_group.group) is process_group

    async def retire(self, process_group: ProcessGroup) -> None:
        """End a process after its requests in flight; afterwards its queue refuses requests."""
        await process_group.batcher.drained()
        process_group.retired = True
        process_group.batcher.close("Its model process was replaced")
        await process_group.runner.close()

    def end_unused(self) -> None:
        """End the processes without models, except the last one."""
        for process_group in list(self.all):
            if (
                process_group is self._spare
                or process_group in self._leaving
                or not self._placed(process_group)
            ):
                continue
            lock = self._locks.get(process_group.group)
            if self._tenants.models_in(process_group) or (lock is not None and lock.locked()):
                continue
            if len(self.all - self._leaving) > 1:
                self._take_away(process_group)
                self.spawn(self._end(process_group))

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

    def _place(self, process_group: ProcessGroup, group: str) -> None:
        self._current[group] = process_group
        process_group.group = group
        process_group.placed = True

    def _placed(self, process_group: ProcessGroup) -> bool:
        return process_group.placed and not process_group.retired and not process_group.runner.ended.done()

    def _of(self, group: str) -> list[ProcessGroup]:
        return [
            process_group
            for process_group in self.all
            if self._placed(process_group)
            and process_group.group == group
            and process_group not in self._leaving
        ]

    async def _start_for(self, group: str) -> ProcessGroup:
        """Start a process for another label config, after ending one if there are `most` already."""
        while self._separate and self._count_others(group) >= self._most:
            others = [
                process_group for process_group in self._current.values() if process_group.group != group
            ]
            others = [process_group for process_group in others if not process_group.runner.ended.done()]
            if others:
                last = min(
                    others, key=lambda process_group: (self._tenants.busy(process_group), process_group.asked)
                )
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
        running = {
            process_group for process_group in self._current.values() if process_group.group != group
        } | self._leaving
        return sum(not process_group.runner.ended.done() for process_group in running) + self._starting

    def _take_away(self, process_group: ProcessGroup) -> None:
        """Load no further models in a process, because it is to end."""
        self._leaving.add(process_group)
        if self._current.get(process_group.group) is process_group:
            del self._current[process_group.group]

    async def _end(self, process_group: ProcessGroup) -> None:
        """Remove the models from a process that was taken away, and end it."""
        try:
            await self._tenants.empty(process_group)
            await self.retire(process_group)
        finally:
            self._leaving.discard(process_group)
            self._room.set()

    def _process_group_of(self, runner: ModelRunner) -> ProcessGroup:
        """Return a runner with its queue."""

        async def run(key: Hashable, requests: Sequence[Request]) -> Sequence[Answer]:
            if runner.ended.done():
                raise RunnerClosed(runner.ended.result())  # these requests did not end it: retry them as new
            process_group.asked = time.monotonic()
            return await runner.predict(key[0], requests)  # type: ignore[index]

        batcher: Batcher[Request, Answer] = Batcher(
            run,
            max_batch=MAX_BATCH,
            max_queue=MAX_QUEUE,
            max_weight=MAX_QUEUE_BYTES,
            max_delay=MAX_DELAY,
            ahead=runner.ahead,
        )
        batcher.seen = self._counts().batches.observe
        process_group = ProcessGroup(runner, batcher, time.monotonic())
        return process_group

    async def _load_again(self, process_group: ProcessGroup) -> None:
        """Load the edited code in new processes, after one process of a group has ended and cannot be replaced."""
        if (
            process_group.retired
            or self.closing
            or not (process_group.placed or process_group is self._spare)
        ):
            return
        logger.info("The models are loaded again in new processes, with the code on the disk")
        try:
            await self._tenants.load_again(process_group)
        except BackendError as error:
            logger.error(
                "The edited code is not used: %s. The code before goes on, in fewer processes; edit it again",
                error,
            )

    async def _watch(self, process_group: ProcessGroup, *, quiet: bool) -> None:
        """Wait for the end of a process, then close its queue and report the loss, so that its models load again."""
        try:
            self.info = await asyncio.shield(process_group.runner.info)
        except BackendError as error:
            if not quiet:
                logger.error("The model file cannot be used: %s", error)
        why = await asyncio.shield(process_group.runner.ended)
        self.all.discard(process_group)
        self._room.set()
        process_group.batcher.close(why)
        if process_group.retired:
            return
        current = self.is_current(process_group) and not self.closing
        if current:
            quick = time.monotonic() - process_group.started < 10
            self.quick_deaths = self.quick_deaths + 1 if quick else 0
            self._counts().restarts += 1
        await self._tenants.lost(process_group, why, current=current)
