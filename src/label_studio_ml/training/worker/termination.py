"""Stop a training process: ask it to stop, send SIGTERM after the grace period, and SIGKILL 5 s later."""

import signal
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Literal

from label_studio_ml.errors import BackendError
from label_studio_ml.processes.exit_status import signal_name

#: Seconds between SIGTERM and SIGKILL.
TERM_GRACE = 5.0


class Ended(BackendError):
    """A run was stopped: `state` is its job's final state, `ending` describes how the process ended."""

    code = "LSML-E652"

    def __init__(self, state: Literal["cancelled", "failed"], message: str, ending: str) -> None:
        super().__init__(message)
        self.state = state
        self.ending = ending

    @property
    def fields(self) -> dict[str, object]:
        """The fields of the job's record."""
        error = {"error": str(self), "error_code": self.code} if self.state == "failed" else {}
        return {"state": self.state, "ending": self.ending, **error}


class Stage(Enum):
    """How far the stop of a run has come: ASKED, then TERMINATED by SIGTERM, then KILLED by SIGKILL."""

    ASKED = auto()
    TERMINATED = auto()
    KILLED = auto()


class Termination:
    """The stages that stop one run, from the request to SIGKILL.

    `cause` is empty for a cancelled run, else the limit that the run exceeded. `request_stop` requests the run to stop
    and is called at once; `kill` sends a signal to the run's process group. `grace` is the time in seconds before
    SIGTERM.
    """

    def __init__(
        self, cause: str, grace: float, request_stop: Callable[[], None], kill: Callable[[int], None]
    ) -> None:
        self._cause = cause
        self._grace = grace
        self._kill = kill
        self._began = time.monotonic()
        self._stage = Stage.ASKED
        request_stop()

    def step(self) -> None:
        """Send the signal that is due by now, if there is one. Call this repeatedly until the run has ended."""
        elapsed = time.monotonic() - self._began
        if self._stage is Stage.ASKED and elapsed >= self._grace:
            self._stage = Stage.TERMINATED
            self._kill(signal.SIGTERM)
        if self._stage is Stage.TERMINATED and elapsed >= self._grace + TERM_GRACE:
            self._stage = Stage.KILLED
            self._kill(signal.SIGKILL)

    def returned(self, error: str) -> Ended:
        """Return the exception for a run that sent its outcome; `error` is what its fit raised, empty if nothing."""
        return self._ended(
            (f"fit raised {error}" if error else "fit returned by itself") + self._signal_suffix
        )

    def died(self, status: int) -> Ended:
        """Return the exception for a process that ended with `status`, negative for a signal."""
        if status < 0:
            return self._ended(f"ended by {signal_name(-status)}")
        return self._ended(f"its process ended with status {status}{self._signal_suffix}")

    def stopped(self) -> Ended:
        """Return the exception for a run that was being stopped when its worker was told to stop."""
        return self._ended("ended with its worker")

    @property
    def _signal_suffix(self) -> str:
        return "" if self._stage is Stage.ASKED else " after SIGTERM"

    def _ended(self, ending: str) -> Ended:
        if self._cause:
            return Ended("failed", f"{self._cause}: {ending}", ending)
        return Ended("cancelled", f"cancelled: {ending}", ending)
