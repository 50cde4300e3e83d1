"""A backend whose processes are killed at random while events come, and what must be true of it afterwards.

It is one server with its own broker and worker, gunicorn with several processes that share one broker and worker, or a
server, a Redis and workers that are started by themselves.
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import redis
import requests

from e2e.processes import Program, wait_until
from label_studio_ml.errors import BrokerError
from label_studio_ml.processes.process_table import all_processes, find
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.versions.store.local_store import VersionStore
from live import TRAINING, WORKER, Live, alive, command_line, created, uid

MODEL = "label_studio_ml.serving.runners.model_process"

#: Seconds between two kills, at most: as long as a worker takes to start and begin a run.
PAUSE = 1.5
#: Part of the kills that hit two processes in one moment.
PAIRS = 0.25

_SIGNALS = (*[signal.SIGKILL] * 5, *[signal.SIGTERM] * 3, *[signal.SIGINT] * 2)


@dataclass
class Sender:
    """Delivers one event after another to a project. `kept` are those that were accepted, `unsure` the others."""

    live: Live
    project: int
    stop: threading.Event = field(default_factory=threading.Event)
    kept: list[int] = field(default_factory=list)
    unsure: list[int] = field(default_factory=list)

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            status = 0
            try:
                url = f"{self.live.backend.url}/webhook"
                status = requests.post(url, json=created(self.project, number), timeout=90).status_code
            except requests.RequestException as error:
                if "Connection refused" in str(error):  # nobody has got it
                    number -= 1
                    self.stop.wait(0.3)
                    continue
            (self.kept if status == 201 else self.unsure).append(number)
            self.stop.wait(0.1)


@dataclass
class Part:
    """A program that somebody starts again when it has ended: `start` does it and returns it."""

    start: Callable[[], Program]
    program: Program


class Storm:
    """Kills processes of one backend that trains `projects`. `seed` decides which, when and how.

    `parts` are the programs of it, all running; `job_store` returns its job records over a connection of the caller's.
    `kinds` are the kinds of processes below them that are killed, as in `KINDS`.
    """

    def __init__(
        self,
        live: Live,
        seed: int,
        projects: tuple[int, ...],
        parts: dict[str, Part],
        job_store: Callable[[], JobStore],
        kinds: Mapping[str, tuple[str, bool | None]] | None = None,
    ) -> None:
        self.live = live
        self.random = random.Random(seed)
        self.senders = [Sender(live, project) for project in projects]
        self.parts = parts
        self.programs = [part.program for part in parts.values()]
        self.killed: list[str] = []
        self._job_store = job_store
        self._kinds = KINDS if kinds is None else kinds

    def rage(self, kills: int) -> None:
        """Let events come, kill so many processes meanwhile, and return when the last event was sent."""
        threads = [threading.Thread(target=sender.run, daemon=True) for sender in self.senders]
        for thread in threads:
            thread.start()
        try:
            while len(self.killed) < kills:
                time.sleep(self.random.uniform(0, PAUSE))
                count = 2 if self.random.random() < PAIRS else 1
                self._kill(self.random.sample(sorted({*self._kinds, *self.parts}), count))
        finally:
            for sender in self.senders:
                sender.stop.set()
            for thread in threads:
                thread.join(120)

    def kill(self, names: tuple[str, ...]) -> None:
        """Kill one process of each name with SIGKILL, all in one moment."""
        self._kill(list(names), (signal.SIGKILL,))
        assert len(self.killed) == len(names), self.killed

    def lease(self, project: int) -> bytes:
        """Return what names the run that trains a project, empty if none does or that cannot be seen."""
        with contextlib.suppress(BrokerError, redis.RedisError, OSError):
            job_store = self._job_store()
            try:
                return bytes(job_store.redis.get(job_store.keys.lease(uid(project))) or b"")
            finally:
                job_store.redis.close()
        return b""

    def _kill(self, names: list[str], signals: Sequence[signal.Signals] = _SIGNALS) -> None:
        """Send a signal to one process of each name that runs, to all in one moment."""
        targets = []
        for name in names:
            pids = [self.parts[name].program.process.pid] if name in self.parts else self._find(name)
            if pids:
                number = self.random.choice(signals)
                if (
                    name == "run" and number == signal.SIGINT
                ):  # that is an outcome: fit raises KeyboardInterrupt
                    number = signal.SIGKILL
                targets.append((name, self.random.choice(pids), number))
        self._descendants()  # who is there is remembered as what came of its program
        for name, pid, number in targets:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
                self.killed.append(f"{name} {number.name}")
        for name, *_ in targets:
            if name in self.parts:
                self._restart(self.parts[name])

    def _restart(self, part: Part) -> None:
        """Start a program again as soon as it has ended, as a service manager would."""
        part.program.process.wait(120)
        part.program = part.start()
        self.programs.append(part.program)

    def _descendants(self) -> set[int]:
        return {pid for part in self.parts.values() for pid in part.program.descendants()}

    def _find(self, name: str) -> list[int]:
        """Return the processes of a kind. A guard has the same command line as the process below it."""
        if name == "broker":
            return self._broker()
        words, guard = self._kinds[name]
        pids = [pid for pid in self._descendants() if alive(pid) and words in command_line(pid)]
        if guard is None:
            return pids
        below = [pid for pid in pids if (process := find(pid)) is not None and process.parent in pids]
        return sorted(set(pids) - set(below)) if guard else below

    def _broker(self) -> list[int]:
        """Return the embedded broker; nothing where there is none."""
        if "redis" in self.parts:
            return []
        with contextlib.suppress(OSError, redis.RedisError):
            url = (self.live.model_dir / "broker" / "address").read_text()
            connection = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)
            info: dict[str, int] = connection.info("server")  # type: ignore[assignment]
            connection.close()
            return [int(info["process_id"])]
        return []

    # What must be true afterwards

    def seconds_until_running(self, deadline: float) -> float:
        """Return after how many seconds each project is trained, or has been trained completely."""
        began = time.monotonic()
        wait_until(self._runs_or_rests, "each project with events has a live run", deadline)
        return time.monotonic() - began

    def _runs_or_rests(self) -> bool:
        with contextlib.suppress(BrokerError, redis.RedisError, OSError):
            job_store = self._job_store()
            try:
                dirty = set(job_store.queues.dirty())
                return all(
                    uid(sender.project) not in dirty
                    or job_store.redis.exists(job_store.keys.lease(uid(sender.project)))
                    for sender in self.senders
                )
            finally:
                job_store.redis.close()
        return False

    def come_to_rest(self, deadline: float) -> int:
        """Wait until no event waits; bring back what was set aside after crashes. Return how many that were."""
        brought_back = 0
        end = time.monotonic() + deadline
        while True:
            wait_until(self._rests, "all events are trained on", end - time.monotonic(), every=0.3)
            job_store = self._job_store()
            try:
                parked = sum(
                    len(list(job_store.queues.parked(uid(sender.project)))) for sender in self.senders
                )
                for sender in self.senders:
                    job_store.unpark(uid(sender.project))
            finally:
                job_store.redis.close()
            if not parked:
                return brought_back
            brought_back += parked

    def _rests(self) -> bool:
        if self.live.spooled():
            return False
        with contextlib.suppress(BrokerError, redis.RedisError, OSError):
            job_store = self._job_store()
            try:
                return not job_store.queues.dirty() and not any(
                    job_store.redis.exists(job_store.keys.lease(uid(sender.project)))
                    for sender in self.senders
                )
            finally:
                job_store.redis.close()
        return False

    def check_outcomes(self) -> None:
        """See that every accepted event is in exactly one version, and that no two fits ran at a time."""
        store = VersionStore(self.live.model_dir)
        for sender in self.senders:
            taken_in = [event for manifest in store.history(uid(sender.project)) for event in manifest.events]
            assert len(taken_in) == len(set(taken_in)), "an event is in two versions"
            least, most = len(sender.kept), len(sender.kept) + len(sender.unsure)
            assert least <= len(taken_in) <= most, (
                f"project {sender.project}: {len(taken_in)} events in versions"
            )
            control = self.live.control(sender.project)
            assert control.overlaps == 0
            if fits := [fit["annotation"] for fit in control.fits("end") if "annotation" in fit]:
                missing = {1000 + number for number in sender.kept} - set(fits)
                assert not missing, f"project {sender.project}: never trained on {sorted(missing)}"
            job_store = self._job_store()
            states = {job.state for job in job_store.jobs.of(uid(sender.project))}
            job_store.redis.close()
            assert states <= {"finished", "failed", "interrupted"}, states

    def end(self) -> None:
        """Stop all parts and see that no process of the backend is left, of any of its runs."""
        left = [pid for part in self.parts.values() for pid in part.program.stop()]
        left += [pid for program in self.programs for pid in program.descendants()]
        left += self._with_its_folder()
        assert not left, {pid: find(pid) for pid in left}

    def _with_its_folder(self) -> list[int]:
        """Return the processes that have the backend's folder in their command line."""
        folder = str(self.live.folder)
        return [
            process.pid
            for process in all_processes()
            if process.pid != os.getpid() and any(folder in word for word in process.arguments())
        ]


#: Kinds of processes: words of their command line, and whether the guard is meant, where there is one.
KINDS: dict[str, tuple[str, bool | None]] = {
    "worker": (WORKER, None),
    "broker": ("", None),
    "model process": (MODEL, False),
    "model's guard": (MODEL, True),
    "run": (TRAINING, False),
    "run's guard": (TRAINING, True),
}

#: The same, and gunicorn's workers: the processes below gunicorn itself, with the same command line.
GUNICORN_KINDS = {**KINDS, "gunicorn worker": ("gunicorn", False)}
