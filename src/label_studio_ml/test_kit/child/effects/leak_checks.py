"""Checks of what repeated calls of `predict` leave behind: open files, threads, memory."""

import gc
import itertools
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import TypeVar

from label_studio_ml.support.texts import plural
from label_studio_ml.test_kit.child.answer_checks import AnswerChecks
from label_studio_ml.test_kit.child.predict_calls import ask
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.code_places import NOWHERE
from label_studio_ml.test_kit.report import Failure

#: Calls before and between two measurements.
_CALLS = 4
#: Rounds of calls in which the memory is measured, and the growth in MiB that is too much.
_ROUNDS = 3
_TOO_MUCH = 24.0

K = TypeVar("K", bound=Hashable)

_DESCRIPTORS = Path("/proc/self/fd") if sys.platform == "linux" else Path("/dev/fd")


class LeakChecks:
    """Measurements before and after some calls with the sample tasks."""

    def __init__(self, tested: TestedClass, first: AnswerChecks) -> None:
        self._tested = tested
        self._first = first

    def _call(self, times: int = _CALLS) -> None:
        for _ in range(times):
            ask(self._tested.model, self._first.tasks, self._tested.effects)

    def _left(self, observe: Callable[[], dict[K, str]]) -> dict[K, str]:
        """Return what calls leave of what `observe` returns by key; nothing unless each of them leaves something.

        A library may open several files, or start several threads, during one of the calls and keep them.
        """
        self._call(1)
        first = now = observe()
        for _ in range(_CALLS):
            self._call(1)
            before, now = now, observe()
            if not now.keys() - before.keys():
                return {}
        return {key: name for key, name in now.items() if key not in first}

    def open_files(self) -> Iterator[Failure]:
        """Fail if each call leaves at least one more file open."""
        left = self._left(_open_files)
        if len(left) >= _CALLS:
            ((path, _),) = Counter(left.values()).most_common(1)
            place = next((place for opened, place in self._tested.effects.written if opened == path), NOWHERE)
            yield self._tested.failure(
                "open-files",
                f"each call of predict leaves {path} open: {_CALLS} calls leave {plural(len(left), 'file')}",
                field=path,
                place=place,
            )

    def threads(self) -> Iterator[Failure]:
        """Fail if each call leaves at least one more thread running."""
        left = self._left(lambda: {thread: thread.name for thread in threading.enumerate()})
        if len(left) >= _CALLS:
            thread = next(iter(left))
            yield self._tested.failure(
                "threads",
                f"each call of predict leaves a thread running: {_CALLS} calls leave {plural(len(left), 'thread')}",
                field=thread.name,
                place=self._tested.code.code_of(getattr(thread, "_target", None)),
            )

    def processes(self) -> Iterator[Failure]:
        """Fail if each call leaves at least one more process, running or ended without being waited for."""
        self._call(1)
        before = _child_processes()
        self._call()
        left = _child_processes() - before
        if len(left) >= _CALLS:
            number = min(left)
            yield self._tested.failure(
                "processes",
                f"each call of predict leaves a process: {len(left)} after {_CALLS} calls",
                field=_command_of(number),
            )

    def memory(self) -> Iterator[Failure]:
        """Fail if each of several rounds of calls needs more memory."""
        self._call()
        sizes = [_resident()]
        for _ in range(_ROUNDS):
            self._call()
            gc.collect()
            sizes.append(_resident())
        growths = [after - before for before, after in itertools.pairwise(sizes)]
        if min(growths) > _TOO_MUCH / _ROUNDS / 2 and sum(growths) > _TOO_MUCH:
            calls = _ROUNDS * _CALLS
            yield self._tested.failure(
                "memory",
                f"{calls} calls of predict with the same tasks need {sum(growths):.0f} MiB more memory, "
                f"{sum(growths) / calls:.1f} MiB each",
                field="memory",
            )


def _open_files() -> dict[str, str]:
    """Return the open descriptors with the paths of their files."""
    gc.collect()
    paths = {}
    try:
        numbers = os.listdir(_DESCRIPTORS)
    except OSError:
        return {}
    for number in numbers:
        try:
            paths[number] = os.readlink(_DESCRIPTORS / number)
        except OSError:  # that of the listing itself
            continue
    return paths


def _child_processes() -> set[int]:
    """Return the ids of this process's children, also of those that have ended and are waited for; Linux only."""
    gc.collect()  # a Popen without references is waited for as soon as another process is started
    found: set[int] = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(map(int, listing.read_text(encoding="ascii").split()))
        except OSError:  # a thread that has just ended
            continue
    return found


def _command_of(number: int) -> str:
    """Return the command line of a process; its id if it has none, as after its end."""
    try:
        line = Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        line = b""
    return line.replace(b"\0", b" ").decode(errors="replace").strip() or f"process {number}"


def _resident() -> float:
    """Return the resident memory of this process in MiB; its highest value where the present one is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, ValueError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
