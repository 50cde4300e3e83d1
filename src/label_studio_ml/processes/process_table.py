"""The processes of this machine, read from /proc, and kernel options for the end of a parent process.

Linux only: on other systems, no processes are found, and the options have no effect.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.support.texts import whole_number

_PROC = Path("/proc")

#: Options of prctl(2): the signal to receive when the parent ends, and whether to adopt orphaned descendants.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Process:
    """A process that is running, or has ended without being reaped by its parent (`zombie`).

    `started` is its start time in clock ticks since boot; `pid` and `started` together identify a process uniquely.
    """

    pid: int
    parent: int
    session: int
    started: int
    zombie: bool

    def arguments(self) -> list[str]:
        """Return the process's command line; empty if it has ended."""
        return self._texts("cmdline")

    def environment(self) -> list[str]:
        """Return the `NAME=value` pairs that the process was started with; empty if they cannot be read."""
        return self._texts("environ")

    def in_our_namespace(self) -> bool:
        """Tell whether the process is in this one's PID namespace; process ids in a container have another meaning."""
        try:
            return os.readlink(_PROC / str(self.pid) / "ns/pid") == os.readlink(_PROC / "self/ns/pid")
        except OSError:
            return False

    def resolves_to_folder(self, path: str, folder: str) -> bool:
        """Tell whether `path`, as the process resolves it, is this process's `folder`; a container has its own files.

        A relative path starts in the process's working folder.
        """
        base = _PROC / str(self.pid) / ("root" if path.startswith("/") else "cwd")
        try:
            return os.path.samefile(base / path.lstrip("/"), folder)
        except OSError:
            return False

    def runs(self) -> bool:
        """Tell whether the process is still running, and not another one with the same id."""
        return is_running(self.pid, self.started)

    def send(self, number: int) -> None:
        """Send the process a signal, unless it has ended."""
        if self.runs():
            with contextlib.suppress(OSError):
                os.kill(self.pid, number)

    def _texts(self, name: str) -> list[str]:
        with contextlib.suppress(OSError):
            return (_PROC / str(self.pid) / name).read_text(errors="replace").rstrip("\0").split("\0")
        return []


def resident_memory(pid: int) -> int | None:
    """Return the bytes of main memory that a process uses, None if they cannot be read."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return None


def find(pid: int) -> Process | None:
    """Return the process with the id `pid`, None if there is none."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rsplit(")", 1)[1].split()
        return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0] == "Z")
    except (OSError, ValueError, IndexError):
        return None


def is_running(pid: int, started: int) -> bool:
    """Tell whether the process with this id and start time is still running; a zombie is not."""
    process = find(pid)
    return process is not None and process.started == started and not process.zombie


def all_processes() -> Iterator[Process]:
    """Yield all visible processes."""
    with contextlib.suppress(OSError):
        for name in os.listdir(_PROC):
            if (pid := whole_number(name)) is not None and (process := find(pid)) is not None:
                yield process


def descendants(ancestor: int) -> list[Process]:
    """Return all processes below `ancestor`, parents before their children."""
    children: dict[int, list[Process]] = {}
    for process in all_processes():
        children.setdefault(process.parent, []).append(process)
    found = children.get(ancestor, [])[:]
    for process in found:
        found += children.get(process.pid, [])
    return found


def become_subreaper() -> bool:
    """Let this process adopt descendants whose parent ends; return whether the kernel supports that."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int) -> None:
    """Let the kernel send this process the signal `number` when its parent ends; Linux only.

    The signal comes when the thread ends that forked this process. None comes if the parent has ended before the call.
    """
    _prctl(_PR_SET_PDEATHSIG, number)


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends, whatever code it runs; Linux only."""
    if hasattr(signal, "SIGKILL"):  # Windows has none
        die_with_parent(signal.SIGKILL)


def _prctl(option: int, value: int) -> bool:
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
