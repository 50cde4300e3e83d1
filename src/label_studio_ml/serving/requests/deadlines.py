"""One timer for the deadlines of many requests.

All requests have the same timeout, so they expire in the order in which they arrive, and one timer is enough;
`asyncio.timeout` would create one for each.
"""

import asyncio
from types import TracebackType


class _Stay:
    """Context manager for one task. Raises TimeoutError when the task was cancelled by the deadline."""

    __slots__ = ("_all", "_before", "_task", "due", "over")

    def __init__(self, deadlines: "Deadlines") -> None:
        self._all = deadlines
        self.over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A deadline needs a task")
        self._task = task
        self._before = task.cancelling()
        self.due = self._all._enter(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all._stays.pop(self, None)
        if self.over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        """Cancel the task, because its deadline has passed."""
        self.over = True
        self._task.cancel()


class Deadlines:
    """`with deadlines.stay():` cancels a block that takes more than `seconds`, and raises TimeoutError from it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._stays: dict[_Stay, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def stay(self) -> _Stay:
        """Return a context manager for the current task."""
        return _Stay(self)

    def _enter(self, stay: _Stay) -> float:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.seconds
        self._stays[stay] = None
        if self._timer is None:
            self._timer = loop.call_at(due, self._look)
        return due

    def _look(self) -> None:
        """Cancel the tasks that are overdue, and set the timer for the next one."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._stays:
            first = next(iter(self._stays))
            if first.due > now:
                self._timer = loop.call_at(first.due, self._look)
                return
            del self._stays[first]
            first.end()
