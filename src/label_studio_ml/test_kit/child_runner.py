"""Run a child process that tests a model class: with limits of each call, and with the place where it ended."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.open_file_limit import readable
from label_studio_ml.test_kit.calls.own_time import OwnTime
from label_studio_ml.test_kit.calls.running_calls import RunningCalls, within
from label_studio_ml.test_kit.child_plan import DESCRIPTOR_LOST, Call, CallKind, Event, Plan
from label_studio_ml.test_kit.code_places import NOWHERE, Place, UserCode

_MODULE = "label_studio_ml.test_kit.child.check_process"
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
#: Seconds for the stacks of a process to be written before it is killed.
_TRACE_TIME = 1.0
#: Seconds in which a process ends that sends nothing any more.
_END_TIME = 5.0
#: Characters of the exception with which a child has ended that are shown.
_LONGEST = 500
#: The longest event in bytes.
_LONGEST_EVENT = 1 << 25
#: Characters that are shown of what is no event.
_SHOWN = 60
#: What to do about user code that disturbs the descriptor for events.
_OWN_DESCRIPTORS = (
    "Close and write to file descriptors only that your code has opened: the server and a model's process talk through "
    "others"
)
#: Seconds between two looks at the limits.
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of single calls in seconds, and of the process's `memory` in MiB.

    `timeout` is for a call of `predict`: for each of several, if the server would divide the tasks. `fit_timeout` is
    for one of `fit`, `cancel_grace` for the rest of one whose training has been cancelled, and `start` for the import
    of the model file and for building a model. What the test itself does between calls does not count; `own` ends a
    test that hangs there. On Linux, seconds in which other programs had the processors do not count.
    """

    timeout: float = 60.0
    fit_timeout: float = 600.0
    cancel_grace: float = 10.0
    memory: float = 8192.0
    start: float = 180.0
    own: float = 600.0

    def seconds(self, call: Call) -> float:
        """Return the seconds for a call: for each of the parts into which the server would divide its tasks."""
        return self.of(call.kind) * call.parts

    def of(self, kind: CallKind) -> float:
        """Return the seconds for a call of a kind."""
        return {
            CallKind.IMPORT: self.start,
            CallKind.BUILD: self.start,
            CallKind.PREDICT: self.timeout,
            CallKind.FIT: self.fit_timeout,
            CallKind.CANCELLED_FIT: self.cancel_grace,
        }[kind]


@dataclass
class ChildResult:
    """What a child has sent: the event that ended each check, and the `values`.

    If it did not come to its end, `ended_in` is the check that was running, `call` the call of user code, None between
    calls. `cause` says what the process did, `is_late` whether it was ended for its time, and `place` is the user's
    line at which it was. `fix` is what to do about it, empty if that follows from the call.
    """

    ends: dict[str, Event] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    finished: bool = False
    ended_in: str = ""
    call: Call | None = None
    cause: str = ""
    is_late: bool = False
    place: Place = NOWHERE
    fix: str = ""
    memory: float = 0.0


def run_child(
    settings: Settings,
    plan: Plan,
    limits: Limits,
    folder: Path,
    report: Callable[[Event], None],
    environment: Mapping[str, str] | None = None,
) -> ChildResult:
    """Run a plan in a new interpreter and return what came of it; `folder` takes its files.

    `report` is called with each event. The `environment` is added to that of the settings. The child has ended when
    this function returns.
    """
    child = _Child(settings, plan, limits, folder, environment or {})
    try:
        for event in child.events():
            report(event)
        return child.result
    finally:
        child.kill()


