"""One deadline for many requests, for next to nothing each.

All have the same number of seconds, so they are overdue in the order in which they came: one timer is enough for all,
where `asyncio.timeout` makes one for each.
"""

import asyncio
from types import TracebackType


class _Stay:
    """One task's stay. Raises TimeoutError where it is left because the time was up."""

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
        """Cancel the task: its time is up."""
        self.over = True
        self._task.cancel()


class Deadlines:
    """`with deadlines.stay():` cancels what takes longer than `seconds`, and raises TimeoutError there."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._stays: dict[_Stay, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def stay(self) -> _Stay:
        """Return what the current task enters."""
        return _Stay(self)

    def _enter(self, stay: _Stay) -> float:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.seconds
        self._stays[stay] = None
        if self._timer is None:
            self._timer = loop.call_at(due, self._look)
        return due

    def _look(self) -> None:
        """End what is overdue, and come back for the next one."""
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
