"""Calls of `predict` in several threads that overlap for certain, whatever their length."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from label_studio_ml.test_kit.child.predict_calls import Answer, Json, ask
from label_studio_ml.test_kit.child.tested_class import TestedClass

#: Rounds in which each thread calls once, and seconds after which no further round begins.
_ROUNDS = 12
_MOST_SECONDS = 10.0
#: Lines of the user's code in each call after which another thread runs.
_MOST_LINES = 2_000
#: Seconds for the line of another thread, and how often it may take longer, since it waits for a lock.
_LINE, _MOST_LATE = 1.0, 2
#: Seconds that a thread waits for the others to begin.
_WAIT = 30.0
#: Seconds between two switches of threads within Python's own code.
_SWITCH_INTERVAL = 1e-5
#: Python raises RuntimeError if a thread sets its trace function while another thread sets its own.
_TRACE_LOCK = threading.Lock()


def overlapping_calls(
    tested: TestedClass, tasks: Sequence[Json], at_once: int
) -> Iterator[tuple[int, Answer]]:
    """Yield the number of a task and the answer for it, of calls with one task each, `at_once` of them at a time.

    The calls of a round begin together, with different tasks. In every other round, the threads take turns after each
    line of the user's code; in the rest, Python switches threads as often as it can.
    """
    interval = sys.getswitchinterval()
    began = time.monotonic()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        with ThreadPoolExecutor(at_once, "predict") as threads:
            for round_number in range(_ROUNDS):
                if round_number > 1 and time.monotonic() - began > _MOST_SECONDS:
                    return
                together = _Together(tested, at_once, takes_turns=round_number % 2 == 0)
                numbers = [(round_number + call) % len(tasks) for call in range(at_once)]
                answers = threads.map(together.ask, range(at_once), [tasks[number] for number in numbers])
                yield from zip(numbers, list(answers), strict=True)
    finally:
        sys.setswitchinterval(interval)


class _Together:
    """One round of calls, which wait for each other before they begin."""

    def __init__(self, tested: TestedClass, at_once: int, *, takes_turns: bool) -> None:
        self._tested = tested
        self._turns = _Turns(at_once) if takes_turns else None
        self._barrier = threading.Barrier(at_once, timeout=_WAIT)

    def ask(self, place: int, task: Json) -> Answer:
        """Call `predict` for one task, once all threads of the round are there; `place` is the thread's number."""
        tested, turns = self._tested, self._turns
        self._barrier.wait()
        if turns is not None:
            _trace(_LineTrace(tested, lambda: turns.pass_on(place)).called)
        try:
            return ask(tested.model, [task], tested.effects)
        finally:
            if turns is not None:
                _trace(None)
                turns.leave(place)


def _trace(function: Callable[[FrameType, str, Any], Any] | None) -> None:
    """Set the trace function of this thread; None ends its tracing."""
    with _TRACE_LOCK:
        sys.settrace(function)


class _Turns:
    """Whose turn it is among `count` threads, which are numbered from 0."""

    def __init__(self, count: int) -> None:
        self._condition = threading.Condition()
        self._members = list(range(count))
        self._turn = self._late = 0

    def pass_on(self, place: int) -> None:
        """Let each of the other threads run a line, then return; soon, if they wait for what this thread has."""
        with self._condition:
            if place not in self._members:
                return
            self._next(place)
            if not self._condition.wait_for(lambda: self._turn == place or not self._members, _LINE):
                self._turn = place
                self._late += 1
                if self._late >= _MOST_LATE:
                    self._members.clear()
                    self._condition.notify_all()

    def leave(self, place: int) -> None:
        """End the part of a thread."""
        with self._condition:
            if place in self._members:
                self._next(place)
                self._members.remove(place)

    def _next(self, place: int) -> None:
        if self._turn == place:
            at = self._members.index(place) + 1
            self._turn = self._members[at % len(self._members)]
            self._condition.notify_all()


class _LineTrace:
    """Calls `after_line` at each line of the user's code in the thread that it traces."""

    def __init__(self, tested: TestedClass, after_line: Callable[[], None]) -> None:
        self._code, self._after_line = tested.code, after_line
        self._lines = 0
        self._owned: dict[str, bool] = {}

    def called(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Trace a frame of the user's code, and no other."""
        file = frame.f_code.co_filename
        if file not in self._owned:
            self._owned[file] = self._code.owns(file)
        return self._stepped if self._owned[file] and self._lines < _MOST_LINES else None

    def _stepped(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and self._lines < _MOST_LINES:
            self._lines += 1
            self._after_line()
        return self._stepped
