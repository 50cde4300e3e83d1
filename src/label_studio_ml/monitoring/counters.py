"""In-memory counters of one server, kept in plain dictionaries and lists and updated on one event loop.

prometheus-client's own counters take a lock for each step; these cost a tenth of that. `exposition` converts them to
prometheus-client's metric families when the metrics are read.
"""

import socket
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from label_studio_ml.monitoring.error_groups import ErrorGroups

#: Upper bounds of the histogram buckets, in seconds and in tasks.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)
TASKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

#: Number of kinds of invalid predictions that are counted by name.
MAX_KINDS = 20


class Histogram:
    """The number of observed values in each bucket, and their sum; the last count is of values above all bounds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Add one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Counts:
    """Counters of one server since it started, and its errors that are not published yet (`failures`)."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, Histogram] = {}
        self.batches = Histogram(TASKS)
        self.predicted_tasks = 0
        self.events = 0
        self.restarts = 0
        self.superseded = 0
        self.invalid_predictions = 0
        self.repaired_predictions = 0
        self.invalid_kinds: dict[str, int] = {}
        self.errors: dict[str, int] = {"broker": 0, "store": 0, "model": 0, "overload": 0, "deadline": 0}
        self.failures = ErrorGroups(socket.gethostname())

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request to `route` that was answered with `status` after `seconds`."""
        key = (route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        histogram = self.seconds.get(route)
        if histogram is None:
            histogram = self.seconds[route] = Histogram(SECONDS)
        histogram.observe(seconds)

    def invalid(self, kinds: Mapping[str, int], repaired: int = 0) -> None:
        """Count predictions that Label Studio cannot show, in part or at all.

        `kinds` maps each kind of problem to a count. After 20 kinds, further ones are added to the total only.
        `repaired` is the number of predictions that were changed.
        """
        self.repaired_predictions += repaired
        for kind, count in kinds.items():
            self.invalid_predictions += count
            if kind in self.invalid_kinds or len(self.invalid_kinds) < MAX_KINDS:
                self.invalid_kinds[kind] = self.invalid_kinds.get(kind, 0) + count

    def error(self, kind: str) -> None:
        """Count a failure of the part `kind`, such as "broker", "store" or "model"."""
        self.errors[kind] = self.errors.get(kind, 0) + 1
