"""Render the metrics of one server, and the training figures in its Redis, in Prometheus' text format."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from label_studio_ml.monitoring.counters import Counts, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: Prefix of every metric's name.
PREFIX = "label_studio_ml"

#: Outcomes of training runs that are always exported, so that each series begins at 0.
OUTCOMES = ("finished", "failed", "cancelled", "crashed", "interrupted")


@dataclass(frozen=True, slots=True)
class SpoolFigures:
    """State of a server's spool: number and size in bytes of the events on its disk that Redis has not taken yet.

    `kept` counts the events put into it since the start, `refused` those that it had no room for.
    """

    events: int = 0
    size: int = 0
    kept: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """State of one server at the moment its metrics are read.

    `queue` counts prediction requests that wait for a model, `in_flight` all that are not answered yet. `stalled`
    counts projects whose events no worker trains. `served` has (project, version) pairs. `up` maps each part to whether
    it is reachable. `training` is None where Redis cannot be asked.
    """

    version: str
    queue: int = 0
    in_flight: int = 0
    spool: SpoolFigures = SpoolFigures()
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


def render(counts: Counts, figures: ServerFigures) -> bytes:
    """Return all metrics of the server, those of its process included, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(counts, figures))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Families:
    """Collector that prometheus-client calls to render the metrics."""

    def __init__(self, counts: Counts, figures: ServerFigures) -> None:
        self._counts = counts
        self._figures = figures

    def collect(self) -> Iterator[Any]:
        """Yield each metric family with its samples."""
        from prometheus_client.core import InfoMetricFamily

        yield InfoMetricFamily(
            f"{PREFIX}_build", "The package that serves", {"version": self._figures.version}
        )
        yield from self._requests()
        yield from self._models()
        yield from self._reachability()
        if self._figures.training is not None:
            yield from self._training(self._figures.training)

    def _requests(self) -> Iterator[Any]:
        counts = self._counts
        requests = {(route, str(status)): count for (route, status), count in counts.requests.items()}
        yield _counter("requests", "Requests answered, by route and HTTP status", requests, "route", "status")
        yield _histogram(
            "request_seconds", "Seconds from a request to its answer, by route", counts.seconds, "route"
        )
        yield _counter("events", "Webhook events received", counts.events)
        yield _counter(
            "spooled_events",
            "Webhook events kept on this server's disk while Redis was unavailable",
            self._figures.spool.kept,
        )
        yield _counter(
            "refused_events",
            "Webhook events refused: Redis was unavailable, and this server's spool was full",
            self._figures.spool.refused,
        )
        errors = {(part,): count for part, count in counts.errors.items()}
        yield _counter("errors", "Failures, by the part that failed", errors, "part")

    def _models(self) -> Iterator[Any]:
        counts, figures = self._counts, self._figures
        yield _counter("predicted_tasks", "Tasks in answered prediction requests", counts.predicted_tasks)
        yield _histogram("batch_tasks", "Tasks in each call of predict", {"": counts.batches})
        yield _gauge("queue_requests", "Prediction requests that wait for a model", figures.queue)
        yield _gauge(
            "requests_under_way", "Prediction requests that were asked and not answered", figures.in_flight
        )
        yield _gauge("model_processes", "Model processes (or threads) that run", figures.processes)
        yield _counter("superseded_clicks", "Clicks dropped for newer ones of their tasks", counts.superseded)
        yield _counter("model_restarts", "Model processes that ended and were replaced", counts.restarts)
        yield _counter(
            "invalid_predictions",
            "Predictions that Label Studio cannot show, in part or at all, counted once for each kind of problem",
            counts.invalid_predictions,
        )
        yield _counter(
            "repaired_predictions",
            "Predictions that were repaired (INVALID_PREDICTIONS=repair)",
            counts.repaired_predictions,
        )
        served = dict.fromkeys(figures.served, 1)
        yield _gauge(
            "served_version_info", "The version that each project is served", served, "project", "version"
        )

    def _reachability(self) -> Iterator[Any]:
        figures = self._figures
        parts = {(part,): int(reachable) for part, reachable in figures.up.items()}
        yield _gauge("up", "Whether a part can be reached: model, store, broker", parts, "part")
        yield _gauge("spool_events", "Events on this server's disk that wait for Redis", figures.spool.events)
        yield _gauge("spool_bytes", "Bytes that these events have", figures.spool.size)

    def _training(self, training: Training) -> Iterator[Any]:
        yield _gauge(
            "stalled_projects",
            "Projects whose events have waited for more than 60 s although nothing trains them",
            self._figures.stalled,
        )
        yield _gauge("backlog_events", "Events that no training has processed", training.backlog)
        yield _gauge("parked_events", "Events set aside because their trainings crashed", training.parked)
        yield _gauge("queued_trainings", "Trainings that wait for a worker", training.queued)
        yield _gauge("workers", "Training workers that wait or train", training.workers)
        yield _gauge(
            "unpredicted_tasks", "Tasks that are to get predictions after a training", training.unpredicted
        )
        runs = {
            (outcome,): count for outcome, count in {**dict.fromkeys(OUTCOMES, 0), **training.runs}.items()
        }
        yield _counter("training_runs", "Training runs of all workers, by outcome", runs, "outcome")


#: The value of a metric, or its values by tuples of its labels' values.
Samples: TypeAlias = float | Mapping[Any, float]


def _gauge(name: str, text: str, samples: Samples, *labels: str) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    return _with_samples(GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels), samples)


def _counter(name: str, text: str, samples: Samples, *labels: str) -> Any:
    from prometheus_client.core import CounterMetricFamily

    return _with_samples(CounterMetricFamily(f"{PREFIX}_{name}", text, labels=labels), samples)


def _with_samples(family: Any, samples: Samples) -> Any:
    for values, value in samples.items() if isinstance(samples, Mapping) else [((), samples)]:
        family.add_metric(values, value)
    return family


def _histogram(name: str, text: str, histograms: Mapping[str, Histogram], *labels: str) -> Any:
    """Return the family of histograms by the value of their label; without a label, the key is empty."""
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for value, histogram in histograms.items():
        family.add_metric([value] if labels else [], _buckets(histogram), histogram.sum)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return (upper bound, cumulative count) for each bucket, as prometheus-client takes them."""
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(float, histogram.bounds), float("inf")), histogram.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
    return buckets
