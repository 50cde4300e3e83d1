"""The process of one command: `label-studio-ml COMMAND …` with a guard, its reports of progress and its output."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.guard import kill_group
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.open_file_limit import readable
from label_studio_ml.processes.orphans import GuardedProcess
from label_studio_ml.support.texts import visible

#: The module that runs the command in the process.
MODULE = "label_studio_ml.cli.guarded_command"
#: The most lines of output that are kept, and characters of a line.
MAX_LINES, MAX_LINE = 60, 500
#: Seconds after SIGINT until SIGKILL, and seconds after its end in which the rest of the output is read.
KILL_AFTER, DRAIN = 10.0, 2.0
#: The beginning of this package's messages on standard error.
_OWN = "label-studio-ml: "
#: Bytes of a line after which it is split.
_SPLIT = 8192


class ReportedProgress(msgspec.Struct):
    """A report of `cli.shared.progress_display`."""

    title: str = ""
    amount: str = ""
    note: str = ""
    done: int | None = None
    total: int | None = None

    def text(self) -> str:
        """Return the report in words."""
        details = ", ".join(text for text in (self.amount, self.note) if text)
        return f"{self.title}: {details}" if details else self.title


class CommandProcess:
    """A running command; `words` are its command line. `scrub` removes secrets from a text.

    `lines` are the last lines that it has printed, `progress` its last report. Raises OSError or InterpreterError if
    the process cannot be started.
    """

    def __init__(self, settings: Settings, words: Sequence[str], scrub: Callable[[str], str]) -> None:
        self.lines: deque[str] = deque(maxlen=MAX_LINES)
        self.progress: ReportedProgress | None = None
        self._scrub = scrub
        self._summary = self._problem = ""
        self._pid = 0
        self._killed_at = 0.0
        self._guard, child_guard = socket.socketpair()
        self._guard.setblocking(False)
        reports, child_reports = os.pipe()
        try:
            self._guarded = GuardedProcess(
                command(settings, MODULE, child_guard.fileno(), child_reports, *words),
                pass_fds=[child_guard.fileno(), child_reports],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**settings.child_env(), "PYTHONUNBUFFERED": "1", "COLUMNS": "100"},
                start_new_session=True,
            )
        except BaseException:
            self._guard.close()
            os.close(reports)
            raise
        finally:
            child_guard.close()
            os.close(child_reports)
        self._popen = self._guarded.popen
        output, errors = self._popen.stdout, self._popen.stderr
        if output is None or errors is None:  # both are pipes
            raise AssertionError
        self._open = {
            reports: self._on_report,
            output.fileno(): self._on_output,
            errors.fileno(): self._on_error,
        }
        self._unfinished = dict.fromkeys(self._open, b"")
        self._reports = reports

    def read(self, seconds: float) -> bool:
        """Read what the process has written, for at most `seconds`; return whether it has ended."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not self._open:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._popen.wait(left)
                return self._popen.poll() is not None
            ready = readable(self._open, min(left, 0.2))
            for number in ready:
                self._read_from(number)
            if not ready and self._popen.poll() is not None:
                return True
        return False

    def stop(self) -> None:
        """Ask the command to end as Ctrl-C does; a call `KILL_AFTER` seconds later kills it."""
        now = time.monotonic()
        first = not self._killed_at
        self._killed_at = self._killed_at or now
        if first:
            self._signal(signal.SIGINT)
        elif now - self._killed_at > KILL_AFTER:
            self._signal(signal.SIGKILL)

    def close(self) -> int:
        """End the process if it runs, close what belongs to it, and return its exit status."""
        if self._popen.poll() is None:
            self._signal(signal.SIGKILL)
        deadline = time.monotonic() + DRAIN
        while self._open and (left := deadline - time.monotonic()) > 0:
            ready = readable(self._open, left)
            for number in ready:
                self._read_from(number)
        self._guard.close()
        status = self._popen.wait()
        self._guarded.ended()
        os.close(self._reports)
        for pipe in (self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
        return status

    def message(self, status: int) -> str:
        """Return how the command has ended: its summary, or why it failed."""
        if not status:
            return self._summary
        problem = self._problem or (self.lines[-1] if self.lines else "")
        if status < 0 or not problem:
            problem = f"The process {describe_exit(status)}"
        return f"{self._summary}; {problem}" if self._summary else problem

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._pid = self._pid or int(self._guard.recv(64))
        if self._pid:
            kill_group(self._pid, number)
        elif self._popen.poll() is None:  # the guard has not forked the command yet
            self._popen.kill()

    def _read_from(self, number: int) -> None:
        """Read once from a pipe; at its end, stop reading from it."""
        data = os.read(number, 1 << 16)
        *lines, rest = (self._unfinished[number] + data).split(b"\n")
        if len(rest) > _SPLIT or (rest and not data):
            lines, rest = [*lines, rest], b""
        self._unfinished[number] = rest
        handle = self._open[number]
        for line in lines:
            handle(line)
        if not data:
            del self._open[number]

    def _on_report(self, line: bytes) -> None:
        with contextlib.suppress(msgspec.MsgspecError):
            self.progress = msgspec.json.decode(line, type=ReportedProgress)

    def _on_output(self, line: bytes) -> None:
        text = self._add(line)
        self._summary = self._summary or text

    def _on_error(self, line: bytes) -> None:
        text = self._add(line)
        if text.startswith(_OWN):
            self._problem = text.removeprefix(_OWN)

    def _add(self, line: bytes) -> str:
        """Add a line to the output, shortened, without secrets and invisible characters; return it."""
        text = visible(self._scrub(line.rstrip(b"\r").decode("utf-8", "replace")))
        text = text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]}…"
        if text.strip():
            self.lines.append(text)
        return text
