"""Pipeline that reads, predicts and writes tasks concurrently with bounded memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from label_studio_ml.errors import PredictError
from label_studio_ml.serving.offline_model import Outcome
from label_studio_ml.support.texts import plural

T = TypeVar("T")

Task = Mapping[str, Any]
#: A task and its outcome.
Predicted = tuple[Task, Outcome]

#: Maximum number of tasks in one write, and the seconds after which fewer are written.
WRITE_AT_ONCE = 500
WRITE_AFTER = 2.0
#: Maximum number of different causes of failures in a report, and of task ids for each.
MAX_CAUSES = 20
MAX_FAILED_TASKS = 5
#: Number of failed tasks after which a run ends if no task has a prediction.
FAILURE_LIMIT = 200


class PredictionSource(Protocol):
    """A model that predicts tasks."""

    @property
    def version(self) -> str:
        """The name of the model's version."""

    @property
    def batch(self) -> int:
        """The number of tasks that the next call should have."""

    @property
    def at_once(self) -> int:
        """The number of concurrent calls that keep the model busy."""

    async def ask(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Return one outcome for each task."""


class Writer(Protocol):
    """Destination of predictions. Blocking: it is called in a thread, one call at a time."""

    def write(self, predicted: Sequence[Predicted]) -> int:
        """Keep predictions, in the order in which the tasks were read; return for how many tasks."""


@dataclass
class Progress:
    """Progress of a run in tasks. `busy` is the time in seconds during which the model had tasks.

    `causes` has the number of failed tasks by cause, `failed_tasks` the ids of the first of them. `clock` returns the
    time in seconds.
    """

    total: int | None = None
    predicted: int = 0
    written: int = 0
    failed: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    failed_tasks: dict[str, list[str]] = field(default_factory=dict)
    busy: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _running_calls: int = 0
    _busy_since: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.clock()

    @contextmanager
    def measuring_call(self) -> Iterator[None]:
        """Measure the duration of a model call; time that overlaps with other calls counts once."""
        if not self._running_calls:
            self._busy_since = self.clock()
        self._running_calls += 1
        try:
            yield
        finally:
            self._running_calls -= 1
            if not self._running_calls:
                self.busy += self.clock() - self._busy_since

    def fail(self, cause: str, task_id: Any = None) -> None:
        """Count a task that gets no prediction."""
        self.failed += 1
        if cause in self.causes or len(self.causes) < MAX_CAUSES:
            self.causes[cause] = self.causes.get(cause, 0) + 1
            ids = self.failed_tasks.setdefault(cause, [])
            if task_id is not None and len(ids) < MAX_FAILED_TASKS:
                ids.append(str(task_id))

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self._began

    @property
    def rate(self) -> float:
        """Tasks written or failed per second so far."""
        return (self.written + self.failed) / max(self.seconds, 1e-9)


async def run(
    source: Iterator[Task],
    prediction_source: PredictionSource,
    writer: Writer,
    progress: Progress,
    *,
    at_once: int = WRITE_AT_ONCE,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Predict every task of `source` and write the outcomes.

    Once `until` returns True, no further task is requested; outcomes of requests in flight are written. `source` blocks
    and is read in a thread. Memory holds a few batches that were read, and twice the predictions of one write, so that
    the model keeps running while a slow writer works. Raises PredictError if none of the first `FAILURE_LIMIT` tasks
    has a prediction, and the first error of `source`, `prediction_source` or `writer`, after cancelling the others.
    """
    batches: asyncio.Queue[asyncio.Future[list[Predicted]] | None] = asyncio.Queue(
        prediction_source.at_once + 2
    )
    ready: asyncio.Queue[list[Predicted] | None] = asyncio.Queue(2 * at_once // prediction_source.batch + 1)
    slots = asyncio.Semaphore(prediction_source.at_once)

    async def predict(tasks: list[Task]) -> list[Predicted]:
        async with slots:
            if until():
                return []
            with progress.measuring_call():
                outcomes = await prediction_source.ask(tasks)
        progress.predicted += len(tasks)
        return list(zip(tasks, outcomes, strict=True))

    async def read(group: asyncio.TaskGroup) -> None:
        async for tasks in _batches(source, prediction_source, until):
            await batches.put(group.create_task(predict(tasks)))
        await batches.put(None)

    async def collect() -> None:
        while (batch := await batches.get()) is not None:
            await ready.put(await batch)
        await ready.put(None)

    async def write() -> None:
        async for predicted in _chunks(ready, at_once):
            failed = [(outcome.error, task.get("id")) for task, outcome in predicted if outcome.error]
            for cause, task_id in failed:
                progress.fail(cause, task_id)
            if progress.failed >= FAILURE_LIMIT and not progress.written and len(failed) == len(predicted):
                raise PredictError(
                    f"None of the first {plural(progress.failed, 'task')} has a prediction: {failed[0][0]}"
                )
            progress.written += await asyncio.to_thread(writer.write, predicted)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(read(group))
            group.create_task(collect())
            group.create_task(write())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _batches(
    source: Iterator[Task], prediction_source: PredictionSource, until: Callable[[], bool]
) -> AsyncIterator[list[Task]]:
    """Yield the tasks in batches of the model's current batch size."""

    def next_batch() -> list[Task]:
        batch: list[Task] = []
        for task in source:
            batch.append(task)
            if len(batch) >= prediction_source.batch:
                break
        return batch

    while not until() and (tasks := await asyncio.to_thread(next_batch)):
        yield tasks


async def _chunks(ready: "asyncio.Queue[list[T] | None]", size: int) -> AsyncIterator[list[T]]:
    """Yield the items of a queue in lists of `size`, or of fewer after `WRITE_AFTER` seconds."""
    pending: list[T] = []
    since = 0.0
    ended = False
    while not ended or pending:
        if not ended and len(pending) < size:
            timeout = None if not pending else max(0.0, since + WRITE_AFTER - time.monotonic())
            part: list[T] | None = []
            with suppress(TimeoutError):
                part = await asyncio.wait_for(ready.get(), timeout)
                since = since if pending else time.monotonic()
                ended = part is None
                pending += part or []
                if time.monotonic() < since + WRITE_AFTER and not ended:
                    continue
        if pending:
            yield pending[:size]
            pending = pending[size:]
            since = time.monotonic()
