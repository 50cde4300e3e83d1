"""The parent's side of a training process: start the child, renew the lease, read its reports, and always end it."""

import contextlib
import logging
import signal
import socket
import subprocess
import threading
import time
from enum import Enum, auto

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.model_calls.project_login import studio_login
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.guard import kill_group
from label_studio_ml.processes.interpreter import command
from label_studio_ml.processes.orphans import GuardedProcess
from label_studio_ml.support.url_secrets import secrets_of
from label_studio_ml.trackers.credentials import tracker_secrets
from label_studio_ml.training.process.messages import (
    CANCEL_GRACE,
    COMPARISON_TIMEOUT,
    STOP,
    Limits,
    RunMessage,
    send_request,
)
from label_studio_ml.training.process.run_request import Outcome, RunRequest
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.run_log import RunLog, Scrubber
from label_studio_ml.training.scheduling.lease import RENEWAL_FRACTION, Lease, LeaseLost
from label_studio_ml.training.worker.job_reporter import JobReporter
from label_studio_ml.training.worker.termination import TERM_GRACE, Termination
from label_studio_ml.training.worker.tracked_job import TrackedJob

logger = logging.getLogger(__name__)

#: Fraction of the lease's duration after which the guard ends a run whose worker is silent.
GUARD_FRACTION = 2 / 3
#: Longest pause in seconds between two checks of limits, lease and cancellation.
_CHECK_INTERVAL = 0.25
#: Seconds that a comparison has to end by itself after its limit.
_COMPARISON_GRACE = 60.0
#: Limit in seconds for loading the model if `fit_timeout` is set; a longer `fit_timeout` applies to loading too.
_LOADING_TIMEOUT = 600.0
#: What the record of a run says whose worker was told to stop.
_STOPPED_MESSAGE = "the worker was stopped"


class TrainingInterrupted(BackendError):
    """The worker was told to stop; the events stay in the event queue for the next worker."""

    code = "LSML-E651"


class Crashed(BackendError):
    """The run's process ended without an outcome."""

    code = "LSML-E650"


class Phase(Enum):
    """What a run is doing. Each phase has a time limit of its own."""

    LOADING = auto()
    FITTING = auto()
    COMPARING = auto()


class RunProcess:
    """One training run in a child process. `stopping` is set when the worker is to end: `run` then ends the child.

    `tracked` gets the run's reports.
    """

    def __init__(
        self,
        settings: Settings,
        request: RunRequest,
        lease: Lease,
        stopping: threading.Event,
        job_store: JobStore,
        tracked: TrackedJob,
    ) -> None:
        self._settings = settings
        self._request = request
        self._tracked = tracked
        self._lease = lease
        self._stopping = stopping
        self._job_store = job_store
        self._limits = Limits(
            fit_timeout=settings.fit_timeout or 0.0,
            cancel_grace=CANCEL_GRACE if settings.cancel_grace is None else settings.cancel_grace,
        )
        self._phase = Phase.LOADING
        self._began = self._renewed = 0.0  # when the phase began, and when the lease was last renewed

    def run(self) -> Outcome:
        """Run the training and return its outcome. The process has ended when this returns or raises.

        Raises Crashed if the process ended without an outcome, Ended if the run was cancelled or exceeded a limit,
        LeaseLost, and TrainingInterrupted if the worker is to stop.
        """
        job = self._request.job
        scrubber = Scrubber(self._secrets())
        self._lease.renew()
        log = RunLog(self._settings.log_dir / "jobs" / f"{job}.log", scrubber)
        with (
            JobReporter(self._job_store, job, log.tail, scrubber) as record,
            log,
            self._tracked.logging_to(log, scrubber),
            _Process(self._settings, log, self._lease.seconds * GUARD_FRACTION) as process,
        ):
            outcome = self._watch(process, record)
        refused = scrubber.text(outcome.refused)
        self._job_store.on_login(self._request.spec.project.uid, job, refused, not outcome.error)
        if record.cancelled.is_set():  # cancelled while the run was ending by itself
            raise self._ending("", process).returned(outcome.error)
        return msgspec.structs.replace(
            outcome, error=scrubber.text(outcome.error), trace=scrubber.text(outcome.trace)
        )

    def _secrets(self) -> list[str]:
        project = self._request.spec.project
        return [
            *(self._settings.studio_api_key, self._settings.basic_auth_pass),
            *secrets_of(self._settings.redis_url),
            *(project.access_token, studio_login(project, self._settings)[1]),
            *tracker_secrets(),
        ]

    def _watch(self, process: "_Process", record: JobReporter) -> Outcome:
        """Send the request and wait for the outcome; meanwhile renew the lease and report each renewal to the guard."""
        connection = process.connection
        connection.settimeout(min(_CHECK_INTERVAL, self._lease.seconds * RENEWAL_FRACTION))
        request = msgspec.json.encode(self._request)
        threading.Thread(target=_send, args=(connection.dup(), request), daemon=True).start()
        self._began = self._renewed = time.monotonic()
        received = b""
        ending: Termination | None = None
        while True:
            if self._stopping.is_set():
                raise ending.stopped() if ending else TrainingInterrupted(_STOPPED_MESSAGE)
            self._renew_lease(process)
            ending = ending or self._begin_ending(process, record)
            if ending is not None:
                ending.step()
            data = process.receive()
            if data is None:
                continue
            if not data:
                raise self._died(process, ending)
            *lines, received = (received + data).split(b"\n")
            for line in lines:
                outcome = self._process_line(line, record)
                if outcome is not None:
                    self._lease.renew()
                    if ending is not None:
                        raise ending.returned(outcome.error)
                    return outcome

    def _renew_lease(self, process: "_Process") -> None:
        """Renew the lease if it is time, and report it to the guard. Raises LeaseLost."""
        now = time.monotonic()
        if now - self._renewed < self._lease.seconds * RENEWAL_FRACTION:
            return
        self._renewed = now
        # If this process was suspended during the call, the lease may have expired by now.
        if self._lease.renew() and time.monotonic() - now < 1.0:
            process.report_renewal()

    def _begin_ending(self, process: "_Process", record: JobReporter) -> Termination | None:
        """Begin to stop the run if it was cancelled or exceeds a limit; return None if it may go on."""
        if record.cancelled.is_set():
            return self._ending("", process)
        exceeded = self._exceeded_limit()
        return self._ending(exceeded, process) if exceeded else None

    def _exceeded_limit(self) -> str:
        """Return a message that names the limit that the run exceeds, empty if it exceeds none."""
        timeout, elapsed = self._limits.fit_timeout, time.monotonic() - self._began
        if self._phase is Phase.COMPARING:
            exceeded = elapsed >= COMPARISON_TIMEOUT + _COMPARISON_GRACE
            return f"comparing the versions took longer than {COMPARISON_TIMEOUT:g} s" if exceeded else ""
        if not timeout:
            return ""
        if self._phase is Phase.FITTING:
            return f"fit ran longer than {timeout:g} s (fit_timeout)" if elapsed >= timeout else ""
        limit = max(timeout, _LOADING_TIMEOUT)
        return f"loading the model took longer than {limit:g} s" if elapsed >= limit else ""

    def _died(self, process: "_Process", ending: Termination | None) -> BackendError:
        """Return the exception for a run whose process has ended without an outcome. Raises LeaseLost."""
        status = process.status()
        if ending is not None and status is not None:
            return ending.died(status)
        if not self._lease.renew():  # the guard ends the run after failed renewals: that is no crash
            return LeaseLost("Redis was unavailable while its process ended; the training will run again")
        return Crashed(
            f"the training process {describe_exit(status)} in fit; its log is logs/jobs/{self._request.job}.log"
        )

    def _process_line(self, line: bytes, record: JobReporter) -> Outcome | None:
        """Process one line that the run sent; return the outcome if the line holds it, else None."""
        message = msgspec.json.decode(line, type=RunMessage)
        if message.limits is not None:
            self._limits = message.limits
        if message.begins:
            self._begin(Phase.FITTING)
        if message.compares:
            self._begin(Phase.COMPARING)
        record.add_report(message)
        self._tracked.observe(message, self._request)
        return msgspec.json.decode(message.outcome, type=Outcome | None)

    def _begin(self, phase: Phase) -> None:
        self._phase, self._began = phase, time.monotonic()

    def _ending(self, cause: str, process: "_Process") -> Termination:
        logger.info("Job %s is to end: %s", self._request.job, cause or "cancelled")
        return Termination(cause, self._limits.cancel_grace, process.request_stop, process.kill)


