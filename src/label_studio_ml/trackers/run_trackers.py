"""The worker's side of the trackers of one run: start a process for each, send it what the run reports.

No call waits for a tracker. Lines go through a queue and a thread for each process; if a process takes none, points and
parameters beyond MAX_WAITING lines are dropped. After the end of a run, its processes go on until everything is
delivered, at most MAX_ENDED of one tracker.
"""

import contextlib
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.config.tracker_settings import TRACKER_TITLES
from label_studio_ml.errors import BackendError
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.guard import kill_group
from label_studio_ml.processes.interpreter import command
from label_studio_ml.trackers.environment import tracker_environment
from label_studio_ml.trackers.messages import (
    RunDescription,
    RunLink,
    RunResult,
    TrackerAnswer,
    TrackerMessage,
)

logger = logging.getLogger(__name__)

#: The most lines that wait for a tracker's process, which buffers more itself.
MAX_WAITING = 10_000
#: The most processes of one tracker that go on after the ends of their runs, besides those that may just need the time
#: to start and to deliver: END_GRACE seconds, unless they have found that the tracker cannot be reached.
MAX_ENDED = 3
END_GRACE = 30.0

#: The processes of trackers that have not ended, of all runs of this worker.
_running: set["TrackerProcess"] = set()
_running_lock = threading.Lock()


