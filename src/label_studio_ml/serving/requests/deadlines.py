"""One timer for the deadlines of many requests.

All requests have the same timeout, so they expire in the order in which they arrive, and one timer is enough;
`asyncio.timeout` would create one for each.
"""

import asyncio
from types import TracebackType


class _Block:
    """Context manager for one task. Raises TimeoutError when the task was cancelled by the deadline."""

    __slots__ = ("_cancellations_before", "_deadlines", "_task", "due", "expired")

    def __init__(self, deadlines: "Deadlines") -> None:
        self._deadlines = deadlines
        self.expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A deadline needs a task")
        self._task = task
        self._cancellations_before = task.cancelling()
        self.due = self._deadlines._enter(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines._blocks.pop(self, None)
        if (
            self.expired
            and self._task.uncancel() <= self._cancellations_before
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def end(self) -> None:
        """Cancel the task, because its deadline has passed."""
        self.expired = True
        self._task.cancel()


class Deadlines:
    """`with deadlines.limit():` cancels a block that takes more than `seconds`, and raises TimeoutError from it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._blocks: dict[_Block, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(self) -> _Block:
        """Return a context manager for the current task."""
        return _Block(self)

    def _enter(self, block: _Block) -> float:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.seconds
        self._blocks[block] = None
        if self._timer is None:
            self._timer = loop.call_at(due, self._cancel_overdue)
        return due

    def _cancel_overdue(self) -> None:
        """Cancel the tasks that are overdue, and set the timer for the next one."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._blocks:
            first = next(iter(self._blocks))
            if first.due > now:
                self._timer = loop.call_at(first.due, self._cancel_overdue)
                return
            del self._blocks[first]
            first.end()
