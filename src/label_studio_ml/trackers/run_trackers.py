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
from label_studio_ml.trackers.gaps import NOT_REACHED, GapList
from label_studio_ml.trackers.messages import (
    Gap,
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

#: Called with a tracker's name, where it has the run (None if it has nothing of it), and what is missing there.
OnState = Callable[[str, RunLink | None, Gap], None]

#: Seconds that a worker that ends takes to note what may be missing in trackers.
_LEAVE_TIME = 3.0
#: The processes of trackers that have not ended, of all runs of this worker.
_running: set["TrackerProcess"] = set()
_running_lock = threading.Lock()


class TrackerProcess:
    """The process of `tracker` for one run of `job`.

    `on_state` is called in a thread, first when nothing is in the tracker yet, then with each change until the process
    has ended. `on_warning` is called in this or another thread.
    """

    def __init__(
        self,
        tracker: str,
        job: str,
        settings: Settings,
        on_state: OnState,
        on_warning: Callable[[str], None],
    ) -> None:
        """Start the process. Raises OSError and InterpreterError."""
        self.tracker = tracker
        self.job = job
        #: Whether it has sent a warning.
        self.has_warned = False
        #: Whether another process continues the run, for a later try of the job.
        self.is_superseded = False
        #: When the run ended, on the clock of `time.monotonic`; None while it goes on.
        self.ended: float | None = None
        self._on_state = on_state
        self._on_warning = on_warning
        self._link: RunLink | None = None
        self._gap = NOT_REACHED
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._has_dropped = False
        self._abandoned_for = ""
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

    @property
    def has_link(self) -> bool:
        """Whether the run is in the tracker."""
        return self._link is not None

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
        if self._abandoned_for or self._popen.poll() is not None:
            return
        self._abandoned_for = cause
        kill_group(self._popen.pid, signal.SIGKILL)
        self._on_warning(f"{TRACKER_TITLES[self.tracker]}: {cause}; what did not reach it is missing there")

    def wait(self, seconds: float) -> None:
        """Wait until everything is delivered, for at most `seconds`."""
        self._thread.join(max(0.0, seconds))

    def leave(self) -> None:
        """Note that nobody will read the answers of this process, which goes on for a while: the worker ends."""
        if self._popen.poll() is not None:
            return
        is_reached = self._link is not None or self._gap != NOT_REACHED
        import_time = "" if is_reached else ", or after its package is imported,"
        cause = f"the worker ended; what did not reach it within a minute after that{import_time} is missing there"
        self._on_warning(f"{TRACKER_TITLES[self.tracker]}: {cause}")
        gaps = GapList()
        if self._gap.problem and self._gap != NOT_REACHED:
            gaps.lose(self._gap.problem, self._gap.fix)
        gaps.lose(cause)
        self._gap = gaps.gap()
        self._report_state()

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
            self._report_state()
            with os.fdopen(reader, "rb") as answers:
                for line in answers:
                    answer = msgspec.json.decode(line, type=TrackerAnswer)
                    done = done or answer.done
                    self._take(answer)
            self._note_end(self._popen.wait(), done=done)
        except Exception:
            logger.exception("The answers of %s cannot be processed", TRACKER_TITLES[self.tracker])
        finally:
            with _running_lock:
                _running.discard(self)

    def _take(self, answer: TrackerAnswer) -> None:
        """Pass on one answer."""
        if answer.link is not None:
            self._link, self._gap = answer.link, Gap()
        if answer.gap is not None:
            self._gap = answer.gap
        if answer.link is not None or answer.gap is not None:
            self._report_state()
        if answer.warning:
            self.has_warned = True
            self._on_warning(answer.warning)
            _limit_ended(self.tracker)

    def _note_end(self, status: int, *, done: bool) -> None:
        """Pass on what is missing after the end of the process: whatever was left, unless it was `done`."""
        cause = self._abandoned_for or f"its process {describe_exit(status)}"
        if not done and not self._abandoned_for and not self.has_warned:
            self._on_warning(f"{TRACKER_TITLES[self.tracker]}: {cause}")
        reported = Gap() if self._gap == NOT_REACHED else self._gap
        has_given_up = status == 1 and bool(reported.problem)
        gaps = GapList()
        if reported.problem:
            gaps.lose(reported.problem, reported.fix)
        if self._has_dropped:
            gaps.lose("its process took nothing for a while; metrics are left out")
        if not done and not has_given_up:
            gaps.lose(f"{cause}; what did not reach it is missing there")
        self._gap = gaps.gap()
        self._report_state()

    def _report_state(self) -> None:
        if not self.is_superseded:
            self._on_state(self.tracker, self._link, self._gap)


class RunTrackers:
    """The trackers of one run. `on_state` and `on_warning` are called in threads, also after the end of the run."""

    def __init__(
        self,
        settings: Settings,
        on_state: OnState,
        on_warning: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._on_state = on_state
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
                    tracker, description.job, self._settings, self._on_state, self._on_warning
                )
            except (OSError, BackendError) as error:
                cause = f"its process cannot be started: {error}"
                self._on_warning(f"{TRACKER_TITLES[tracker]}: {cause}")
                state = (tracker, None, Gap(problem=cause))
                threading.Thread(target=self._on_state, args=state, daemon=True).start()
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
    """End the processes of earlier tries of a job whose run is not in the tracker, so that the job gets one run.

    The others go on with what they have to deliver, but the job's record, and in MLflow the run's status
    (`MlflowRun.log_result`), are left to the process of the new try.
    """
    for process in _processes_of(tracker):
        if process.job == job:
            process.is_superseded = True
            if not process.has_link:
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
    """Wait until the trackers' processes have delivered what ended runs logged, for at most `seconds`.

    Of those that have not, it is noted that their runs may lack something: the worker, which ends, will not know. That
    takes _LEAVE_TIME at most, also if Redis is away.
    """
    deadline = time.monotonic() + seconds
    with _running_lock:
        processes: Sequence[TrackerProcess] = list(_running)
    for process in processes:
        process.wait(deadline - time.monotonic())
    threads = [threading.Thread(target=process.leave, daemon=True) for process in processes]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _LEAVE_TIME
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
