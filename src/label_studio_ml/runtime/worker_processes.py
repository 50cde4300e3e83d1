"""Start, restart and stop training workers as processes, and write their output to logs/rq.log."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.monitoring.logs import RotatingFile
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.interpreter import command
from label_studio_ml.storage.retries import pause_after
from label_studio_ml.training.scheduling.failure_notices import read_notice
from label_studio_ml.user_code.installed_packages import check_training

logger = logging.getLogger(__name__)

#: Seconds before a worker that ends soon after its start is restarted: at first, and after repeated early ends.
FIRST_PAUSE, MAX_PAUSE = 1.0, 10.0
#: Seconds that a worker has to end after SIGTERM, in addition to the grace period of a running training.
STOP_GRACE = 10.0


class WorkerKeeper:
    """One worker process. `tick` starts it if it does not run; `terminate` and `wait` end it."""

    def __init__(self, log: "Callable[[bytes], None]", *, delay: float = 0.0) -> None:
        self._log = log
        self._delay = delay
        self._process: subprocess.Popen[bytes] | None = None
        self._log_thread: threading.Thread | None = None
        self._started = 0.0
        self._failures = 0

    def tick(self, settings: Settings, arguments: Sequence[str] = ()) -> None:
        """Start the worker with `settings` if it does not run; the pause before a restart grows with quick failures."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is not None:
            ended_early = now - self._started < 10
            self._failures = self._failures + 1 if ended_early else 0
            status = self._process.returncode
            log = logger.error if status else logger.info
            log("The training worker %s; see logs/rq.log", describe_exit(status))
            self._process = None
            self._started = now
        if self._process is None:
            self._started = self._started or now
            pause = self._delay
            if self._failures:
                pause = pause_after(self._failures, first=FIRST_PAUSE, longest=MAX_PAUSE)
            if now - self._started >= pause:
                self._start(settings, arguments)

    def _start(self, settings: Settings, arguments: Sequence[str]) -> None:
        process = subprocess.Popen(
            command(settings, "label_studio_ml.runtime.worker_main", "--parent", os.getpid(), *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=settings.child_env(),
            process_group=0,  # Ctrl-C goes to the starter, which ends the worker
        )
        self._process = process
        self._log_thread = threading.Thread(
            target=self._copy, args=(process,), daemon=True, name="worker-log"
        )
        self._log_thread.start()
        self._started = time.monotonic()

    def _copy(self, process: "subprocess.Popen[bytes]") -> None:
        """Pass each line of the worker's output to `log`."""
        if process.stdout is not None:
            with process.stdout as lines:
                for line in lines:
                    self._log(line)

    def terminate(self, *, at_once: bool = False) -> None:
        """Send SIGTERM to the worker; `at_once` gives a running training no grace period, as at its server's end."""
        if self._process is None:
            return
        if at_once and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until the worker has ended, or kill it at `deadline` (monotonic clock)."""
        process = self._process
        if process is None:
            return
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if self._log_thread is not None:
            self._log_thread.join(1.0)


class Workers:
    """The workers of one server, or of one `label-studio-ml worker`. `echo` copies their output to standard error."""

    def __init__(self, settings: Settings, count: int, *, delay: float = 0.0, echo: bool = False) -> None:
        self._settings = settings
        self._echo = echo
        self._writing = threading.Lock()
        self._file: RotatingFile | None = None
        self._last_error = ""
        self._checked = False
        self._can_run = True
        self._keepers = [WorkerKeeper(self._write, delay=delay) for _ in range(count)]
        self._at_once = False

    def tick(self, settings: Settings, arguments: Sequence[str] = ()) -> None:
        """Start workers that do not run. If training is impossible here, log why once and start none."""
        if not self._checked:
            self._checked = True
            try:
                check_training()
            except SettingsError as error:
                logger.error("%s", error)
                self._can_run = False
        if not self._can_run:
            return
        for keeper in self._keepers:
            keeper.tick(settings, arguments)

    def skip_grace(self) -> None:
        """Make `stop` end a running training without its grace period."""
        self._at_once = True

    def stop(self) -> None:
        """Stop all workers; a running training has the settings' grace period to end by itself."""
        for keeper in self._keepers:
            keeper.terminate(at_once=self._at_once)
        deadline = time.monotonic() + self._settings.grace + STOP_GRACE
        for keeper in self._keepers:
            keeper.wait(deadline)

    def _write(self, line: bytes) -> None:
        if (notice := read_notice(line)) is not None:
            if not self._echo:  # with echo, the worker's output is shown anyway
                logger.log(notice.level, "%s", notice.text)
            return
        with self._writing:
            if self._echo:
                sys.stderr.buffer.write(line)
                sys.stderr.flush()
            try:
                if self._file is None:
                    self._file = RotatingFile(self._settings.log_dir / "rq.log")
                self._file.write(line)
            except OSError as error:
                if str(error) != self._last_error:
                    logger.error("logs/rq.log cannot be written: %s", error)
                    self._last_error = str(error)
