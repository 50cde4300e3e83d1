"""Render the metrics of one server, and the training figures in its Redis, in Prometheus' text format."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from label_studio_ml.monitoring.counters import Counts, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: Prefix of every metric's name.
PREFIX = "label_studio_ml"

#: Outcomes of training runs that are always exported, so that each series begins at 0.
OUTCOMES = ("finished", "failed", "cancelled", "crashed", "interrupted")


@dataclass(frozen=True, slots=True)
class Moment:
    """State of one server at the moment its metrics are read.

    `queue` counts prediction requests that wait for a model, `under_way` all that are not answered yet. `spooled`
    events (`spooled_bytes` in all) wait on this server's disk for Redis. `stalled` counts projects whose events no
    worker trains. `served` has (project, version) pairs. `up` maps each part to whether it is reachable. `training`
    is None where Redis cannot be asked.
    """

    version: str
    queue: int = 0
    under_way: int = 0
    spooled: int = 0
    spooled_bytes: int = 0
    stalled: int = 0
    processes: int = 0
    served: Sequence[tuple[str, str]] = ()
    up: Mapping[str, bool] = field(default_factory=dict)
    training: "Training | None" = None


@dataclass(frozen=True, slots=True)
class Training:
    """Training figures of all servers and workers, as read from Redis.

    `backlog` events wait for a training, `parked` events were set aside, `queued` wake-ups wait for a worker. `workers`
    counts idle and busy workers. `unpredicted` tasks are to get predictions after a training. `runs` maps outcomes of
    runs to their counts since that Redis began.
    """

    backlog: int = 0
    parked: int = 0
    queued: int = 0
    workers: int = 0
    unpredicted: int = 0
    runs: Mapping[str, int] = field(default_factory=dict)


def render(counts: Counts, moment: Moment) -> bytes:
    """Return all metrics of the server, those of its process included, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(counts, moment))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Families:
    """Collector that prometheus-client calls to render the metrics."""

    def __init__(self, counts: Counts, moment: Moment) -> None:
        self._counts = counts
        self._moment = moment

    def collect(self) -> Iterator[Any]:
        """Yield each metric family with its samples."""
        from prometheus_client.core import InfoMetricFamily

        yield InfoMetricFamily(
            f"{PREFIX}_build", "The package that serves", {"version": self._moment.version}
        )
        yield from self._requests()
        yield from self._models()
        yield from self._training()

    def _requests(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            f"{PREFIX}_requests", "Requests answered, by route and HTTP status", labels=["route", "status"]
        )
        for (route, status), count in self._counts.requests.items():
            requests.add_metric([route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            f"{PREFIX}_request_seconds", "Seconds from a request to its answer, by route", labels=["route"]
        )
        for route, histogram in self._counts.seconds.items():
            seconds.add_metric([route], _buckets(histogram), histogram.sum)
        yield seconds
        events = CounterMetricFamily(f"{PREFIX}_events", "Webhook events taken")
        events.add_metric([], self._counts.events)
        yield events
        spooled = CounterMetricFamily(
            f"{PREFIX}_spooled_events", "Webhook events kept on this server's disk while Redis was away"
        )
        spooled.add_metric([], self._counts.spooled_events)
        yield spooled
        refused = CounterMetricFamily(
            f"{PREFIX}_refused_events",
            "Webhook events refused: Redis was away, and this server's disk kept no more",
        )
        refused.add_metric([], self._counts.refused_events)
        yield refused
        errors = CounterMetricFamily(f"{PREFIX}_errors", "Failures, by the part that failed", labels=["part"])
        for part, count in self._counts.errors.items():
            errors.add_metric([part], count)
        yield errors

    def _models(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        moment = self._moment
        tasks = CounterMetricFamily(f"{PREFIX}_predicted_tasks", "Tasks in answered prediction requests")
        tasks.add_metric([], self._counts.predicted_tasks)
        yield tasks
        batches = HistogramMetricFamily(f"{PREFIX}_batch_tasks", "Tasks in each call of predict")
        batches.add_metric([], _buckets(self._counts.batches), self._counts.batches.sum)
        yield batches
        yield _gauge("queue_requests", "Prediction requests that wait for a model", moment.queue)
        yield _gauge(
            "requests_under_way", "Prediction requests that were asked and not answered", moment.under_way
        )
        yield _gauge("model_processes", "Model processes (or threads) that run", moment.processes)
        restarts = CounterMetricFamily(
            f"{PREFIX}_model_restarts", "Model processes that ended and were replaced"
        )
        restarts.add_metric([], self._counts.restarts)
        yield restarts
        invalid = CounterMetricFamily(
            f"{PREFIX}_invalid_predictions",
            "Predictions that the label config does not allow, or whose score is no share",
        )
        invalid.add_metric([], self._counts.invalid_predictions)
        yield invalid
        served = _gauge(
            "served_version_info", "The version that each project is served", labels=["project", "version"]
        )
        for project, version in moment.served:
            served.add_metric([project, version], 1)
        yield served

    def _training(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        up = _gauge("up", "Whether a part can be reached: model, store, broker", labels=["part"])
        for part, reachable in self._moment.up.items():
            up.add_metric([part], int(reachable))
        yield up
        yield _gauge("spool_events", "Events on this server's disk that wait for Redis", self._moment.spooled)
        yield _gauge("spool_bytes", "Bytes that these events have", self._moment.spooled_bytes)
        training = self._moment.training
        if training is None:
            return
        yield _gauge(
            "stalled_projects",
            "Projects whose events have waited for more than 60 s although nothing trains them",
            self._moment.stalled,
        )
        yield _gauge("backlog_events", "Events that no training has taken in", training.backlog)
        yield _gauge("parked_events", "Events set aside because their trainings crashed", training.parked)
        yield _gauge("queued_trainings", "Trainings that wait for a worker", training.queued)
        yield _gauge("workers", "Training workers that wait or train", training.workers)
        yield _gauge(
            "unpredicted_tasks", "Tasks that are to get predictions after a training", training.unpredicted
        )
        runs = CounterMetricFamily(
            f"{PREFIX}_training_runs", "Training runs of all workers, by outcome", labels=["outcome"]
        )
        for outcome in (*OUTCOMES, *(name for name in training.runs if name not in OUTCOMES)):
            runs.add_metric([outcome], training.runs.get(outcome, 0))
        yield runs


def _gauge(name: str, text: str, value: float | None = None, labels: Sequence[str] = ()) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=list(labels))
    if value is not None:
        family.add_metric([], value)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return (upper bound, cumulative count) for each bucket, as prometheus-client takes them."""
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(float, histogram.bounds), float("inf")), histogram.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
    return buckets
