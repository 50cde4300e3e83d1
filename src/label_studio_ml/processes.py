"""The processes of this machine, as /proc lists them, and what the kernel is asked to do when one ends.

Linux only: elsewhere nothing is found, and nothing is asked.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.texts import whole_number

_PROC = Path("/proc")

#: Options of prctl(2): "send me this signal when my parent ends" and "give me descendants that lose their parent".
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs, or has ended and waits for its parent to take notice (`zombie`).

    `started` is the time of its start in ticks since the machine's: together with `pid` it names one process for ever.
    """

    pid: int
    parent: int
    session: int
    started: int
    zombie: bool

    def arguments(self) -> list[str]:
        """Return its command line, empty if it is gone or a zombie."""
        return self._texts("cmdline")

    def environment(self) -> list[str]:
        """Return the `NAME=value` pairs that it was started with, empty where that may not be read."""
        return self._texts("environ")

    def in_our_namespace(self) -> bool:
        """Tell whether its process ids mean what ours do: those in a container do not."""
        try:
            return os.readlink(_PROC / str(self.pid) / "ns/pid") == os.readlink(_PROC / "self/ns/pid")
        except OSError:
            return False

    def means_folder(self, path: str, folder: str) -> bool:
        """Tell whether `path` is for it what `folder` is for us: in a container it is another one.

        A path that is not absolute begins in its working folder.
        """
        base = _PROC / str(self.pid) / ("root" if path.startswith("/") else "cwd")
        try:
            return os.path.samefile(base / path.lstrip("/"), folder)
        except OSError:
            return False

    def runs(self) -> bool:
        """Tell whether this very process still runs."""
        return is_running(self.pid, self.started)

    def send(self, number: int) -> None:
        """Send it a signal; one that is gone by now gets none."""
        if self.runs():
            with contextlib.suppress(OSError):
                os.kill(self.pid, number)

    def _texts(self, name: str) -> list[str]:
        with contextlib.suppress(OSError):
            return (_PROC / str(self.pid) / name).read_text(errors="replace").rstrip("\0").split("\0")
        return []


def find(pid: int) -> Process | None:
    """Return the process with this id, None if there is none."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rsplit(")", 1)[1].split()
        return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]), fields[0] == "Z")
    except (OSError, ValueError, IndexError):
        return None


def is_running(pid: int, started: int) -> bool:
    """Tell whether the process with this id and this time of its start still runs."""
    now = find(pid)
    return now is not None and now.started == started and not now.zombie


def everything() -> Iterator[Process]:
    """Yield all processes that can be seen."""
    with contextlib.suppress(OSError):
        for name in os.listdir(_PROC):
            if (pid := whole_number(name)) is not None and (process := find(pid)) is not None:
                yield process


def descendants(ancestor: int) -> list[Process]:
    """Return the processes below `ancestor`, parents before their children."""
    children: dict[int, list[Process]] = {}
    for process in everything():
        children.setdefault(process.parent, []).append(process)
    found = children.get(ancestor, [])[:]
    for process in found:
        found += children.get(process.pid, [])
    return found


def become_subreaper() -> bool:
    """Have this process become the parent of all descendants that lose theirs; return whether the kernel does that."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int) -> None:
    """Have the kernel send this process the signal `number` when its parent ends, where it can.

    It does so when the thread ends that started this process. Nothing is sent if the parent is gone already.
    """
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> bool:
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
