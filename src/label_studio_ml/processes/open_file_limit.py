"""The limit of open files: raised for a server's connections, and restored in processes that run user code.

Code that calls `select()` fails on descriptors from 1,024 on. Most systems therefore start processes with a soft limit
of 1,024. Connections get a part of the limit, since files, databases and child processes need descriptors as well.
"""

import os
import selectors
import sys
from collections.abc import Iterable
from dataclasses import dataclass

#: Upper bounds: of open files, of connections, and of connections waiting to be accepted.
MOST_FILES = 65_536
MOST_CONNECTIONS = 16_384
MOST_BACKLOG = 2048

#: Descriptors reserved for other uses than connections: this many or an eighth of the limit, at most half of it.
RESERVE = 128


@dataclass(slots=True)
class _Limit:
    """The soft limit with which this process was started; None if it was not changed."""

    before: int | None = None


_limit = _Limit()


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most connections of a server, and the most waiting to be accepted."""

    connections: int
    backlog: int


def raise_limit() -> None:
    """Raise this process's soft limit of open files, up to `MOST_FILES`, and remember the former one."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ValueError, OSError):  # macOS refuses values above a limit of its own
        return
    if _limit.before is None:
        _limit.before = soft


def options() -> tuple[str, ...]:
    """Return the `bootstrap.py` options that give a new process the soft limit this one was started with."""
    return () if _limit.before is None else (f"--files={_limit.before}",)


def capacity() -> Capacity:
    """Return the connections that the limit of open files allows."""
    if sys.platform == "win32":
        return Capacity(MOST_CONNECTIONS, MOST_BACKLOG)
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _capacity(MOST_FILES if soft == resource.RLIM_INFINITY else soft)


def readable(numbers: Iterable[int], seconds: float | None) -> list[int]:
    """Wait until a descriptor is readable, at most `seconds` (None: forever), and return the readable ones."""
    with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:  # select() ends at 1,024
        for number in numbers:
            selector.register(number, selectors.EVENT_READ)
        return [key.fd for key, _ in selector.select(seconds)]


def low(number: int) -> int:
    """Duplicate an inherited descriptor to a low number, close the original, and return the new one."""
    import fcntl  # not available on Windows

    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(number)


def above_all() -> int:
    """Return a number above all descriptors of this process; inherited ones may exceed the process's own limit."""
    return max(os.sysconf("SC_OPEN_MAX"), MOST_FILES)


def _capacity(files: int) -> Capacity:
    reserve = min(max(RESERVE, files // 8), files // 2)
    return Capacity(min(MOST_CONNECTIONS, files - reserve), min(MOST_BACKLOG, max(16, reserve // 2)))
