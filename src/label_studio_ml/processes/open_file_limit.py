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
MAX_FILES = 65_536
MAX_CONNECTIONS = 16_384
MAX_BACKLOG = 2048

#: Descriptors reserved for other uses than connections: this many or an eighth of the limit, at most half of it.
MIN_RESERVE = 128


@dataclass(slots=True)
class _Limit:
    """The soft limit with which this process was started; None if it was not changed."""

    original: int | None = None


_limit = _Limit()


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most connections of a server, and the most waiting to be accepted."""

    connections: int
    backlog: int


def raise_limit() -> None:
    """Raise this process's soft limit of open files, up to `MAX_FILES`, and remember the former one."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft == resource.RLIM_INFINITY or soft >= target:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (ValueError, OSError):  # macOS refuses values above a limit of its own
        return
    if _limit.original is None:
        _limit.original = soft


def options() -> tuple[str, ...]:
    """Return the `bootstrap.py` options that give a new process the soft limit this one was started with."""
    return () if _limit.original is None else (f"--files={_limit.original}",)


def capacity() -> Capacity:
    """Return the connections that the limit of open files allows."""
    if sys.platform == "win32":
        return Capacity(MAX_CONNECTIONS, MAX_BACKLOG)
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _capacity(MAX_FILES if soft == resource.RLIM_INFINITY else soft)


def readable(numbers: Iterable[int], seconds: float | None) -> list[int]:
    """Wait until a descriptor is readable, at most `seconds` (None: forever), and return the readable ones."""
    with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:  # select() ends at 1,024
        for number in numbers:
            selector.register(number, selectors.EVENT_READ)
        return [key.fd for key, _ in selector.select(seconds)]


def to_low_number(number: int) -> int:
    """Duplicate an inherited descriptor to a low number, close the original, and return the new one."""
    import fcntl  # not available on Windows

    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(number)


def number_above_all() -> int:
    """Return a number above all descriptors of this process; inherited ones may exceed the process's own limit."""
    return max(os.sysconf("SC_OPEN_MAX"), MAX_FILES)


def _capacity(files: int) -> Capacity:
    reserve = min(max(MIN_RESERVE, files // 8), files // 2)
    return Capacity(min(MAX_CONNECTIONS, files - reserve), min(MAX_BACKLOG, max(16, reserve // 2)))
