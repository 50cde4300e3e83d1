"""Keep a run's metrics over time in bounded memory, by thinning them out.

A point has `time` (ISO 8601), optionally `step`, and its metrics by name. A metric called `time` or `step` is stored
with an underscore after its name.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

#: The file in a version's folder that holds the metrics of its run, one JSON object a line.
METRICS_FILE = "metrics.jsonl"
#: Number of points of one run above which they are thinned out.
MAX_POINTS = 10_000

Point = dict[str, Any]

#: Names of a point's own fields. Metrics of these names get an underscore, and so those that have one get another.
_OWN_FIELDS = re.compile(r"(step|time)_*")


def new_point(metrics: Mapping[str, float | None], step: float | None = None) -> Point:
    """Return a point with the current time. A step of None is left out."""
    point: Point = {} if step is None else {"step": step}
    point["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    for name, value in metrics.items():
        point[f"{name}_" if _OWN_FIELDS.fullmatch(name) else name] = value
    return point


def metrics_in(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a point by the names that `new_point` was given."""
    return {
        name[:-1] if _OWN_FIELDS.fullmatch(name) else name: value
        for name, value in point.items()
        if name not in ("step", "time")
    }


class _Series:
    """The points with one set of metric names: every `stride`-th of them, and the last."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, Point]] = []
        self.last: tuple[int, Point] | None = None
        self._stride = 1
        self._count = 0

    def add(self, number: int, point: Point) -> None:
        self.last = (number, point)
        if self._count % self._stride == 0:
            self.kept.append((number, point))
        self._count += 1

    def thin(self) -> None:
        self.kept = self.kept[::2]
        self._stride *= 2

    def points(self) -> list[tuple[int, Point]]:
        if self.last is None or (self.kept and self.kept[-1][0] == self.last[0]):
            return self.kept
        return [*self.kept, self.last]


class History:
    """The points of a run: at most `max_points` of them, and the last point of each of at most `max_points` series.

    A series has the points with the same metric names: metrics that are logged together (a loss at each step) are
    thinned independently of others (an accuracy per epoch). Beyond `max_points`, the longest series loses every second
    point; the first and the last point of a series are kept as long as the series is. Where each point has other names,
    the oldest series are removed.
    """

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        self._max_points = max_points
        self._series: dict[tuple[str, ...], _Series] = {}
        self._count = 0
        #: Number of points in the `kept` of all series.
        self._kept_points = 0

    def add(self, point: Point) -> None:
        """Add the newest point."""
        series = self._series.setdefault(tuple(sorted(point)), _Series())
        self._kept_points -= len(series.kept)
        series.add(self._count, point)
        self._kept_points += len(series.kept)
        self._count += 1
        if len(self._series) > self._max_points:
            self._kept_points -= len(self._series.pop(next(iter(self._series))).kept)
        elif self._kept_points > self._max_points:
            longest = max(self._series.values(), key=lambda series: len(series.kept))
            self._kept_points -= len(longest.kept)
            longest.thin()
            self._kept_points += len(longest.kept)

    def points(self) -> list[Point]:
        """Return the kept points, oldest first."""
        entries = [entry for series in self._series.values() for entry in series.points()]
        return [point for _, point in sorted(entries, key=lambda entry: entry[0])]

    def write(self, folder: Path) -> None:
        """Write the points to `metrics.jsonl` in `folder`, unless there are none or the user's code wrote that file."""
        path = folder / METRICS_FILE
        if self._count and not path.exists():
            path.write_bytes(b"".join(msgspec.json.encode(point) + b"\n" for point in self.points()))
