"""Programs that tests start, and what they leave behind."""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Every process that a Program starts inherits this variable, whatever session or group it moves to. A Program
#: that is started by one adds its own mark to the list.
MARK = "LSML_STARTED_BY"


def wait_until(condition: Callable[[], T], what: str, deadline: float = 120.0, every: float = 0.1) -> T:
    """Return `condition()` as soon as it is true; fail if `what` did not happen within `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:.0f} s: {what}; last seen: {value!r}")
        time.sleep(every)


def _ephemeral() -> tuple[int, int]:
    """Return the ports, first and last, that the kernel gives to those who ask for any."""
    with contextlib.suppress(OSError):
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(first), int(last)
    return 32768, 65535


def _ports() -> Iterator[int]:
    """Yield ports of programs, each once, beginning anywhere: other runs take theirs in the same way.

    The processes of one run (pytest-xdist) begin as far from each other as they can, so that none gets another's.
    """
    first, last = _ephemeral()
    ports = [port for port in range(11_000, 60_000) if not first <= port <= last]
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    start = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).randrange(len(ports))
    begin = (start + number * len(ports) // count) % len(ports)
    yield from itertools.cycle(ports[begin:] + ports[:begin])


_turn = _ports()


def free_port() -> int:
    """Return a port on loopback that nothing listens on, for a program that will.

    It is none that the kernel gives away: between now and the program's start nobody else gets it, and whoever calls
    while the program is down does not get it for its own end of the connection. No port is returned twice.
    """
    for port in itertools.islice(_turn, 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("1,000 ports in turn are in use")


def _running() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the number of every process that runs, with its parent's and the time of its start."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if fields[0] != "Z":
                yield int(entry.name), (int(fields[1]), int(fields[19]))


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
        self._seen: dict[int, int] = {}
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
        """Return the processes, the program itself included, that came of it and still run.

        They are known by the mark in their environment, and by their parents: a Redis server writes its title over
        its environment, and what lost its parent was seen with it before.
        """
        running = dict(_running())
        self._seen = {pid: at for pid, at in self._seen.items() if pid in running and running[pid][1] == at}
        if self.running:
            self._seen |= {pid: at for pid, (_, at) in running.items() if pid == self.process.pid}
        ours = {pid: at for pid, (_, at) in running.items() if self._marked(pid) or self._below(pid, running)}
        self._seen |= ours
        return sorted(self._seen)

    def _marked(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            return self.mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        return False

    def _below(self, pid: int, running: Mapping[int, tuple[int, int]]) -> bool:
        while pid in running and pid not in self._seen:
            pid = running[pid][0]
        return pid in self._seen

    def stop(self, with_signal: int = signal.SIGTERM, *, children: float = 30.0) -> list[int]:
        """End it politely and return the processes that it left behind (and that were then killed).

        `children` is how many seconds these have to end after it.
        """
        self.descendants()
        if self.running:
            self.process.send_signal(with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.descendants(), "its children are gone", children)
        left = self.descendants()
        self.kill()
        return left

    def kill(self) -> None:
        """End it and everything that came of it with SIGKILL."""

        def gone() -> bool:
            for pid in self.descendants():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            return not self.running and not self.descendants()

        wait_until(gone, f"{self.command[0]} is gone")
