"""Run a child process that tests a model class: with limits of time and memory, and with the place where it ended."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.open_file_limit import readable
from label_studio_ml.test_kit.child_plan import Event, Plan
from label_studio_ml.test_kit.code_places import NOWHERE, Place, UserCode

_MODULE = "label_studio_ml.test_kit.child.check_process"
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
#: Seconds for the stacks of a process to be written before it is killed.
_TRACE_TIME = 1.0
#: Characters of the child's standard error that are shown if it fails by itself.
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one check: `timeout` in seconds, those of `cancel_grace` for `fit-cancel`, and `memory` in MiB.

    `start` is for the start of the process, the import of the model file and the building of the model.
    """

    timeout: float = 60.0
    cancel_grace: float = 10.0
    memory: float = 8192.0
    start: float = 180.0

    def of(self, check: str, build_seconds: float) -> float:
        """Return the seconds for a check, empty while the process starts."""
        if check == "fit-cancel":  # building the model is a part of it, but is not meant
            return self.cancel_grace + 2 * build_seconds
        return max(self.start, self.timeout) if check in ("", "import", "build") else self.timeout


@dataclass
class ChildResult:
    """What a child has sent: the event that ended each check, and the `values`.

    If it did not come to its end, `ended_in` is the check that was running, `cause` says how it ended, and `place` is
    the user's line at which it was.
    """

    ends: dict[str, Event] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    finished: bool = False
    ended_in: str = ""
    cause: str = ""
    place: Place = NOWHERE
    memory: float = 0.0


def run_child(
    settings: Settings, plan: Plan, limits: Limits, folder: Path, report: Callable[[Event], None]
) -> ChildResult:
    """Run a plan in a new interpreter and return what came of it; `folder` takes its files.

    `report` is called with each event. The child has ended when this function returns.
    """
    child = _Child(settings, plan, limits, folder)
    try:
        for event in child.events():
            report(event)
        return child.result
    finally:
        child.kill()


class _Child:
    """A child process and what it has sent so far."""

    def __init__(self, settings: Settings, plan: Plan, limits: Limits, folder: Path) -> None:
        self._settings, self._limits = settings, limits
        self._trace, self._errors = folder / "stacks.txt", folder / "errors.txt"
        self.result = ChildResult()
        self._running = ""
        self._began = time.monotonic()
        plan_file = folder / "plan.json"
        plan_file.write_bytes(msgspec.json.encode(plan))
        self._reading, writing = os.pipe()
        try:
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    command(settings, _MODULE, writing, plan_file, self._trace),
                    pass_fds=[writing],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env=settings.child_env(),
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._reading)
            raise
        finally:
            os.close(writing)

    def events(self) -> Iterator[Event]:
        """Yield the events of the child until it has ended, and end it when it goes beyond a limit."""
        for line in self._lines():
            event = msgspec.json.decode(line, type=Event)
            self._began = time.monotonic()
            self._running = event.begins
            if event.ends:
                self.result.ends[event.ends] = event
            self.result.values |= event.values
            self.result.finished = self.result.finished or event.finished
            yield event
        if not self.result.finished:
            self._describe_end()

    def _lines(self) -> Iterator[bytes]:
        received = b""
        while not self.result.finished:
            ended = self._process.poll() is not None
            if readable([self._reading], 0 if ended else 0.1):
                data = os.read(self._reading, 1 << 16)
                if not data:
                    return
                *lines, received = (received + data).split(b"\n")
                yield from lines
            elif ended or self._is_beyond_limits():
                return

    def _is_beyond_limits(self) -> bool:
        """Tell whether the running check takes too long or too much memory; then `cause` is set."""
        size = _resident(self._process.pid)
        self.result.memory = max(self.result.memory, size)
        limit = self._limits.of(self._running, self.result.values.get("build_seconds", 0.0))
        if time.monotonic() - self._began > limit:
            self.result.cause = f"did not return within {limit:.0f} s"
        elif size > self._limits.memory:
            self.result.cause = f"took {size:.0f} MiB of memory, more than {self._limits.memory:.0f}"
        return bool(self.result.cause)

    def _describe_end(self) -> None:
        result = self.result
        result.ended_in = self._running or "import"
        if result.cause:
            self._write_stacks()
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_TRACE_TIME)
            result.cause = f"{describe_exit(self._process.poll())} in the middle of it"
        result.place = self._place()

    def _write_stacks(self) -> None:
        if not hasattr(signal, "SIGUSR1"):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGUSR1)
        deadline = time.monotonic() + _TRACE_TIME
        while not self._trace.stat().st_size and time.monotonic() < deadline:
            time.sleep(0.05)

    def _place(self) -> Place:
        """Return the innermost line of the user's code in the stacks that the child has written."""
        script = self._settings.script or self._settings.backend_dir / "model.py"
        code = UserCode(self._settings.backend_dir, script, self._settings.class_name)
        try:
            text = self._trace.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return NOWHERE
        before, current, after = text.partition("Current thread")
        for file, line in _FRAME.findall(after + before if current else text):
            if code.owns(file):
                return code.shown((file, int(line)))
        return NOWHERE

    @property
    def errors(self) -> str:
        """The end of what the child has written to standard error."""
        return self._errors.read_text(encoding="utf-8", errors="replace")[-_LONGEST:].strip()

    def kill(self) -> None:
        """End the child and what it has started in its session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._reading)


def _resident(pid: int) -> float:
    """Return the resident memory of a process in MiB; 0 where it is not known."""
    if sys.platform != "linux":
        return 0.0
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
