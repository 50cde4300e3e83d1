"""The last hour of one server's counters: one sample for each 10 s, and the sums of several servers as series."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from label_studio_ml.monitoring.counters import SECONDS, Counts

#: Seconds between two samples, and the number of samples that are kept: those of one hour.
INTERVAL, KEPT = 10, 360
#: The route whose requests are counted.
ROUTE = "/predict"


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """What a server did between two samples.

    `at` is the Unix time of the sample, a multiple of INTERVAL; `seconds` the time since the sample before it.
    `requests` counts answered prediction requests, `failed` those among them with a status of 400 or more, `tasks`
    their tasks. `latencies` counts requests by the buckets of `counters.SECONDS`, without zeros at the end. `calls`
    counts calls of `predict`, `call_tasks` the tasks in them. `queue` is the largest number of queued requests that was
    observed, `in_flight` likewise of requests that were not answered yet.
    """

    at: int
    seconds: float = 0.0
    requests: int = 0
    failed: int = 0
    tasks: int = 0
    latencies: tuple[int, ...] = ()
    calls: int = 0
    call_tasks: int = 0
    queue: int = 0
    in_flight: int = 0


class _Totals(msgspec.Struct, frozen=True):
    """Totals since the server's start, from which a sample is the difference of two."""

    requests: int = 0
    failed: int = 0
    tasks: int = 0
    latencies: tuple[int, ...] = ()
    calls: int = 0
    call_tasks: int = 0

    @classmethod
    def of(cls, counts: Counts) -> "_Totals":
        """Return the totals of `counts`."""
        requests = [(status, count) for (route, status), count in counts.requests.items() if route == ROUTE]
        seconds = counts.seconds.get(ROUTE)
        return cls(
            sum(count for _, count in requests),
            sum(count for status, count in requests if status >= 400),
            counts.predicted_tasks,
            () if seconds is None else tuple(seconds.counts),
            sum(counts.batches.counts),
            round(counts.batches.sum),
        )


class CounterHistory:
    """The samples of one server. Lives on the event loop that updates the counters.

    `counts` returns the server's counters, `gauges` the present numbers of queued requests and of requests in flight.
    """

    def __init__(self, counts: Callable[[], Counts], gauges: Callable[[], tuple[int, int]]) -> None:
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self._counts = counts
        self._gauges = gauges
        self._before = _Totals.of(counts())
        self._sampled_at: float | None = None
        self._queue = self._in_flight = 0

    def observe(self) -> None:
        """Record the present gauges, of which a sample has the largest. Call it about once a second."""
        queue, in_flight = self._gauges()
        self._queue = max(self._queue, queue)
        self._in_flight = max(self._in_flight, in_flight)

    def take(self, now: float) -> Sample:
        """Append a sample at the Unix time `now`, and return it."""
        self.observe()
        totals, before = _Totals.of(self._counts()), self._before
        since = INTERVAL if self._sampled_at is None else now - self._sampled_at
        sample = Sample(
            at=round(now / INTERVAL) * INTERVAL,
            seconds=round(max(since, 0.1), 1),  # the clock may have been set back
            requests=totals.requests - before.requests,
            failed=totals.failed - before.failed,
            tasks=totals.tasks - before.tasks,
            latencies=_without_zeros(_difference(totals.latencies, before.latencies)),
            calls=totals.calls - before.calls,
            call_tasks=totals.call_tasks - before.call_tasks,
            queue=self._queue,
            in_flight=self._in_flight,
        )
        self._before, self._sampled_at = totals, now
        self._queue = self._in_flight = 0
        self.samples.append(sample)
        return sample


class Series(msgspec.Struct, frozen=True):
    """Figures of all servers over the last hour. All lists are of the same length, the oldest value first.

    `at` has Unix times; `requests` and `failed` are prediction requests a second; `median` and `p95` their latencies in
    seconds, None for a time without requests; `batch` the mean number of tasks in a call of `predict`, None without
    calls. A value is None where no server has reported.
    """

    at: list[int]
    requests: list[float | None]
    failed: list[float | None]
    median: list[float | None]
    p95: list[float | None]
    batch: list[float | None]
    queue: list[int | None]
    in_flight: list[int | None]


