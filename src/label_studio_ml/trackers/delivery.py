"""Deliver one run to its tracker: buffer what the tracker has not taken, and try again with growing pauses.

Nothing here waits for the tracker but the call that is under way; `tracker_process` limits its time.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from label_studio_ml.storage.retries import pause_after
from label_studio_ml.support.texts import plural, shell_command
from label_studio_ml.support.url_secrets import mask_in_text
from label_studio_ml.trackers.gaps import GapList
from label_studio_ml.trackers.messages import Gap, RunDescription, RunLink, RunResult, TrackerAnswer
from label_studio_ml.trackers.tracked_run import Refused, TrackedRun, Unavailable, is_login_refused, is_outage
from label_studio_ml.training.metric_history import MAX_POINTS, History, Point, metrics_in, new_point

Item = TypeVar("Item")

#: Seconds between two deliveries.
FLUSH_INTERVAL = 1.0
#: Seconds before the second try after a failure, and the longest pause between two tries.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
#: The longest pause once the run has ended.
_LONGEST_PAUSE_AT_END = 5.0
#: The most points or parameters in one call.
_ITEMS_PER_CALL = 500
#: Errors in a row, other than outages, after which the values of a call are taken for the cause.
_MAX_ERRORS = 3
#: Longest warning in characters, and the most warnings of one run.
_MAX_WARNING, _MAX_WARNINGS = 500, 20
#: Characters of an error in a warning, so that the advice after it is not cut off.
_MAX_REASON = 250
#: A word that has a digit, such as an address in memory, a time or a request's id.
_WITH_DIGIT = re.compile(r"\w*\d\w*")


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What comes of an error: a `note` for the job's record, the end of the `warning`, and the error's own `fix`."""

    note: str
    warning: str
    fix: str = ""


_KEPT = "What the training logs stays in metrics.jsonl of its version"
_SENT_LATER = _Outlook("tried again until 2 minutes after the training", ", and what is logged is sent later")
_LOGIN_REFUSED = _Outlook(
    "the login is refused",
    f" without it: correct the login, or what it may do, and restart the worker if its environment changes. {_KEPT}",
)


def _outlook(error: Exception) -> _Outlook:
    """Return what comes of an error: most pass by themselves, but no refused login, and none with its own fix."""
    if isinstance(error, Unavailable) and error.fix:
        return _Outlook("", f" without it. {error.fix}. {_KEPT}", error.fix)
    return _LOGIN_REFUSED if is_login_refused(error) else _SENT_LATER


