"""The end of a run that is not let run: it is asked first, then gets SIGTERM, then SIGKILL."""

import signal
import time
from collections.abc import Callable
from typing import Literal

from label_studio_ml.errors import BackendError

#: Seconds that a run has between SIGTERM and SIGKILL.
TERM_GRACE = 5.0


class Ended(BackendError):
    """A run was ended: `state` is that of its job, `ending` says how it came about."""

    def __init__(self, state: Literal["cancelled", "failed"], message: str, ending: str) -> None:
        super().__init__(message)
        self.state = state
        self.ending = ending


class Ending:
    """One run's end, from the first word to the last signal.

    `cause` is empty for a cancelled run, else says why it may not go on. `ask` asks the run to stop, `kill` sends a
    signal to it and what it started; `grace` is how many seconds lie between the two.
    """

    def __init__(
        self, cause: str, grace: float, ask: Callable[[], None], kill: Callable[[int], None]
    ) -> None:
        self._cause = cause
        self._grace = grace
        self._kill = kill
        self._began = time.monotonic()
        self._sent = 0
        ask()

    def step(self) -> None:
        """Do what is due by now."""
        passed = time.monotonic() - self._began
        if passed >= self._grace and not self._sent:
            self._sent = signal.SIGTERM
            self._kill(signal.SIGTERM)
        if passed >= self._grace + TERM_GRACE and self._sent == signal.SIGTERM:
            self._sent = signal.SIGKILL
            self._kill(signal.SIGKILL)

    def returned(self, error: str) -> Ended:
        """Return what the end is called when the run answered; `error` is what its fit raised."""
        after = " after SIGTERM" if self._sent else ""
        return self._ended(f"fit raised {error}{after}" if error else f"fit returned by itself{after}")

    def died(self, status: int) -> Ended:
        """Return what the end is called when the process ended with `status`, negative for a signal."""
        if status < 0:
            return self._ended(f"ended by {signal.Signals(-status).name}")
        after = " after SIGTERM" if self._sent else ""
        return self._ended(f"its process ended with status {status}{after}")

    def stopped(self) -> Ended:
        """Return what the end is called when the worker was told to stop meanwhile."""
        return self._ended("ended with its worker")

    def _ended(self, ending: str) -> Ended:
        if self._cause:
            return Ended("failed", f"{self._cause}: {ending}", ending)
        return Ended("cancelled", f"cancelled: {ending}", ending)
