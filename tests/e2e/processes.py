"""Programs that tests start, and what they leave behind."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Every process that a Program starts inherits this variable, whatever session or group it moves to. A Program
#: that is started by one adds its own mark to the list.
MARK = "LSML_STARTED_BY"


def wait_until(condition: Callable[[], T], what: str, deadline: float = 60.0, every: float = 0.1) -> T:
    """Return `condition()` as soon as it is true; fail if `what` did not happen within `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:.0f} s: {what}; last seen: {value!r}")
        time.sleep(every)


def free_port() -> int:
    """Return a port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """A program in a session of its own, its output in a file.

    `stop` asks it to end as Ctrl-C or a service manager would; `kill` ends all of it at once,
    as a power cut would. Both return when nothing of it runs any more.
    """

    def __init__(
        self, command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self.mark = uuid.uuid4().hex
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=cwd,
                env={**env, MARK: f"{env.get(MARK, '')} {self.mark}"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the program itself still runs."""
        return self.process.poll() is None

    def output(self) -> str:
        """Return all it has printed so far."""
        return self.log.read_text(errors="replace")

    def descendants(self) -> list[int]:
        """Return the processes, the program itself included, that came of it and still run."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                if self._marked(entry) and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(int(entry.name))
        return found

    def _marked(self, entry: Path) -> bool:
        prefix = f"{MARK}=".encode()
        marks = [line for line in (entry / "environ").read_bytes().split(b"\0") if line.startswith(prefix)]
        return any(self.mark.encode() in line for line in marks)

    def stop(self, deadline: float = 30.0, with_signal: int = signal.SIGTERM) -> list[int]:
        """End it politely and return the processes that it left behind (and that were then killed)."""
        if self.running:
            self.process.send_signal(with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(deadline)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.descendants(), "its children are gone", 5.0)
        left = self.descendants()
        self.kill()
        return left

    def kill(self) -> None:
        """End it and everything that came of it with SIGKILL."""

        def gone() -> bool:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
            for pid in self.descendants():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            return not self.running and not self.descendants()

        wait_until(gone, f"{self.command[0]} is gone", 20.0)
