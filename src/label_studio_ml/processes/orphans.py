"""Find and kill processes that user code started and whose guard was killed. Linux only.

A guard (see `guard`) kills all processes that its run started, also those in other sessions. Two mechanisms cover
guards that are killed themselves:

- The starter of a guarded process puts a mark into its environment, which all descendants inherit: process id and start
  time of the starter, and a random number. When the guard has ended, the starter kills the processes with the mark. If
  the starter was killed as well, the next worker or server that starts kills them (`kill_orphans`).
- A worker adopts orphaned descendants (`adopt_orphans`), and so also finds those with another environment.

On other systems, processes in a session of their own survive a killed guard; those in the run's session do not.
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

from label_studio_ml.processes.process_table import Process, all_processes, become_subreaper, find, is_running
from label_studio_ml.support.texts import whole_number

logger = logging.getLogger(__name__)

_MARK = "LABEL_STUDIO_ML_STARTED_BY"
#: Seconds to wait for processes to disappear after SIGKILL.
_KILL_TIMEOUT = 5.0

#: Process ids of the guards that this process has started; with `adopt_orphans`, other children may be adopted ones.
_guard_pids: set[int] = set()
_starting = threading.Lock()
_adopting = False


class GuardedProcess:
    """A process with a guard, started with the arguments of `subprocess.Popen`. Call `ended` after its end.

    `popen` is the guard. The mark is added to `env`. Raises OSError if the process cannot be started.
    """

    def __init__(self, command: list[str], *, env: Mapping[str, str], **options: Any) -> None:
        self._number = secrets.token_hex(16)
        starter = find(os.getpid())
        mark = f"{os.getpid()}:{starter.started if starter is not None else 0}:{self._number}"
        marks = f"{env.get(_MARK, '')} {mark}".strip()
        with _starting:
            self.popen: subprocess.Popen[bytes] = subprocess.Popen(
                command, env={**env, _MARK: marks}, **options
            )
            _guard_pids.add(self.popen.pid)

    def ended(self) -> None:
        """Kill the processes that the guard, which has ended, did not kill. May take seconds; raises nothing."""
        if self.popen.returncode:  # the guard was killed, or the run itself failed
            _kill(lambda: [process for process in all_processes() if self._is_marked(process)])
        with _starting:
            _guard_pids.discard(self.popen.pid)
            if _adopting:
                _kill(_adopted)

    def _is_marked(self, process: Process) -> bool:
        return any(number == self._number for *_, number in _marks(process))


def adopt_orphans() -> None:
    """Let this process adopt descendants whose parent ends. Call it only in a process without user code."""
    global _adopting
    _adopting = become_subreaper()


def kill_orphans() -> None:
    """Kill processes started by user code of an earlier backend that was killed together with its guards."""
    _kill(lambda: [process for process in all_processes() if _is_orphan(process)])


def _is_orphan(process: Process) -> bool:
    """Tell whether one of the starters above a process has ended; that starter would have killed the process."""
    marks = _marks(process)
    return any(not is_running(pid, started) for pid, started, _ in marks) and process.in_our_namespace()


def _marks(process: Process) -> list[tuple[int, int, str]]:
    """Return the marks of a process, one per guarded process above it: starter's process id and start time, number."""
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
    """Return the adopted children. Children in this process's session, which it runs and waits for, are excluded."""
    own_pid, session = os.getpid(), os.getsid(0)
    return [
        process
        for process in all_processes()
        if process.parent == own_pid and process.session != session and process.pid not in _guard_pids
    ]


def _kill(find_processes: Callable[[], Iterable[Process]]) -> None:
    """Kill what `find_processes` returns until it returns no process, for at most `_KILL_TIMEOUT` seconds."""
    deadline = time.monotonic() + _KILL_TIMEOUT
    while processes := list(find_processes()):
        for process in processes:
            if not process.zombie:
                logger.warning(
                    "Process %d was started by user code whose guard is gone: it is ended", process.pid
                )
            process.send(signal.SIGKILL)
            with contextlib.suppress(OSError):  # reap it if it is a child of this process
                os.waitpid(process.pid, os.WNOHANG)
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
