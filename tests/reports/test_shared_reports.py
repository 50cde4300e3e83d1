"""The reports of several servers in one Redis."""

import time

import pytest

from label_studio_ml.errors import BrokerError
from label_studio_ml.monitoring.counter_history import KEPT, Sample
from label_studio_ml.reports.server_report import ServedModel, ServerReport
from label_studio_ml.reports.shared_reports import LIFETIME, SILENT_AFTER, SharedReports, is_silent
from label_studio_ml.training.records.job_store import JobStore
from training.conftest import embedded_url, job_store, redis_url, url  # noqa: F401


def report(
    server: str, *, at: float | None = None, started: float = 1.0, ended: bool = False
) -> ServerReport:
    """Return a report of a made-up server."""
    return ServerReport(
        id=server,
        host="host",
        pid=7,
        address="http://localhost:9090",
        started=started,
        at=time.time() if at is None else at,
        version="3.0",
        served=(ServedModel("1.1", "loaded", version="v1"),),
        ended=ended,
    )


def test_each_server_sees_the_last_report_of_all(job_store: JobStore) -> None:  # noqa: F811
    one, other = SharedReports(lambda: job_store), SharedReports(lambda: job_store)
    assert one.all() == []
    first, second = report("a", started=2.0), report("b")
    one.publish(report("a", started=2.0, at=1.0), [])
    one.publish(first, [])
    other.publish(second, [])
    assert one.all() == other.all() == [second, first], "the oldest server first"


def test_figures_are_appended_and_bounded(job_store: JobStore) -> None:  # noqa: F811
    shared = SharedReports(lambda: job_store)
    shared.publish(report("a"), [Sample(10, requests=1)])
    shared.publish(report("a"), [Sample(20, requests=2), Sample(30, latencies=(0, 4))])
    shared.publish(report("b"), [])
    assert shared.figures(["a", "b"]) == [
        [Sample(10, requests=1), Sample(20, requests=2), Sample(30, latencies=(0, 4))],
        [],
    ]
    shared.publish(report("a"), [Sample(10 * index) for index in range(KEPT + 3)])
    assert len(shared.figures(["a"])[0]) == KEPT


def test_everything_expires(job_store: JobStore) -> None:  # noqa: F811
    SharedReports(lambda: job_store).publish(report("a"), [Sample(10)])
    for key in (job_store.keys.reports, job_store.keys.figures("a")):
        assert 0 < job_store.redis.ttl(key) <= LIFETIME


def test_old_and_unreadable_reports_are_removed(job_store: JobStore) -> None:  # noqa: F811
    shared = SharedReports(lambda: job_store)
    shared.publish(report("old", at=time.time() - LIFETIME - 1), [])
    job_store.redis.hset(job_store.keys.reports, "odd", b'{"of": "another release"}')
    shared.publish(report("a"), [])
    assert [each.id for each in shared.all()] == ["a"]
    assert job_store.redis.hkeys(job_store.keys.reports) == [b"a"]


def test_figures_of_another_release_are_left_out(job_store: JobStore) -> None:  # noqa: F811
    job_store.redis.rpush(job_store.keys.figures("a"), b'{"not": "ours"}')
    assert SharedReports(lambda: job_store).figures(["a"]) == [[]]


def test_a_server_is_silent_after_a_while_unless_it_ended() -> None:
    now = 1000.0
    assert not is_silent(report("a", at=now - SILENT_AFTER + 1), now)
    assert is_silent(report("a", at=now - SILENT_AFTER - 1), now)
    assert not is_silent(report("a", at=now - SILENT_AFTER - 1, ended=True), now)


def test_without_redis_it_says_so() -> None:
    def away() -> JobStore:
        raise BrokerError("Redis cannot be reached")

    with pytest.raises(BrokerError):
        SharedReports(away).all()