class _Process:
    """Context manager of the run's process and its guard; its exit ends both and all processes they started."""

    def __init__(self, settings: Settings, log: RunLog, guard_timeout: float) -> None:
        self.connection, child_end = socket.socketpair()
        self._guard, guard_end = socket.socketpair()
        self._guard.setblocking(False)
        self._run_pid = 0
        with child_end, guard_end:
            descriptors = [child_end.fileno(), guard_end.fileno()]
            self._guarded = GuardedProcess(
                command(
                    settings, "label_studio_ml.training.process.training_process", *descriptors, guard_timeout
                ),
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=log.writer,
                stderr=log.writer,
                env={**settings.child_env(), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        self.popen = self._guarded.popen
        log.close_writer()

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(0.5)
        if self.popen.poll() is None:
            self.kill(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(TERM_GRACE)
        self.kill(signal.SIGKILL)
        self._guard.close()
        self.connection.close()
        self.popen.wait()
        self._guarded.ended()

    def receive(self) -> bytes | None:
        """Return what the run has sent; None if it has sent nothing for a while, empty if it has ended."""
        try:
            return self.connection.recv(1 << 20)
        except TimeoutError:
            # If the run has ended, a process that it started may keep the socket open.
            return None if self.popen.poll() is None else b""
        except OSError:
            return b""

    def report_renewal(self) -> None:
        """Report to the guard that the lease was renewed."""
        with contextlib.suppress(OSError):
            self._guard.send(b"\n")

    def request_stop(self) -> None:
        """Ask the run to stop."""
        with contextlib.suppress(OSError):
            self.connection.sendall(STOP)

    def kill(self, number: int) -> None:
        """Send signal `number` to the run's process group; after SIGKILL, the guard ends with the run."""
        with contextlib.suppress(OSError, ValueError):
            self._run_pid = self._run_pid or int(self._guard.recv(64))
        if self._run_pid:
            kill_group(self._run_pid, number)
        elif self.popen.poll() is None:  # the guard has not forked the run yet
            self.popen.kill()

    def status(self) -> int | None:
        """Return the run's exit status, negative for a signal; None if it has not ended after 5 s."""
        try:
            return self.popen.wait(5)
        except subprocess.TimeoutExpired:
            return None


def _send(connection: socket.socket, request: bytes) -> None:
    with connection:
        connection.settimeout(None)
        send_request(connection, request)
