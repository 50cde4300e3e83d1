"""The time of a process without waits for processors that other programs have: limits hold on a busy machine, too."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Fields of a processor's line in /proc/stat with its work: user, nice, system, irq, softirq, steal.
_WORK = (1, 2, 3, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class _Sample:
    """What the kernel counts for a process, in seconds.

    `ran` and `waited`: how long each thread ran, and waited for a processor, by thread id. `worked`: how long each of
    the `processors` on which the process may run was at work for any program, on average.
    """

    ran: dict[int, float]
    waited: dict[int, float]
    worked: float
    processors: int

    def lost_until(self, later: "_Sample") -> float:
        """Return the seconds until a later sample in which other programs kept the process from running.

        That is the longest wait of one thread, but no more than what others took of each processor: threads that wait
        for other threads of the same process lose nothing.
        """
        known = later.waited.keys() & self.waited.keys()
        waited = max((later.waited[thread] - self.waited[thread] for thread in known), default=0.0)
        own = sum(later.ran[thread] - self.ran[thread] for thread in known) / later.processors
        return max(0.0, min(waited, later.worked - self.worked - own))


class OwnTime:
    """A clock without the seconds in which other programs kept a process from running.

    On other systems than Linux, all seconds count. Read it several times a second: each reading compares the kernel's
    counters with those of the one before.
    `processes` is the folder of processes, `clock` returns the time in seconds. Processes that the process starts are
    no part of it.
    """

    def __init__(
        self, pid: int, processes: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pid, self._processes, self._clock = pid, processes, clock
        self._lost = 0.0
        self._time = clock()
        self._sample = self._measure()

    def __call__(self) -> float:
        """Return the time in seconds; only differences mean something."""
        now, sample = self._clock(), self._measure()
        if self._sample is not None and sample is not None:
            self._lost += min(self._sample.lost_until(sample), now - self._time)
        self._time, self._sample = now, sample
        return now - self._lost

    def _measure(self) -> _Sample | None:
        """Return what the kernel counts for the process now; None if it has ended, or the kernel does not count it."""
        if sys.platform != "linux":
            return None
        ran, waited = {}, {}
        try:
            for task in (self._processes / str(self._pid) / "task").iterdir():
                with contextlib.suppress(OSError):  # the thread has ended
                    words = (task / "schedstat").read_text(encoding="ascii").split()
                    ran[int(task.name)], waited[int(task.name)] = int(words[0]) / 1e9, int(words[1]) / 1e9
            processors = {f"cpu{number}" for number in os.sched_getaffinity(self._pid)}
            lines = (self._processes / "stat").read_text(encoding="ascii").splitlines()
            work = [line.split() for line in lines if line.partition(" ")[0] in processors]
            ticks = sum(int(words[field]) for words in work for field in _WORK)
        except (OSError, ValueError, IndexError):
            return None
        count = max(1, len(work))
        return _Sample(ran, waited, ticks / os.sysconf("SC_CLK_TCK") / count, count)
