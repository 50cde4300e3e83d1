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
from label_studio_ml.serving.registry.loaded_model import shutting_down
from label_studio_ml.serving.registry.serving_process import ServingProcess
from label_studio_ml.serving.requests.batching import Batcher
from label_studio_ml.serving.requests.queue_item import RunnerClosed
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


class ModelOwner(Protocol):
    """Interface of the owner of the models, for ModelProcesses."""

    def models_in(self, process: ServingProcess) -> int:
        """Return the number of models that are loaded or loading in a process, or held there."""

    def busy(self, process: ServingProcess) -> bool:
        """Return whether a request waits for a model in a process."""

    def leave(self, process: ServingProcess) -> None:
        """Stop using the loaded models of a process."""

    async def empty(self, process: ServingProcess) -> None:
        """Stop using all models of a process; return when no request waits for them."""

    async def lost(self, process: ServingProcess, cause: str, *, current: bool) -> None:
        """Handle the unexpected end of a process; `current` tells that it was the one for new loads."""

    async def reload_models(self, process: ServingProcess) -> None:
        """Load the models of a process again in a new one. Raises the error of a model that fails to load."""


class ModelProcesses:
    """Processes for the models of one backend, on one event loop.

    `make_runner` returns a new one. With `separate`, each label config has its own, and at most `max_label_configs`
    have one: before another starts, the least recently used one ends after its requests in flight. A process without
    models ends at the next `end_unused`, except the last one.
    """

    def __init__(
        self,
        make_runner: Callable[[], ModelRunner],
        owner: ModelOwner,
        counts: Callable[[], Counts],
        *,
        retry_after: float,
        separate: bool = False,
        max_label_configs: int = DEFAULT_LABEL_CONFIGS,
    ) -> None:
        self.make_runner = make_runner
        self.all: set[ServingProcess] = set()
        self.info: ClassInfo | None = None
        self.closing = False
        self.quick_deaths = 0
        #: Whether a new runner starts without imported modules; a thread shares those of its interpreter.
        self.own_memory = False
        self._owner = owner
        self._counts = counts
        self._retry_after = retry_after
        self._separate = separate
        self._max_label_configs = max_label_configs
        self._current: dict[str, ServingProcess] = {}
        self._unassigned: ServingProcess | None = None
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._starting = 0
        self._leaving: set[ServingProcess] = set()
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Start the first process, which begins to import the model file; the first label config gets it."""
        self._unassigned = await self.new()

    async def close(self) -> None:
        """End all processes."""
        self.closing = True
        for task in list(self._tasks):
            task.cancel()
        processes = list(self.all)
        for process in processes:
            process.batcher.close("The backend is shutting down")
        await asyncio.gather(*(process.runner.close() for process in processes))

    @property
    def running(self) -> int:
        """The number of processes that have not ended."""
        return sum(not process.runner.ended.done() for process in self.all)

    @property
    def current(self) -> list[ServingProcess]:
        """The processes for new loads, one for each label config, and the first process while it has none."""
        return [*self._current.values(), *([self._unassigned] if self._unassigned is not None else [])]

    def current_for(self, group: str) -> ServingProcess | None:
        """Return the process for new loads of a group, None if none runs."""
        process = self._current.get(group)
        return process if process is not None and self._is_assigned(process) else None

    def group(self, label_config: str) -> str:
        """Return the key by which projects with this label config share a process."""
        return label_config if self._separate and self.own_memory else ""

    async def process_for(self, label_config: str, code: CodeIdentity) -> ServingProcess:
        """Return the process in which to load a model with this label config.

        This is the current one, unless only another process of the label config has imported `code`. Raises the
        errors of starting a process.
        """
        group = self.group(label_config)
        async with self._lock(group):
            process = self._current.get(group)
            if process is None and self._unassigned is not None:
                process, self._unassigned = self._unassigned, None
                self._assign(process, group)
            if process is None or process.runner.ended.done() or process.import_failed(self._retry_after):
                previous, process = process, await self._start_for(group)
                self._assign(process, group)
                if previous is not None and not previous.runner.ended.done():
                    self.spawn(previous.runner.close(0))
            if code.same(process.code):
                return process
            return next((other for other in self._in_group(group) if other.code.hash == code.hash), process)

    async def new(self, *, quiet: bool = False) -> ServingProcess:
        """Start a process without a label config. With `quiet`, the caller reports import errors of the model file.

        Waits after repeated early crashes. Raises the errors of starting the runner, and Overloaded during the
        shutdown.
        """
        if self.quick_deaths:
            await asyncio.sleep(pause_after(self.quick_deaths, first=FIRST_PAUSE, longest=LONGEST_PAUSE))
        if self.closing:
            raise shutting_down()
        process = self._process_of(self.make_runner())
        runner = process.runner
        self.own_memory = runner.own_memory
        self.all.add(process)
        if isinstance(runner, RunnerGroup):
            runner.on_edit = lambda: self.spawn(self._reload(process))
            runner.on_join = process.batcher.start_batches
        try:
            await runner.start()
        except BaseException:
            self.all.discard(process)
            raise
        self.spawn(self._watch(process, quiet=quiet))
        return process

    async def exchange(self, old: ServingProcess, label_config: str) -> ServingProcess:
        """End a label config's process, then start its replacement and return it; no model is loaded in between.

        If `old` has been replaced already, return the current process.
        """
        group = self.group(label_config)
        async with self._lock(group):
            if self._current.get(group) is old:
                self._owner.leave(old)
                await self.retire(old)
                self._assign(await self.new(), group)
            process = self._current.get(group)
        if process is None:
            raise RunnerClosed("There is no model process")
        return process

    def take_over(self, process: ServingProcess, old: ServingProcess) -> list[ServingProcess]:
        """Make `process` the current process in place of `old`, and return the processes that it replaces.

        These are all those of the same label config, or only `old` if it has none yet.
        """
        if not old.assigned:
            self._unassigned = process
            return [old]
        previous = self._in_group(old.group)
        self._assign(process, old.group)
        return previous

    def replace(self, process: ServingProcess, label_config: str) -> ServingProcess | None:
        """Make `process` the current process of a label config, and return the previous one."""
        group = self.group(label_config)
        previous = self._current.get(group)
        self._assign(process, group)
        return previous

    def is_current(self, process: ServingProcess) -> bool:
        """Return whether models are loaded in a process from now on."""
        return process is self._unassigned or self._current.get(process.group) is process

    async def retire(self, process: ServingProcess) -> None:
        """End a process after its requests in flight; afterwards its queue refuses requests.

        A process that still imports the model file has none, and is ended at once: the import may hang.
        """
        await process.batcher.drained()
        process.retired = True
        process.batcher.close("Its model process was replaced")
        if process.runner.info.done():
            await process.runner.close()
        else:
            await process.runner.close(0)

    def end_unused(self) -> None:
        """End the processes without models, except the last one."""
        for process in list(self.all):
            if process is self._unassigned or process in self._leaving or not self._is_assigned(process):
                continue
            lock = self._locks.get(process.group)
            if self._owner.models_in(process) or (lock is not None and lock.locked()):
                continue
            if len(self.all - self._leaving) > 1:
                self._stop_loading(process)
                self.spawn(self._end(process))

    def spawn(self, work: "Coroutine[Any, Any, Any]") -> "asyncio.Task[Any]":
        """Run `work` in the background; errors are logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("A background step failed", exc_info=task.exception())

    def _lock(self, group: str) -> asyncio.Lock:
        return self._locks.setdefault(group, asyncio.Lock())

    def _assign(self, process: ServingProcess, group: str) -> None:
        self._current[group] = process
        process.group = group
        process.assigned = True

    def _is_assigned(self, process: ServingProcess) -> bool:
        return process.assigned and not process.retired and not process.runner.ended.done()

    def _in_group(self, group: str) -> list[ServingProcess]:
        return [
            process
            for process in self.all
            if self._is_assigned(process) and process.group == group and process not in self._leaving
        ]

    async def _start_for(self, group: str) -> ServingProcess:
        """Start a process for another label config, after ending one if there are `max_label_configs` already."""
        while self._separate and self._count_others(group) >= self._max_label_configs:
            candidates = [process for process in self._current.values() if process.group != group]
            candidates = [process for process in candidates if not process.runner.ended.done()]
            if candidates:
                least_used = min(
                    candidates, key=lambda process: (self._owner.busy(process), process.last_call)
                )
                self._stop_loading(least_used)
                await self._end(least_used)
            else:
                self._freed.clear()
                await self._freed.wait()
        self._starting += 1
        try:
            return await self.new()
        finally:
            self._starting -= 1
            self._freed.set()

    def _count_others(self, group: str) -> int:
        """Return the number of processes that run or start for other label configs."""
        running = {process for process in self._current.values() if process.group != group} | self._leaving
        return sum(not process.runner.ended.done() for process in running) + self._starting

    def _stop_loading(self, process: ServingProcess) -> None:
        """Load no further models in a process, because it is to end."""
        self._leaving.add(process)
        if self._current.get(process.group) is process:
            del self._current[process.group]

    async def _end(self, process: ServingProcess) -> None:
        """Remove the models from a process that was taken away, and end it."""
        try:
            await self._owner.empty(process)
            await self.retire(process)
        finally:
            self._leaving.discard(process)
            self._freed.set()

    def _process_of(self, runner: ModelRunner) -> ServingProcess:
        """Return a runner with its queue."""

        async def run(key: Hashable, requests: Sequence[Request]) -> Sequence[Answer]:
            if runner.ended.done():
                # These requests are not the cause, so they are retried as new ones.
                raise RunnerClosed(runner.ended.result())
            process.last_call = time.monotonic()
            # The key is the model's number, the params, and the place that was taken or None.
            return await runner.predict(key[0], requests, key[2])  # type: ignore[index]

        batcher: Batcher[Request, Answer] = Batcher(
            run,
            max_batch=MAX_BATCH,
            max_queue=MAX_QUEUE,
            max_weight=MAX_QUEUE_BYTES,
            max_delay=MAX_DELAY,
            ahead=runner.ahead,
        )
        batcher.on_batch = self._counts().batches.observe
        process = ServingProcess(runner, batcher, time.monotonic())
        return process

    async def _reload(self, process: ServingProcess) -> None:
        """Load the edited code in new processes, after one process of a group has ended and cannot be replaced."""
        if process.retired or self.closing or not (process.assigned or process is self._unassigned):
            return
        logger.info("The models are loaded again in new processes, with the code on the disk")
        try:
            await self._owner.reload_models(process)
        except BackendError as error:
            logger.error(
                "The edited code is not used: %s. The previous code stays in use, in fewer processes; edit it again",
                error,
            )

    async def _watch(self, process: ServingProcess, *, quiet: bool) -> None:
        """Wait for the end of a process, then close its queue and report the loss, so that its models load again."""
        try:
            self.info = await asyncio.shield(process.runner.info)
        except BackendError as error:
            if not quiet:
                logger.error("The model file cannot be used: %s", error)
        cause = await asyncio.shield(process.runner.ended)
        self.all.discard(process)
        self._freed.set()
        process.batcher.close(cause)
        if process.retired:
            return
        current = self.is_current(process) and not self.closing
        if current:
            quick = time.monotonic() - process.started < 10
            self.quick_deaths = self.quick_deaths + 1 if quick else 0
            self._counts().restarts += 1
        await self._owner.lost(process, cause, current=current)
