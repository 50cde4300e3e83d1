"""How long the process of a tracker goes on after the end of its run, and after that of its worker.

The time until the tracker's package is imported does not count: an import on a loaded machine may take minutes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after the end of the run: `end`, or `files` once an upload has begun; `orphan` after that of the worker.

    The earliest limit counts, from the end of the import on. `imported` is the limit for the import itself, after the
    end of the run or of the worker.
    """

    end: float = 120.0
    files: float = 900.0
    orphan: float = 60.0
    imported: float = 900.0


class TimeLimit:
    """The time limit of one process. `clock` returns seconds. Safe to use from several threads."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._run_ended: float | None = None
        self._worker_ended: float | None = None
        self._imported: float | None = None

    def end_import(self) -> None:
        """Note that the tracker's package is imported, or cannot be."""
        if self._imported is None:
            self._imported = self._clock()

    @property
    def is_importing(self) -> bool:
        """Whether the tracker's package is not yet imported."""
        return self._imported is None

    def end_run(self) -> None:
        """Note that the run has ended."""
        self._run_ended = self._clock()

    def end_worker(self) -> None:
        """Note that the worker has ended, and with it the run."""
        self._worker_ended = self._clock()

    def is_exceeded(self, *, stores_files: bool) -> bool:
        """Tell whether the process has to end. `stores_files`: an upload of files has begun."""
        now = self._clock()
        ends = [end for end in (self._run_ended, self._worker_ended) if end is not None]
        if self._imported is None:
            return bool(ends) and now >= min(ends) + self._limits.imported
        if self._worker_ended is not None and now >= self._start(self._worker_ended) + self._limits.orphan:
            return True
        seconds = self._limits.files if stores_files else self._limits.end
        return self._run_ended is not None and now >= self._start(self._run_ended) + seconds

    def _start(self, end: float) -> float:
        """Return when the limit after `end` begins."""
        return max(end, self._imported or end)