class _Child:
    """A child process and what it has sent so far."""

    def __init__(
        self, settings: Settings, plan: Plan, limits: Limits, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._settings, self._limits = settings, limits
        self._trace, self._errors = folder / "stacks.txt", folder / "errors.txt"
        self.result = ChildResult()
        self._running = ""
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
                    env={**settings.child_env(), **environment},
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._reading)
            raise
        finally:
            os.close(writing)
        self._calls = RunningCalls(OwnTime(self._process.pid))

    def events(self) -> Iterator[Event]:
        """Yield the events of the child until it has ended, and end it when it goes beyond a limit."""
        for line in self._lines():
            try:
                event = msgspec.json.decode(line, type=Event)
            except msgspec.DecodeError:
                self._blame_for_bytes(line)
                break
            self._calls.take(event)
            if event.begins or event.ends:
                self._running = event.begins
            if event.ends:
                self.result.ends[event.ends] = event
            self.result.values |= event.values
            self.result.finished = self.result.finished or event.finished
            yield event
        if not self.result.finished:
            self._describe_end()

    def _blame_for_bytes(self, received: bytes) -> None:
        """Set the cause: user code has written bytes that are no event into the descriptor for events."""
        result = self.result
        result.call, _ = self._calls.longest()
        beginning = received[:_SHOWN].decode(errors="replace")
        result.cause = (
            f"wrote {beginning!r} into a file descriptor that it has not opened{within(result.call)}"
        )
        result.fix = _OWN_DESCRIPTORS

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines of the child until its end, or until it is beyond a limit, which sets `cause`."""
        received = bytearray()
        next_look = time.monotonic()
        while not self.result.finished:
            ended = self._process.poll() is not None
            if readable([self._reading], 0 if ended else _LOOK):
                data = os.read(self._reading, 1 << 16)
                if not data:
                    return
                received += data
                if b"\n" in data:
                    *lines, received = received.split(b"\n")
                    yield from map(bytes, lines)
                if len(received) > _LONGEST_EVENT:
                    self._blame_for_bytes(bytes(received[:_SHOWN]))
                    return
            elif ended:
                return
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + _LOOK
                if self._is_beyond_limits():
                    return

    def _is_beyond_limits(self) -> bool:
        """Tell whether a running call takes too long or too much memory; then `call` and `cause` are set."""
        result = self.result
        size = _resident(self._process.pid)
        result.memory = max(result.memory, size)
        call, seconds = self._calls.longest()
        limit = self._limits.seconds(call) if call is not None else self._limits.own
        if seconds > limit:
            result.is_late = True
            result.cause = f"did not return{within(call, 'from')} within {limit:g} s"
        elif size > self._limits.memory:
            result.cause = f"took {size:.0f} MiB of memory, more than {self._limits.memory:.0f}{within(call)}"
        result.call = call
        return bool(result.cause)

    def _describe_end(self) -> None:
        result = self.result
        result.ended_in = self._running or "import"
        if result.cause:
            self._write_stacks()
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_TIME)
            result.call, _ = self._calls.longest()
            status = self._process.poll()
            if status in (None, DESCRIPTOR_LOST):
                result.cause = f"closed a file descriptor that it has not opened{within(result.call)}"
                result.fix = _OWN_DESCRIPTORS
                if status is None:
                    self._write_stacks()
            else:
                last_line = self._last_error() if status and status > 0 else ""
                result.cause = f"{describe_exit(status)}{within(result.call)}{last_line}"
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
        for file, line in _FRAME.findall(_ordered(text, self.result.call)):
            if code.owns(file):
                return code.shown((file, int(line)))
        return NOWHERE

    def _last_error(self) -> str:
        """Return the exception with which the child ended, to follow what it did; empty if it did not end with one."""
        text = self._errors.read_text(encoding="utf-8", errors="replace")
        last = text.rstrip().rpartition("\n")[2].strip()
        return f": {last[:_LONGEST]}" if "Traceback (most recent call last)" in text else ""

    def kill(self) -> None:
        """End the child and what it has started in its session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._reading)


def _ordered(stacks: str, call: Call | None) -> str:
    """Return the stacks that `faulthandler` wrote: of the thread that got the signal, of that of `call`, the others."""
    first = ("Current thread", f"Thread 0x{call.thread if call is not None else 0:016x}")
    threads = re.split(r"^(?=Thread 0x|Current thread 0x)", stacks, flags=re.MULTILINE)

    def rank(stack: str) -> int:
        return next((number for number, start in enumerate(first) if stack.startswith(start)), len(first))

    return "".join(sorted(threads, key=rank))


def _resident(pid: int) -> float:
    """Return the resident memory of a process in MiB; 0 where it is not known."""
    if sys.platform != "linux":
        return 0.0
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
