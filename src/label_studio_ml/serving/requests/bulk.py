"""Answer a large request in parts. At the deadline, send the available results, and cache late ones.

Label Studio sends a whole selection of tasks in one request, and discards the response if it takes over 100 s. It
asks again for tasks without a result, which then get the results that were kept.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Any

import msgspec

from label_studio_ml.errors import Overloaded
from label_studio_ml.model_calls.predictor import Answer
from label_studio_ml.protocol.prediction_json import NOT_IN_TIME, NOTHING, encode_failure
from label_studio_ml.support.texts import plural

logger = logging.getLogger(__name__)

#: Bytes of kept results, and the bytes that each counts in addition to its own size.
MAX_KEPT_BYTES = 64 << 20
OVERHEAD = 400

#: Seconds until a part is submitted again that the queue refused.
PAUSE = 0.05

_entries = msgspec.json.Decoder(list[msgspec.Raw])


class LateResults:
    """Cache of results that were not sent, by model, params and task; the oldest are evicted first."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._results: OrderedDict[Hashable, bytes] = OrderedDict()

    def put(self, key: Hashable, params: bytes, task: bytes, entry: bytes) -> None:
        """Keep the entry of one task."""
        self.take(key, params, task)
        self._results[_name(key, params, task)] = entry
        self._bytes += len(entry) + OVERHEAD
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._results.popitem(last=False)[1]) + OVERHEAD

    def take(self, key: Hashable, params: bytes, task: bytes) -> bytes | None:
        """Remove and return the entry of one task; None if there is none."""
        if not self._results:
            return None
        entry = self._results.pop(_name(key, params, task), None)
        if entry is not None:
            self._bytes -= len(entry) + OVERHEAD
        return entry

    def __len__(self) -> int:
        """Return the number of kept results."""
        return len(self._results)


def _name(key: Hashable, params: bytes, task: bytes) -> Hashable:
    name = hashlib.blake2b(len(params).to_bytes(8, "big"), digest_size=16)
    name.update(params)
    name.update(task)
    return key, name.digest()


class Bulk:
    """One large request. `ask(tasks)` answers one part; `key` identifies the model that does."""

    def __init__(
        self,
        tasks: list[bytes],
        params: bytes,
        *,
        key: Hashable,
        version: str,
        kept: LateResults,
        ask: Callable[[list[bytes]], Awaitable[Answer]],
    ) -> None:
        self._tasks = tasks
        self._params = params
        self._key = key
        self._version = version
        self._nothing = encode_failure(NOTHING, version)
        self._kept = kept
        self._ask = ask
        self._entries: list[bytes | None] = [kept.take(key, params, task) for task in tasks]
        self._failures: list[str] = []
        self._refused: Overloaded | None = None
        self._invalid: Answer | None = None
        self._any_submitted = False
        self._closed = False
        #: The tasks without a result when the response had to be sent, and the error that they got.
        self.late_tasks: list[bytes] = []
        self.late_cause = ""

    async def run(self, *, part: int, at_once: int, patience: float) -> Answer:
        """Answer in parts of `part` tasks, at most `at_once` concurrently, within `patience` seconds.

        A task without a result by then gets an entry with an error. If the call is cancelled, because the caller has
        left, all computed results are kept. Raises Overloaded when the queue is full and has taken no part yet.
        """
        parts = self._parts(part)
        workers = [asyncio.create_task(self._work(parts)) for _ in range(at_once)]
        try:
            await asyncio.wait(workers, timeout=patience)
        except asyncio.CancelledError:
            self._keep_all()
            raise
        finally:
            self._closed = True  # parts in flight are finished and kept; no further part is started
        if any(worker.cancelled() for worker in workers if worker.done()):
            self._keep_all()
            raise asyncio.CancelledError
        if self._refused is not None or self._invalid is not None:
            self._keep_all()
        if self._refused is not None:
            raise self._refused
        return self._invalid or self._combined_answer()

    def _parts(self, size: int) -> Iterator[list[int]]:
        """Yield the positions of tasks without an entry, `size` at a time."""
        missing = [position for position, entry in enumerate(self._entries) if entry is None]
        for start in range(0, len(missing), size):
            yield missing[start : start + size]

    async def _work(self, parts: Iterator[list[int]]) -> None:
        for positions in parts:
            if self._closed:
                return
            answer = await self._part([self._tasks[position] for position in positions])
            if answer is None:
                return
            if answer.error:
                self._failures.append(answer.error)
                entries = [encode_failure(answer.error, self._version)] * len(positions)
            else:
                entries = [bytes(entry) for entry in _entries.decode(answer.results)]
                entries = entries or [self._nothing] * len(positions)
            for position, entry in zip(positions, entries, strict=True):
                if self._closed and not answer.error:
                    self._kept.put(self._key, self._params, self._tasks[position], entry)
                elif not self._closed:
                    self._entries[position] = entry

    async def _part(self, tasks: list[bytes]) -> Answer | None:
        """Return the answer to one part, or None if the request has ended meanwhile."""
        while not self._closed:
            is_first, self._any_submitted = not self._any_submitted, True
            try:
                answer = await self._ask(tasks)
            except Overloaded as error:
                if is_first:
                    self._refused, self._closed = error, True
                    return None
                await asyncio.sleep(PAUSE)
                continue
            except Exception as error:  # noqa: BLE001 (the other parts continue)
                answer = Answer(error=str(error) or type(error).__name__)
            if answer.invalid:
                self._invalid, self._closed = answer, True
                return None
            return answer
        return None

    def _keep_all(self) -> None:
        for task, entry in zip(self._tasks, self._entries, strict=True):
            if entry is not None and not _failed(entry):
                self._kept.put(self._key, self._params, task, entry)

    def _combined_answer(self) -> Answer:
        missing = sum(entry is None for entry in self._entries)
        if missing:
            computed = len(self._tasks) - missing
            cause = f"{NOT_IN_TIME}: {computed} of {plural(len(self._tasks), 'task')}; ask again for the rest"
            logger.warning("A request of %s: %s", plural(len(self._tasks), "task"), cause)
            self.late_cause = cause
            self.late_tasks = [
                task for task, entry in zip(self._tasks, self._entries, strict=True) if entry is None
            ]
            missing_entry: Any = encode_failure(cause, self._version)
            self._entries = [missing_entry if entry is None else entry for entry in self._entries]
        elif all(entry == self._nothing for entry in self._entries):
            return Answer(results=b"[]")
        elif self._failures and all(_failed(entry) for entry in self._entries):
            return Answer(error=self._failures[0])
        return Answer(results=b"[" + b",".join(entry for entry in self._entries if entry is not None) + b"]")


def _failed(entry: bytes | None) -> bool:
    return entry is not None and entry.startswith(b'{"error":')
