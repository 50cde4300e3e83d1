"""Time limit of a whole run of the checks, and what the calls of the run took."""

import time
from collections.abc import Callable

#: Seconds for all checks, unless the limit for predictions asks for more.
DEFAULT_SECONDS = 240.0
#: How many predictions that take all of their limit have time in a run.
_PREDICTIONS = 2


def default_seconds(predict: float) -> float:
    """Return the default limit of a run, for a limit of `predict` seconds for each prediction."""
    return max(DEFAULT_SECONDS, _PREDICTIONS * predict)


class OutOfTime(Exception):
    """The time limit of the run is over. The text is why the check that needed more has no outcome."""


class TimeLimit:
    """The seconds that a run may take, from the making of this object on; None: any number.

    `took` has the seconds of all calls by their method and path, such as `POST /predict`, one number for each call.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.took: dict[str, list[float]] = {}
        self._clock = clock
        self._start = clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning of the run."""
        return self._clock() - self._start

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.seconds is not None and self.elapsed >= self.seconds

    def check(self) -> None:
        """Raise OutOfTime if no time is left."""
        if self.is_over:
            raise self._over

    @property
    def _over(self) -> OutOfTime:
        return OutOfTime(f"not made: the {self.seconds:g} s of --time-limit are over")

    def allowed(self, seconds: float) -> float:
        """Return how many of the `seconds` that a call may take are left. Raises OutOfTime if there is no time left."""
        if self.seconds is None:
            return seconds
        left = self.seconds - self.elapsed
        if left <= 0:
            raise self._over
        return min(seconds, left)

    def record(self, call: str, seconds: float) -> None:
        """Note that a call took `seconds`."""
        self.took.setdefault(call, []).append(seconds)

    def interrupted(self, call: str, seconds: float) -> OutOfTime:
        """Return the error for a call that was given up after `seconds`, because the limit of the run was over."""
        return OutOfTime(
            f"not finished: the {self.seconds:g} s of --time-limit were over when {call} had taken {seconds:.0f} s"
        )
