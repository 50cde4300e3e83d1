"""What user code started and whose guard was killed: it is found and ended. Linux only.

A guard (`process_guard`) ends all that its process started, in sessions of their own too. Two things are left for a
guard that is killed itself:

- Whoever starts a guarded process puts a mark into its environment, which everything below inherits: process id and
  start of the starter, and a number. When the guard has ended, the starter ends what still has the mark; what a starter
  left that was killed with its guard is ended by the next worker or server that starts (`end_left_behind`).
- A worker takes over orphans (`adopt_orphans`): it also finds those that have another environment.

Elsewhere, a process in a session of its own whose guard was killed goes on; those in the session of the run do not.
"""

import contextlib
import logging
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from label_studio_ml.processes import Process, become_subreaper, everything, find, is_running
from label_studio_ml.texts import whole_number

logger = logging.getLogger(__name__)

_MARK = "LABEL_STUDIO_ML_STARTED_BY"
#: Seconds that processes have to disappear after SIGKILL.
_DISAPPEARING = 5.0

#: The children that this process has started, while it takes over orphans: all others were adopted.
_started: set[int] = set()
_starting = threading.Lock()
_adopting = False


class Guarded:
    """A process with a guard, started with the arguments of `subprocess.Popen`; `ended` is to be called when it has.

    `env` gets the mark. Raises OSError if it cannot be started.
    """

    def __init__(self, command: list[str], *, env: Mapping[str, str], **options: Any) -> None:
        self._number = secrets.token_hex(16)
        me = find(os.getpid())
        mark = f"{os.getpid()}:{me.started if me is not None else 0}:{self._number}"
        marks = f"{env.get(_MARK, '')} {mark}".strip()
        with _starting:
            self.popen: subprocess.Popen[bytes] = subprocess.Popen(
                command, env={**env, _MARK: marks}, **options
            )
            _started.add(self.popen.pid)

    def ended(self) -> None:
        """End what the guard, which has ended, was kept from ending. May take a moment; nothing is raised."""
        if self.popen.returncode:  # as its process ended, or because something ended the guard itself
            _end(lambda: [process for process in everything() if self._is_marked(process)])
        with _starting:
            _started.discard(self.popen.pid)
            if _adopting:
                _end(_adopted)

    def _is_marked(self, process: Process) -> bool:
        return any(number == self._number for *_, number in _marks(process))


def adopt_orphans() -> None:
    """Have this process become the parent of all descendants that lose theirs. Call it where no user code runs."""
    global _adopting
    _adopting = become_subreaper()


def end_left_behind() -> None:
    """End what was started by user code of a backend that was killed together with the guard of that code."""
    _end(lambda: [process for process in everything() if _is_left_behind(process)])


def _is_left_behind(process: Process) -> bool:
    marks = _marks(process)
    return any(not is_running(pid, started) for pid, started, _ in marks) and process.in_our_namespace()


def _marks(process: Process) -> list[tuple[int, int, str]]:
    """Return process id and start of those who started guarded processes of which this is one, each with its number."""
    if process.zombie or process.pid == os.getpid():
        return []
    for pair in process.environment():
        name, _, value = pair.partition("=")
        if name == _MARK:
            parts = [mark.split(":") for mark in value.split()]
            return [mark for part in parts if (mark := _mark(part)) is not None]
    return []


def _mark(parts: list[str]) -> tuple[int, int, str] | None:
    if len(parts) != 3:
        return None
    pid, started = whole_number(parts[0]), whole_number(parts[1])
    return None if pid is None or started is None else (pid, started, parts[2])


def _adopted() -> list[Process]:
    """Return the children that this process has not started. Those that it runs and waits for are in its session."""
    me, session = os.getpid(), os.getsid(0)
    return [
        process
        for process in everything()
        if process.parent == me and process.session != session and process.pid not in _started
    ]


def _end(look: Callable[[], Iterable[Process]]) -> None:
    """Kill what `look` finds until it finds nothing any more."""
    deadline = time.monotonic() + _DISAPPEARING
    while left := list(look()):
        for process in left:
            if not process.zombie:
                logger.warning(
                    "Process %d was started by user code whose guard is gone: it is ended", process.pid
                )
            process.send(signal.SIGKILL)
            with contextlib.suppress(OSError):  # of our children, take notice
                os.waitpid(process.pid, os.WNOHANG)
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
