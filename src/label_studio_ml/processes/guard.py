"""The guard of a process that runs user code: a process between that process (the run) and its starter.

    worker or server ── guard ── run (in its own session) ── processes started by the run

The guard runs no user code. It kills the run and all its descendants if the starter is gone, or if a worker has not
confirmed for a while that it still holds the lease. A thread of the run could not do so: code that holds the
interpreter lock stops every thread of its process. When the run ends, the guard kills its remaining descendants and
ends with the same status. On systems other than Linux, only processes in the run's process group are killed. If a guard
itself is killed, its starter finds the remaining processes: see `orphans`.
"""

import contextlib
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from label_studio_ml.processes.open_file_limit import number_above_all, readable, to_low_number
from label_studio_ml.processes.process_table import become_subreaper, descendants, die_with_parent

#: Seconds to wait for descendants to disappear after SIGKILL, and for the rest of the run's output to be copied.
_KILL_TIMEOUT = 5.0
_COPY_TIMEOUT = 5.0


def is_supported() -> bool:
    """Tell whether this system supports guards; Windows does not."""
    return hasattr(os, "fork")


def fork_guarded(
    descriptor: int, silence_limit: float, copy: Callable[[int, int], None] | None = None
) -> None:
    """Fork the run: return in the run, and stay in the parent as its guard.

    `descriptor` is a socket to the starter, which sends data each time it has renewed the lease; `silence_limit` is for
    how many seconds it may stay silent, 0 for no limit. The guard writes the run's process id to it, and ends with the
    run's status. With `copy`, standard output and error of the run are one pipe. `copy` is called in a thread of the
    guard with the pipe's reading end and the run's process id; it returns at the end of the output.
    """
    descriptor = to_low_number(descriptor)
    output = os.pipe() if copy is not None else None
    wake_reader, wake_writer = socket.socketpair()
    for end in (wake_reader, wake_writer):
        end.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    guard = os.getpid()
    become_subreaper()  # the run does not inherit this attribute
    run = os.fork()
    if run == 0:
        os.close(descriptor)
        wake_reader.close()
        wake_writer.close()
        _become_run(guard, output)
        return
    signal.set_wakeup_fd(wake_writer.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    kept = sorted(
        (descriptor, wake_reader.fileno(), wake_writer.fileno(), *((2, output[0]) if output else ()))
    )
    for before, after in zip([-1, *kept], [*kept, number_above_all()], strict=True):
        os.closerange(before + 1, after)
    with contextlib.suppress(OSError):
        os.write(descriptor, b"%d\n" % run)
    copy_thread = None
    if copy is not None and output is not None:
        copy_thread = threading.Thread(target=copy, args=(output[0], run), daemon=True)
        copy_thread.start()
    status = _watch(run, descriptor, wake_reader, silence_limit)
    kill_group(run, signal.SIGKILL)
    _kill_descendants()
    if copy_thread is not None:
        copy_thread.join(_COPY_TIMEOUT)
    _end_as(status)


def _become_run(guard: int, output: tuple[int, int] | None) -> None:
    """Start a session, restore the signal handlers, and end with the process `guard`, which has forked this one."""
    os.setsid()
    die_with_parent(signal.SIGKILL)
    if os.getppid() != guard:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if output is not None:
        _write_to(output)


def _write_to(output: tuple[int, int]) -> None:
    """Make the pipe `output` standard output and error, and flush after each printed line."""
    reading, writing = output
    for number in (1, 2):
        os.dup2(writing, number)
    os.close(reading)
    os.close(writing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, write_through=False)


def _watch(run: int, descriptor: int, wake_reader: socket.socket, silence_limit: float) -> int:
    """Wait until the run has ended, killing it if necessary, and return its wait status."""
    renewed = time.monotonic()
    while True:
        status = _reap(run)
        if status is not None:
            return status
        seconds = max(0.0, renewed + silence_limit - time.monotonic()) if silence_limit else None
        ready = readable([descriptor, wake_reader.fileno()], seconds)
        with contextlib.suppress(BlockingIOError):
            wake_reader.recv(4096)
        if descriptor in ready:
            renewed = time.monotonic()
            with contextlib.suppress(OSError):
                if os.read(descriptor, 4096):
                    continue
        if wake_reader.fileno() not in ready:
            kill_group(run, signal.SIGKILL)
            os.kill(run, signal.SIGKILL)  # the run may not be a group leader yet
            return os.waitpid(run, 0)[1]


def _reap(run: int = 0) -> int | None:
    """Reap children that have ended, including adopted orphans; return the status of `run` if it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == run:
                status = ended[1]
    return status


def _kill_descendants() -> None:
    """Kill all remaining descendants, including those in other sessions; wait at most `_KILL_TIMEOUT` seconds."""
    deadline = time.monotonic() + _KILL_TIMEOUT
    while (processes := descendants(os.getpid())) and time.monotonic() < deadline:
        for process in processes:
            with contextlib.suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)
        _reap()
        time.sleep(0.005)


def _end_as(status: int) -> None:
    """End this process with the wait status of the run: by the same signal, or with the same exit code."""
    if os.WIFSIGNALED(status):
        import resource  # not available on Windows

        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 255)


def kill_group(run: int, number: int) -> None:
    """Send a signal to the process group of a run; nothing happens if the group is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run, number)
