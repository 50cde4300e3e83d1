"""The last hour of a server's counters, and what several servers' histories amount to."""

from label_studio_ml.monitoring.counter_history import (
    INTERVAL,
    KEPT,
    CounterHistory,
    Sample,
    quantile,
    series,
    summary,
)
from label_studio_ml.monitoring.counters import SECONDS, Counts

NOON = 1_800_000_000


class Server:
    """Counters and gauges of a made-up server."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.queue, self.in_flight = 0, 0
        self.history = CounterHistory(lambda: self.counts, lambda: (self.queue, self.in_flight))

    def predict(self, times: int, seconds: float, status: int = 200) -> None:
        for _ in range(times):
            self.counts.request("/predict", status, seconds)
            self.counts.predicted_tasks += 2
            self.counts.batches.observe(4)


def test_a_sample_has_what_happened_since_the_one_before() -> None:
    server = Server()
    server.predict(3, 0.002)
    first = server.history.take(NOON)
    server.predict(2, 0.2)
    server.predict(1, 0.2, status=500)
    server.counts.request("/health", 200, 9.0)
    second = server.history.take(NOON + INTERVAL)
    assert (first.requests, first.failed, first.tasks) == (3, 0, 6)
    assert (second.requests, second.failed, second.tasks) == (3, 1, 6)
    assert (second.calls, second.call_tasks, second.seconds) == (3, 12, 10.0)
    assert sum(second.latencies) == 3, "requests of other routes are not counted"
    assert second.at == NOON + INTERVAL


def test_a_sample_has_the_largest_queue_that_was_observed() -> None:
    server = Server()
    server.queue, server.in_flight = 7, 9
    server.history.observe()
    server.queue, server.in_flight = 1, 2
    assert (server.history.take(NOON).queue, server.history.samples[-1].in_flight) == (7, 9)
    assert server.history.take(NOON + 10).queue == 1, "the next sample starts anew"


def test_the_history_keeps_one_hour() -> None:
    server = Server()
    for index in range(KEPT + 5):
        server.history.take(NOON + index * INTERVAL)
    assert len(server.history.samples) == KEPT
    assert server.history.samples[0].at == NOON + 5 * INTERVAL


def test_times_between_two_marks_belong_to_the_nearer_one() -> None:
    server = Server()
    assert server.history.take(NOON + 0.4).at == NOON
    assert server.history.take(NOON + 9.9).at == NOON + INTERVAL


def test_the_clock_set_back_gives_no_negative_time() -> None:
    server = Server()
    server.history.take(NOON)
    assert server.history.take(NOON - 3600).seconds > 0


def test_series_add_up_what_several_servers_did_at_the_same_time() -> None:
    one, other = Server(), Server()
    one.predict(10, 0.002)
    other.predict(30, 0.2)
    other.queue = 3
    histories = [[one.history.take(NOON)], [other.history.take(NOON)]]
    shown = series(histories, NOON + 4)
    assert len(shown.at) == KEPT
    assert shown.at[-1] == NOON
    assert shown.requests[-1] == 4.0
    assert shown.queue[-1] == 3
    assert shown.batch[-1] == 4.0
    assert shown.median[-1] is not None
    assert 0.1 < shown.median[-1] <= 0.25, "most requests took 0.2 s"
    assert shown.requests[-2] is None, "no server reported then"


def test_samples_older_than_an_hour_are_left_out() -> None:
    assert set(series([[Sample(NOON, requests=5)]], NOON + 2 * 3600).requests) == {None}


def test_summary_covers_the_last_minute() -> None:
    history = [
        Sample(NOON - 60 * i, 10.0, requests=60, tasks=120, calls=30, call_tasks=120) for i in range(9)
    ]
    now = summary([history], NOON + 5, 60.0)
    assert (now.requests, now.tasks, now.batch) == (1.0, 120, 4.0)
    assert now.median is None, "no latency was observed"


def test_quantiles_lie_within_their_bucket() -> None:
    assert quantile([], SECONDS, 0.5) is None
    assert quantile([0, 0], SECONDS, 0.5) is None
    assert quantile([4], SECONDS, 0.5) == 0.0005
    assert quantile([1, 0, 0, 1], SECONDS, 0.95) == round(0.005 + 0.005 * 0.9, 5)
    assert quantile([0] * len(SECONDS) + [3], SECONDS, 0.5) == SECONDS[-1], "above all bounds"
