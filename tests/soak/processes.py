"""Many inputs, made and checked by several processes: one interpreter is slower than the server that it asks."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

#: Inputs of one seed: as many are made by one call.
SHARE = 2_000
#: As many wrong answers are shown at most.
MOST_WRONGS = 20


@dataclass(slots=True)
class Found:
    """How many answers had which status, how many inputs there were (`inputs`), and what was wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Add what another process found."""
        self.counts += other.counts
        self.wrongs += other.wrongs[: MOST_WRONGS - len(self.wrongs)]

    def statuses(self) -> str:
        """Return how many answers had which status, as text."""
        return ", ".join(f"{self.counts[name]} x {name}" for name in sorted(self.counts) if name.isdigit())


def spread(work: Callable[[int, int], Found], count: int, seed: int) -> Found:
    """Call `work` with a seed and a number of inputs, in several processes, until there were `count` inputs.

    The seeds are those from `seed` on. `work` is a function of a module, or a partial of one.
    """
    shares = [min(SHARE, count - start) for start in range(0, count, SHARE)]
    total = Found()
    if len(shares) == 1:
        return work(seed, count)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(len(shares), os.cpu_count() or 1), context) as processes:
        for number, found in enumerate(processes.map(work, range(seed, seed + len(shares)), shares)):
            total.add(found)
            if number % 10 == 0:
                print(
                    f"{total.counts['inputs']} inputs, {len(total.wrongs)} wrong: {total.statuses()}",
                    flush=True,
                )
    return total
