"""The calls of user code that run in a child process, and how long they have run."""

import time
from collections.abc import Callable

from label_studio_ml.support.texts import plural
from label_studio_ml.test_kit.child_plan import Call, Event

#: The most tasks of a batch that are named.
_MOST_TASKS = 12


class RunningCalls:
    """The calls that have begun and not ended. `clock` returns the time in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: dict[int, tuple[float, Call]] = {}
        self._last_event = clock()

    def take(self, event: Event) -> None:
        """Take over what an event of the child says of calls."""
        self._last_event = self._clock()
        if event.call is not None:
            self._calls.pop(event.call.number, None)
            self._calls[event.call.number] = (self._last_event, event.call)
        self._calls.pop(event.returned, None)

    def longest(self) -> tuple[Call | None, float]:
        """Return the call that has run longest, and its seconds; None and those since the last event between calls."""
        began, call = min(self._calls.values(), default=(self._last_event, None), key=lambda entry: entry[0])
        return call, self._clock() - began


def within(call: Call | None, preposition: str = "in") -> str:
    """Return a call as words that follow a verb, with the tasks that it is for; empty for None."""
    return "" if call is None else f" {preposition} {_words(call)}"


def _words(call: Call) -> str:
    if not call.tasks:
        return call.kind.value
    if len(call.tasks) == 1:
        return f"{call.kind.value} for task {call.tasks[0]}"
    named = ", ".join(call.tasks[:_MOST_TASKS]) + (", …" if len(call.tasks) > _MOST_TASKS else "")
    return f"{call.kind.value} for a batch of {plural(len(call.tasks), 'task')} ({named})"
