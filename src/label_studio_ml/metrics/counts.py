"""Numbers that one server keeps of itself: plain dictionaries and lists on one event loop.

prometheus-client's own counters take a lock for each step; these cost a tenth, and are turned into its families when
somebody asks (`exposition`).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

#: Upper bounds of the histograms' buckets: seconds, and tasks.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)
TASKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

#: Kinds of invalid predictions that are kept by name.
MOST_KINDS = 20


class Histogram:
    """How many observed values fell into each bucket, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Take in one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Counts:
    """What one server has done since it started."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, Histogram] = {}
        self.batches = Histogram(TASKS)
        self.predicted_tasks = 0
        self.events = 0
        self.spooled_events = self.refused_events = 0
        self.restarts = 0
        self.invalid_predictions = 0
        self.invalid_kinds: dict[str, int] = {}
        self.errors: dict[str, int] = {"broker": 0, "store": 0, "model": 0, "overload": 0, "deadline": 0}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        key = (route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        histogram = self.seconds.get(route)
        if histogram is None:
            histogram = self.seconds[route] = Histogram(SECONDS)
        histogram.observe(seconds)

    def invalid(self, kinds: Mapping[str, int]) -> None:
        """Count predictions that the label config does not allow, by kind; beyond 20 kinds, only their number."""
        for kind, count in kinds.items():
            self.invalid_predictions += count
            if kind in self.invalid_kinds or len(self.invalid_kinds) < MOST_KINDS:
                self.invalid_kinds[kind] = self.invalid_kinds.get(kind, 0) + count

    def error(self, kind: str) -> None:
        """Count a failure of the part `kind`."""
        self.errors[kind] = self.errors.get(kind, 0) + 1