class Delivery:
    """What one run still has to deliver to its tracker. `title` is the tracker's name for people.

    `open_run` starts the run in the tracker. `answer` is called with the run's link, with warnings, and with what is
    missing in the tracker whenever that changes. Points are thinned out if more than MAX_POINTS wait (`History`).
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
        self._point_count = 0
        self._unsent: list[dict[str, Any]] = []
        self._logged_metrics: dict[str, object] = {}
        self._end: RunResult | None = None
        self._has_result = False
        self._failures = 0
        self._last_error, self._last_fix = "", ""
        #: Errors in a row, other than outages, of one call with the same values.
        self._errors_of_call = 0
        self._next_try = 0.0
        self._warned: set[str] = set()
        self._gaps = GapList()
        self._reported_gap = Gap()
        self._without_package = False
        #: Whether the tracker was asked to store the version's files.
        self.has_begun_files = False
        #: Whether nothing is left to deliver, or nothing can be.
        self.done = False

    def add_point(self, point: dict[str, Any]) -> None:
        """Add a point of metrics. A point without a step gets its number, from 0, as its step."""
        self._points.add({"step": self._point_count, **point})
        self._point_count += 1
        self._logged_metrics.update(metrics_in(point))

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
            self.add_point(new_point(rest))
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
            self._failures, self._last_error, self._last_fix = 0, "", ""
            self._gaps.delay("")
        except ImportError as error:
            self._without_package = True
            text, fix = _advice(error)
            self._lose(f"{text}: {fix}" if fix else text, text, fix)
            self.done = self._end is not None
        except Exception as error:  # noqa: BLE001 - a tracker may raise anything
            self._failures += 1
            longest = _LONGEST_PAUSE if self._end is None else _LONGEST_PAUSE_AT_END
            self._next_try = clock() + pause_after(self._failures, first=_FIRST_PAUSE, longest=longest)
            outlook = _outlook(error)
            self._note_error(_reason(error), outlook)
            self._warn(f"{self._last_error[:_MAX_REASON]}; the training goes on{outlook.warning}")
        self._report_gap()

    def _note_error(self, reason: str, outlook: _Outlook) -> None:
        """Note why nothing is taken now, and what comes of it.

        An error that differs from the last one only in words with digits is the same: errors of HTTP clients name the
        address of an object, which is another one for each try.
        """
        if _WITH_DIGIT.sub("#", reason) != _WITH_DIGIT.sub("#", self._last_error):
            self._last_error, self._last_fix = reason, outlook.fix
            self._gaps.delay(f"{reason} ({outlook.note})" if outlook.note else reason, outlook.fix)

    def give_up(self, *, is_importing: bool = False) -> None:
        """Warn of what was not delivered, because there is no time left. `is_importing`: its package still loads."""
        if self._has_result:
            self._lose("it did not answer in time: the files of the version may be missing there")
        else:
            waiting = len(self._unsent) + len(self._points.points())
            points = f"{plural(waiting, 'point of metrics', 'points of metrics')} and " if waiting else ""
            cause = "its package was not imported in time" if is_importing else "it did not answer in time"
            text = f"{cause}: {points}the end of the run did not reach it"
            gap = f"{text} (the last error: {self._last_error})" if self._last_error else text
            self._lose(text, gap, self._last_fix)
        self._gaps.delay("")
        self._report_gap()

    def _deliver(self) -> None:
        """Deliver everything that waits, in order. Raises the errors of the tracker."""
        if self._run is None:
            self._run = self._open_run(self._description)
        run = self._run
        if self._link is None:
            self._link = run.link
            self._answer(TrackerAnswer(link=self._link))
        self._send_params(run)
        self._unsent += self._points.points()
        self._points = History()
        if len(self._unsent) > MAX_POINTS:
            self._unsent = _thinned(self._unsent)
        self._send(self._unsent, run.log_points, _split)
        if self._end is not None:
            self._finish(run, self._end)

    def _send_params(self, run: TrackedRun) -> None:
        params, self._params = list(self._params.items()), {}
        try:
            self._send(params, lambda part: run.log_params(dict(part)))
        finally:
            self._params = dict(params)

    def _send(
        self,
        items: list[Item],
        call: Callable[[Sequence[Item]], None],
        split: Callable[[Item], list[Item]] = lambda item: [item],
    ) -> None:
        """Send `items`, and remove from the list those that are sent, and with a warning those that are refused.

        The items of a call that is refused are sent again one by one, and the parts into which `split` divides an item,
        so that none of them keeps another back. Raises the errors after which the call is to be repeated later.
        """
        single = 0
        while items:
            part = items[:1] if single else items[:_ITEMS_PER_CALL]
            try:
                call(part)
            except Exception as error:
                if not self._is_refusal(error, is_single=single > 0):
                    raise
                if len(part) > 1:
                    single = len(part)
                    continue
                if len(parts := split(part[0])) > 1:
                    items[:1] = parts
                    single = max(0, single - 1) + len(parts)
                    continue
                self._lose(f"it refused a value, which is left out: {_reason(error)}")
            self._errors_of_call = 0
            del items[: len(part)]
            single = max(0, single - 1)

    def _is_refusal(self, error: Exception, *, is_single: bool) -> bool:
        """Tell whether the values of a call are the cause of its error: it comes again and is no outage."""
        if isinstance(error, Refused) or is_outage(error):
            return isinstance(error, Refused)
        self._errors_of_call += 1
        return is_single or self._errors_of_call >= _MAX_ERRORS

    def _finish(self, run: TrackedRun, result: RunResult) -> None:
        """End the run: first its result, so that an upload that hangs does not leave it running, then the files."""
        if not self._has_result:
            try:
                run.log_result(result)
            except Refused as error:
                self._lose(f"it refused a part of the run's end, which is left out: {_reason(error)}")
            self._has_result = True
        if result.folder and run.stores_files and not self.has_begun_files:
            self.has_begun_files = True  # one try: it may take minutes
            self._store_files(run, Path(result.folder), result)
            self._remove_old_files(run, result)
        run.close(result)
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
        self._lose(f"the files of version {result.version} are not stored: {cause}")

    def _remove_old_files(self, run: TrackedRun, result: RunResult) -> None:
        try:
            run.remove_old_files(result)
        except Exception as error:  # noqa: BLE001 - a tracker may raise anything
            self._warn(f"the files of earlier versions are not removed: {_reason(error)}")

    def _lose(self, warning: str, gap: str = "", fix: str = "") -> None:
        """Send a warning, and add what it says to the gaps: as `gap`, if that is not empty."""
        self._warn(warning)
        self._gaps.lose(gap or warning, fix)

    def _report_gap(self) -> None:
        """Send what is missing in the tracker, if it is not what was sent last."""
        gap = self._gaps.gap()
        if gap != self._reported_gap:
            self._reported_gap = gap
            self._answer(TrackerAnswer(gap=gap))

    def _warn(self, text: str) -> None:
        """Send a warning in one line, once: warnings that differ in words with digits are the same."""
        line = mask_in_text(" ".join(f"{self._title}: {text}".split()))[:_MAX_WARNING]
        kind = _WITH_DIGIT.sub("#", line)
        if kind not in self._warned and len(self._warned) < _MAX_WARNINGS:
            self._warned.add(kind)
            self._answer(TrackerAnswer(warning=line))


def _split(point: Point) -> list[Point]:
    """Return a point for each metric of a point."""
    own: Point = {name: point[name] for name in ("step", "time") if name in point}
    return [{**own, name: value} for name, value in point.items() if name not in own]


def _thinned(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    history = History()
    for point in points:
        history.add(point)
    return history.points()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _advice(error: ImportError) -> tuple[str, str]:
    """Return why a package cannot be imported, and the command that installs it, empty if it may be installed."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return f"its package cannot be imported: {_reason(error)}", ""
    package = error.name.partition(".")[0]
    return f"its package {package} is not installed", shell_command("pip", "install", package)
