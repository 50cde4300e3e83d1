"""The guard of a training run: a process between the worker and the run, which runs no user code.

    worker ── guard ── run (in a session of its own) ── whatever the run starts

It ends the run and what the run started when the worker is gone, or has not said for a while that it still holds the
lease. A thread of the run could not do that: code that holds the interpreter lock stops every thread of its process.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import sys
import time

#: Linux's number of "send me this signal when my parent ends".
_PR_SET_PDEATHSIG = 1


def stand_guard(descriptor: int, patience: float) -> None:
    """Split off the run: return in it, and stay behind as its guard.

    `descriptor` is a socket to the worker, which sends something each time it has renewed the lease; `patience` is for
    how many seconds it may be silent, 0 means forever. The guard tells the worker the run's process id, and ends as
    the run ended.
    """
    wake, woken = socket.socketpair()
    for end in (wake, woken):
        end.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    guard = os.getpid()
    run = os.fork()
    if run == 0:
        os.setsid()
        _die_with_parent(guard)
        os.close(descriptor)
        wake.close()
        woken.close()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        return
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    keep = sorted((descriptor, wake.fileno(), woken.fileno()))
    for low, high in zip([-1, *keep], [*keep, os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)
    with contextlib.suppress(OSError):
        os.write(descriptor, b"%d\n" % run)
    _end_as(_watch(run, descriptor, wake, patience), run)


def _die_with_parent(guard: int) -> None:
    """Ask the kernel to end this process with its guard, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != guard:
        os._exit(1)


def _watch(run: int, descriptor: int, wake: socket.socket, patience: float) -> int:
    """Return the run's wait status when it has ended, by itself or by us."""
    heard = time.monotonic()
    while True:
        ended, status = os.waitpid(run, os.WNOHANG)
        if ended:
            return status
        left = max(0.0, heard + patience - time.monotonic()) if patience else None
        ready = select.select([descriptor, wake.fileno()], [], [], left)[0]
        with contextlib.suppress(BlockingIOError):
            wake.recv(4096)
        if descriptor in ready:
            heard = time.monotonic()
            with contextlib.suppress(OSError):
                if os.read(descriptor, 4096):
                    continue
        if wake.fileno() not in ready:
            kill_group(run, signal.SIGKILL)
            os.kill(run, signal.SIGKILL)  # it may not have its group yet
            return os.waitpid(run, 0)[1]


def _end_as(status: int, run: int) -> None:
    """End what the run left running, and then this process as the run ended."""
    kill_group(run, signal.SIGKILL)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 255)


def kill_group(run: int, number: int) -> None:
    """Send a signal to a run and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run, number)