class TrackerProcess:
    """The process of `tracker` for one run of `job`. `on_link` and `on_warning` are called in a thread."""

    def __init__(
        self,
        tracker: str,
        job: str,
        settings: Settings,
        on_link: Callable[[str, RunLink], None],
        on_warning: Callable[[str], None],
    ) -> None:
        """Start the process. Raises OSError and InterpreterError."""
        self.tracker = tracker
        self.job = job
        #: Whether the run is in the tracker.
        self.has_link = False
        #: Whether it has sent a warning.
        self.has_warned = False
        #: When the run ended, on the clock of `time.monotonic`; None while it goes on.
        self.ended: float | None = None
        self._on_link = on_link
        self._on_warning = on_warning
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._has_dropped = False
        self._is_abandoned = False
        reader, writer = os.pipe()
        try:
            self._popen = subprocess.Popen(
                command(settings, "label_studio_ml.trackers.tracker_process", tracker, writer),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[writer],
                env=tracker_environment(settings),
                process_group=0,  # in the worker's session: see `processes.orphans`
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        with _running_lock:
            _running.add(self)
        threading.Thread(target=self._write, daemon=True, name=f"to {tracker}").start()
        self._thread = threading.Thread(
            target=self._read, args=(reader,), daemon=True, name=f"from {tracker}"
        )
        self._thread.start()

    def send(self, message: TrackerMessage) -> None:
        """Send a message, or drop it if too many wait; never the end of the run, without which the process goes on."""
        if message.end is not None:
            self.ended = time.monotonic()
        elif self._lines.qsize() >= MAX_WAITING:
            if not self._has_dropped:
                self._has_dropped = True
                self._on_warning(
                    f"{TRACKER_TITLES[self.tracker]}: its process takes nothing; metrics are left out"
                )
            return
        self._lines.put(msgspec.json.encode(message) + b"\n")

    def abandon(self, cause: str) -> None:
        """Kill the process, and warn with the cause that the rest of its run is missing in the tracker."""
        if self._is_abandoned or self._popen.poll() is not None:
            return
        self._is_abandoned = True
        kill_group(self._popen.pid, signal.SIGKILL)
        self._on_warning(f"{TRACKER_TITLES[self.tracker]}: {cause}; what did not reach it is missing there")

    def wait(self, seconds: float) -> None:
        """Wait until everything is delivered, for at most `seconds`."""
        self._thread.join(max(0.0, seconds))

    def _write(self) -> None:
        """Write the lines to the process, until it has ended."""
        stdin = self._popen.stdin
        assert stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while self._popen.poll() is None:
                with contextlib.suppress(queue.Empty):
                    stdin.write(self._lines.get(timeout=1.0))
                    if self._lines.empty():
                        stdin.flush()
        with contextlib.suppress(OSError, ValueError):
            stdin.close()

    def _read(self, reader: int) -> None:
        """Pass on the answers of the process, until it has ended."""
        done = False
        try:
            with os.fdopen(reader, "rb") as answers:
                for line in answers:
                    answer = msgspec.json.decode(line, type=TrackerAnswer)
                    done = done or answer.done
                    if answer.link is not None:
                        self.has_link = True
                        self._on_link(self.tracker, answer.link)
                    if answer.warning:
                        self.has_warned = True
                        self._on_warning(answer.warning)
                        _limit_ended(self.tracker)
            status = self._popen.wait()
            if not done and not self.has_warned and not self._is_abandoned:
                self._on_warning(f"{TRACKER_TITLES[self.tracker]}: its process {describe_exit(status)}")
        except Exception:
            logger.exception("The answers of %s cannot be processed", TRACKER_TITLES[self.tracker])
        finally:
            with _running_lock:
                _running.discard(self)


class RunTrackers:
    """The trackers of one run. `on_link` and `on_warning` are called in threads, also after the end of the run."""

    def __init__(
        self,
        settings: Settings,
        on_link: Callable[[str, RunLink], None],
        on_warning: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._on_link = on_link
        self._on_warning = on_warning
        self._processes: list[TrackerProcess] = []
        self._begun = False
        self._early_params: dict[str, str] = {}

    def begin(self, describe: Callable[[str], RunDescription]) -> None:
        """Start the trackers' processes, once. `describe` returns the description of the run for a tracker."""
        if self._begun:
            return
        self._begun = True
        for tracker in self._settings.trackers.names:
            description = describe(tracker)
            _abandon_earlier_try(tracker, description.job)
            try:
                process = TrackerProcess(
                    tracker, description.job, self._settings, self._on_link, self._on_warning
                )
            except (OSError, BackendError) as error:
                self._on_warning(f"{TRACKER_TITLES[tracker]}: its process cannot be started: {error}")
                continue
            self._processes.append(process)
            process.send(TrackerMessage(begin=description))
        if self._early_params:
            self.log(params=self._early_params)

    @property
    def are_running(self) -> bool:
        """Whether a tracker's process was started."""
        return bool(self._processes)

    def log(self, *, point: dict[str, Any] | None = None, params: dict[str, str] | None = None) -> None:
        """Send a point of metrics, or parameters; parameters from before `begin` are sent with it."""
        if params and not self._begun:
            self._early_params |= params
        self._send(TrackerMessage(point=point, params=params))

    def end(self, result: RunResult) -> None:
        """Send the end of the run; the processes deliver it in the background."""
        self._send(TrackerMessage(end=result))
        for tracker in {process.tracker for process in self._processes}:
            _limit_ended(tracker)

    def _send(self, message: TrackerMessage) -> None:
        for process in self._processes:
            process.send(message)


def _abandon_earlier_try(tracker: str, job: str) -> None:
    """End the processes of earlier tries of a job whose run is not in the tracker, so that the job gets one run."""
    for process in _processes_of(tracker):
        if process.job == job and not process.has_link:
            process.abandon("it was not reached before the training was tried again")


def _limit_ended(tracker: str) -> None:
    """End processes of ended runs beyond MAX_ENDED: first those that have not reached the tracker, then the oldest."""
    latest = time.monotonic() - END_GRACE
    ended = [process for process in _processes_of(tracker) if process.ended is not None]
    ended.sort(key=lambda process: (process.has_link, process.ended))
    for process in ended[: max(0, len(ended) - MAX_ENDED)]:
        is_away = process.has_warned and not process.has_link
        if is_away or (process.ended is not None and process.ended <= latest):
            process.abandon(f"{MAX_ENDED} other trainings wait for it")


def _processes_of(tracker: str) -> "list[TrackerProcess]":
    with _running_lock:
        return [process for process in _running if process.tracker == tracker]


def wait_for_trackers(seconds: float) -> None:
    """Wait until the trackers' processes have delivered what ended runs logged, for at most `seconds`."""
    deadline = time.monotonic() + seconds
    with _running_lock:
        processes: Sequence[TrackerProcess] = list(_running)
    for process in processes:
        process.wait(deadline - time.monotonic())
