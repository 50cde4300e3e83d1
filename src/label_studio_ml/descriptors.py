"""The limit of open files of a server: raised for its connections, and given back to the processes with user's code.

Code that calls `select()` breaks on descriptors from 1,024 on, so that most systems start a process with that limit and
let it raise its own. Connections get a part of what there is: files, databases and children need some as well.
"""

import os
import selectors
import sys
from collections.abc import Iterable
from dataclasses import dataclass

#: Open files that are enough, connections that are, and those that may wait to be accepted.
MOST_FILES = 65_536
MOST_CONNECTIONS = 16_384
MOST_BACKLOG = 2048

#: Open files that are kept for all else: this many, or an eighth, but at most a half of all.
RESERVE = 128


@dataclass(slots=True)
class _Limit:
    """The soft limit that this process was started with; None where it was not changed."""

    before: int | None = None


_limit = _Limit()


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many connections a server may have, and how many may wait to be accepted."""

    connections: int
    backlog: int


def raise_limit() -> None:
    """Raise this process's soft limit of open files as far as it may, and remember what it was."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ValueError, OSError):  # macOS has a limit of its own
        return
    if _limit.before is None:
        _limit.before = soft


def options() -> tuple[str, ...]:
    """Return the options of `bootstrap.py` that give a process the limit that this one was started with."""
    return () if _limit.before is None else (f"--files={_limit.before}",)


def capacity() -> Capacity:
    """Return what the limit of open files leaves for connections."""
    if sys.platform == "win32":
        return Capacity(MOST_CONNECTIONS, MOST_BACKLOG)
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _capacity(MOST_FILES if soft == resource.RLIM_INFINITY else soft)


def readable(numbers: Iterable[int], seconds: float | None) -> list[int]:
    """Wait until one of the descriptors can be read, and return those that can; None waits as long as it takes."""
    with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:  # select() ends at 1,024
        for number in numbers:
            selector.register(number, selectors.EVENT_READ)
        return [key.fd for key, _ in selector.select(seconds)]


def low(number: int) -> int:
    """Return a low number for a descriptor that was inherited, and close the one that it had."""
    import fcntl  # Windows has none

    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(number)


def above_all() -> int:
    """Return a number above all descriptors of this process: one inherited from a server may be above its own limit."""
    return max(os.sysconf("SC_OPEN_MAX"), MOST_FILES)


def _capacity(files: int) -> Capacity:
    reserve = min(max(RESERVE, files // 8), files // 2)
    return Capacity(min(MOST_CONNECTIONS, files - reserve), min(MOST_BACKLOG, max(16, reserve // 2)))
