"""How the processor time of a call grows with the size of its input, which does not depend on the machine's speed."""

import time
from collections.abc import Callable


def time_growth(prepare: Callable[[int], Callable[[], object]], small: int, large: int) -> float:
    """Return the processor time of a call with a large input, divided by that of the same call with a small one.

    `prepare` takes a size and returns the call, whose preparation is not timed. Each time is the shortest of five:
    other processes on the machine make single calls slower, not faster.
    """
    return _seconds(prepare(large)) / _seconds(prepare(small))


def _seconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return max(min(times), 1e-9)