def series(histories: Iterable[Sequence[Sample]], now: float) -> Series:
    """Return the sums of several servers' samples for the hour before the Unix time `now`."""
    last = int(now // INTERVAL) * INTERVAL
    times = range(last - (KEPT - 1) * INTERVAL, last + 1, INTERVAL)
    by_time: dict[int, list[Sample]] = {}
    for history in histories:
        for sample in history:
            by_time.setdefault(sample.at, []).append(sample)
    points = [by_time.get(at, []) for at in times]
    latencies = [_sum(sample.latencies for sample in samples) for samples in points]
    return Series(
        at=list(times),
        requests=[_rate(samples, lambda sample: sample.requests) for samples in points],
        failed=[_rate(samples, lambda sample: sample.failed) for samples in points],
        median=[quantile(counts, SECONDS, 0.5) for counts in latencies],
        p95=[quantile(counts, SECONDS, 0.95) for counts in latencies],
        batch=[_batch(samples) for samples in points],
        queue=[sum(sample.queue for sample in samples) if samples else None for samples in points],
        in_flight=[sum(sample.in_flight for sample in samples) if samples else None for samples in points],
    )


class Summary(msgspec.Struct, frozen=True):
    """Figures of all servers over a time: as in `Series`, with the number of tasks that were predicted."""

    requests: float = 0.0
    failed: float = 0.0
    tasks: int = 0
    median: float | None = None
    p95: float | None = None
    batch: float | None = None


def summary(histories: Iterable[Sequence[Sample]], now: float, seconds: float) -> Summary:
    """Return the figures of several servers for the `seconds` before their last sample by the Unix time `now`."""
    recent = [sample for history in histories for sample in history if now - seconds - INTERVAL < sample.at]
    last = max((sample.at for sample in recent), default=0)
    samples = [sample for sample in recent if last - seconds < sample.at]
    counts = _sum(sample.latencies for sample in samples)
    return Summary(
        requests=round(sum(sample.requests for sample in samples) / seconds, 2),
        failed=round(sum(sample.failed for sample in samples) / seconds, 2),
        tasks=sum(sample.tasks for sample in samples),
        median=quantile(counts, SECONDS, 0.5),
        p95=quantile(counts, SECONDS, 0.95),
        batch=_batch(samples),
    )


def quantile(counts: Sequence[int], bounds: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of the observed values lie, estimated within its bucket.

    `counts` are those of a `Histogram` with `bounds`, zeros at the end left out. Returns None without values, and the
    largest bound for a value above it.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, below = share * total, 0
    for index, count in enumerate(counts):
        if count and below + count >= wanted:
            if index >= len(bounds):
                return float(bounds[-1])
            lower = bounds[index - 1] if index else 0.0
            return round(lower + (bounds[index] - lower) * (wanted - below) / count, 5)
        below += count
    return float(bounds[-1])


def _rate(samples: Sequence[Sample], count: Callable[[Sample], int]) -> float | None:
    if not samples:
        return None
    return round(sum(count(sample) / (sample.seconds or INTERVAL) for sample in samples), 3)


def _batch(samples: Sequence[Sample]) -> float | None:
    calls = sum(sample.calls for sample in samples)
    return round(sum(sample.call_tasks for sample in samples) / calls, 2) if calls else None


def _difference(later: Sequence[int], earlier: Sequence[int]) -> list[int]:
    missing = [0] * (len(later) - len(earlier))
    return [new - old for new, old in zip(later, [*earlier, *missing], strict=True)]


def _sum(histograms: Iterable[Sequence[int]]) -> list[int]:
    totals: list[int] = []
    for counts in histograms:
        totals += [0] * (len(counts) - len(totals))
        for index, count in enumerate(counts):
            totals[index] += count
    return totals


def _without_zeros(counts: list[int]) -> tuple[int, ...]:
    while counts and not counts[-1]:
        counts.pop()
    return tuple(counts)
