"""Calls of `predict` in several threads that overlap for certain, whatever their length."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from label_studio_ml.test_kit.child.predict_calls import Answer, Json, ask
from label_studio_ml.test_kit.child.tested_class import TestedClass

#: Rounds in which each thread calls once, and seconds after which no further round begins.
_ROUNDS = 12
_MOST_SECONDS = 10.0
#: Lines of the user's code in each call after which another thread runs, until there were this many.
_MOST_LINES = 2_000
#: Seconds that a thread waits for the others to begin.
_WAIT = 30.0
#: Seconds between two switches of threads within Python's own code.
_SWITCH_INTERVAL = 1e-5


def overlapping_calls(
    tested: TestedClass, tasks: Sequence[Json], at_once: int
) -> Iterator[tuple[int, Answer]]:
    """Yield the number of a task and the answer for it, of calls with one task each, `at_once` of them at a time.

    The calls of a round begin together, with different tasks. In every other round, a thread gives way to another one
    at each line of the user's code; in the rest, Python switches threads as often as it can.
    """
    interval = sys.getswitchinterval()
    began = time.monotonic()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        with ThreadPoolExecutor(at_once, "predict") as threads:
            for round_number in range(_ROUNDS):
                if round_number > 1 and time.monotonic() - began > _MOST_SECONDS:
                    return
                together = _Together(tested, at_once, gives_way=round_number % 2 == 0)
                numbers = [(round_number + call) % len(tasks) for call in range(at_once)]
                answers = threads.map(together.ask, [tasks[number] for number in numbers])
                yield from zip(numbers, list(answers), strict=True)
    finally:
        sys.setswitchinterval(interval)


class _Together:
    """One round of calls, which wait for each other before they begin."""

    def __init__(self, tested: TestedClass, at_once: int, *, gives_way: bool) -> None:
        self._tested = tested
        self._gives_way = gives_way
        self._barrier = threading.Barrier(at_once, timeout=_WAIT)

    def ask(self, task: Json) -> Answer:
        """Call `predict` for one task, once all threads of the round are there."""
        tested = self._tested
        self._barrier.wait()
        if self._gives_way:
            sys.settrace(_GivingWay(tested).called)
        try:
            return ask(tested.model, [task], tested.effects)
        finally:
            sys.settrace(None)


class _GivingWay:
    """Lets other threads run at each line of the user's code, in the thread that it traces."""

    def __init__(self, tested: TestedClass) -> None:
        self._code = tested.code
        self._lines = 0
        self._owned: dict[str, bool] = {}

    def called(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Trace a frame of the user's code, and no other."""
        file = frame.f_code.co_filename
        if file not in self._owned:
            self._owned[file] = self._code.owns(file)
        return self._stepped if self._owned[file] and self._lines < _MOST_LINES else None

    def _stepped(self, frame: FrameType, event: str, argument: Any) -> Any:
        if self._lines < _MOST_LINES:
            self._lines += 1
            time.sleep(0.0002 if self._lines < _MOST_LINES // 10 else 0)
        return self._stepped
