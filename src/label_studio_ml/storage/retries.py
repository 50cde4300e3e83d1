"""Retries with pauses that grow: the length of the next pause, and a loop that repeats a call."""

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")
Error = TypeVar("Error", bound=Exception)

#: Doublings after which a pause does not grow any more, so that the numbers stay small.
_MAX_DOUBLINGS = 30


def pause_after(failures: int, *, first: float, longest: float) -> float:
    """Return the pause in seconds after `failures` failures in a row.

    It is `first` after one failure, doubles with each further one, and is `longest` at most.
    """
    return min(longest, first * 2.0 ** min(max(failures - 1, 0), _MAX_DOUBLINGS))


def retry(
    call: Callable[[], Result],
    *,
    on: type[Error] | tuple[type[Error], ...],
    seconds: float = math.inf,
    tries: float = math.inf,
    first: float,
    longest: float | None = None,
    is_passing: Callable[[Error], bool] = lambda _: True,
    least: Callable[[Error], float] = lambda _: 0.0,
    before: Callable[[], None] = lambda: None,
    failed: Callable[[Error], None] = lambda _: None,
    sleep: Callable[[float], Any] = time.sleep,
) -> Result:
    """Call `call` until it raises no error of a type in `on`, at most `tries` times, and return its result.

    Between tries, `sleep` is called with a pause, which grows from `first` to `longest` (None: as long as `first`);
    within `longest`, it is at least what `least` returns for the error. `before` is called before each try and ends the
    tries by raising; `failed` is called with each error that is followed by another try. Raises the last error where
    `is_passing` says that it will come again, or the next try would begin later than `seconds` after the first one.
    """
    longest = first if longest is None else longest
    deadline, failures = time.monotonic() + seconds, 0
    while True:
        before()
        try:
            return call()
        except on as error:
            failures += 1
            pause = min(longest, max(pause_after(failures, first=first, longest=longest), least(error)))
            if failures >= tries or not is_passing(error) or time.monotonic() + pause > deadline:
                raise
            failed(error)
        sleep(pause)
