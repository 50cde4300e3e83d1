"""Deliver one run to its tracker: buffer what the tracker has not taken, and try again with growing pauses.

Nothing here waits for the tracker but the call that is under way; `tracker_process` limits its time.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from label_studio_ml.storage.retries import pause_after
from label_studio_ml.support.texts import plural, shell_command
from label_studio_ml.trackers.credentials import redacted
from label_studio_ml.trackers.messages import RunDescription, RunLink, RunResult, TrackerAnswer
from label_studio_ml.trackers.tracked_run import Refused, TrackedRun
from label_studio_ml.training.metric_history import MAX_POINTS, History

#: Seconds between two deliveries.
FLUSH_INTERVAL = 1.0
#: Seconds before the second try after a failure, and the longest pause between two tries.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
#: The longest pause once the run has ended.
_LONGEST_PAUSE_AT_END = 5.0
#: The most points in one call.
_POINTS_PER_CALL = 500
#: Longest warning in characters.
_MAX_WARNING = 500


class Delivery:
    """What one run still has to deliver to its tracker. `title` is the tracker's name for people.

    `open_run` starts the run in the tracker. `answer` is called with the run's link and with warnings. Points are
    thinned out if more than MAX_POINTS of them wait (`History`).
    """

    def __init__(
        self,
        title: str,
        open_run: Callable[[RunDescription], TrackedRun],
        answer: Callable[[TrackerAnswer], None],
        description: RunDescription,
    ) -> None:
        self._title = title
        self._open_run = open_run
        self._answer = answer
        self._description = description
        self._run: TrackedRun | None = None
        self._link: RunLink | None = None
        self._params = dict(description.params)
        self._points = History()
        self._unsent: list[dict[str, Any]] = []
        self._logged_metrics: dict[str, object] = {}
        self._end: RunResult | None = None
        self._failures = 0
        self._next_try = 0.0
        self._warned: set[str] = set()
        self._without_package = False
        self._has_files = False
        #: Whether nothing is left to deliver, or nothing can be.
        self.done = False

    def add_point(self, point: dict[str, Any]) -> None:
        """Add a point of metrics."""
        self._points.add(point)
        self._logged_metrics.update(point)

    def add_params(self, params: dict[str, str]) -> None:
        """Add parameters."""
        self._params |= params

    def end(self, result: RunResult) -> None:
        """Add the end of the run, and with it the metrics that were not logged, such as those that `fit` returned."""
        rest = {
            name: value
            for name, value in result.metrics.items()
            if value is not None and self._logged_metrics.get(name) != value
        }
        if rest:
            self.add_point({"time": _now(), **rest})
        self._params |= result.params
        self._end = result
        self._next_try = 0.0

    def step(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Deliver what there is, unless a pause after a failure is not over. Raises nothing."""
        if self.done or clock() < self._next_try:
            return
        if self._without_package:
            self.done = self._end is not None
            return
        try:
            self._deliver()
            self._failures = 0
        except ModuleNotFoundError as error:
            self._without_package = True
            package = error.name or ""
            command = shell_command("pip", "install", package)
            self._warn(f"its package {package} is not installed: {command}")
            self.done = self._end is not None
        except Exception as error:  # noqa: BLE001 - a tracker may raise anything
            self._failures += 1
            longest = _LONGEST_PAUSE if self._end is None else _LONGEST_PAUSE_AT_END
            self._next_try = clock() + pause_after(self._failures, first=_FIRST_PAUSE, longest=longest)
            self._warn(f"{_reason(error)}; the training goes on, and what is logged is sent later")

    def give_up(self) -> None:
        """Warn of what was not delivered, because there is no time left."""
        waiting = len(self._unsent) + len(self._points.points())
        points = f"{plural(waiting, 'point of metrics', 'points of metrics')} and " if waiting else ""
        self._warn(f"it did not answer in time: {points}the end of the run did not reach it")

    def _deliver(self) -> None:
        """Deliver everything that waits, in order. Raises the errors of the tracker."""
        if self._run is None:
            self._run = self._open_run(self._description)
        run = self._run
        if self._link is None:
            self._link = run.link
            self._answer(TrackerAnswer(link=self._link))
        if self._params:
            params = dict(self._params)
            self._accept(partial(run.log_params, params))
            self._params = {name: text for name, text in self._params.items() if params.get(name) != text}
        self._unsent += self._points.points()
        self._points = History()
        if len(self._unsent) > MAX_POINTS:
            self._unsent = _thinned(self._unsent)
        while self._unsent:
            part = self._unsent[:_POINTS_PER_CALL]
            self._accept(partial(run.log_points, part))
            del self._unsent[: len(part)]
        if self._end is not None:
            self._finish(run, self._end)

    def _finish(self, run: TrackedRun, result: RunResult) -> None:
        if result.folder and run.stores_files and not self._has_files:
            self._has_files = True  # one try: it may take minutes
            self._store_files(run, Path(result.folder), result)
        run.finish(result)
        self.done = True

    def _store_files(self, run: TrackedRun, folder: Path, result: RunResult) -> None:
        try:
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            if size <= result.max_bytes:
                run.log_folder(folder, result)
                return
            cause = f"they have {size >> 20:,} MiB, more than TRACKER_ARTIFACT_MB={result.max_bytes >> 20}"
        except Exception as error:  # noqa: BLE001 - a tracker may raise anything
            cause = _reason(error)
        self._warn(f"the files of version {result.version} are not stored: {cause}")

    def _accept(self, call: Callable[[], None]) -> None:
        """Make a call; values that the tracker refuses are left out with a warning."""
        try:
            call()
        except Refused as error:
            self._warn(f"it refused values, which are left out: {_reason(error)}")

    def _warn(self, text: str) -> None:
        """Send a warning in one line, once."""
        line = redacted(" ".join(f"{self._title}: {text}".split()))[:_MAX_WARNING]
        if line not in self._warned:
            self._warned.add(line)
            self._answer(TrackerAnswer(warning=line))


def _thinned(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    history = History()
    for point in points:
        history.add(point)
    return history.points()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
