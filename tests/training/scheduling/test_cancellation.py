"""Cancelled jobs that are settled without a run: each of them with its own events."""

import pytest

from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.scheduling.cancellation import request_cancel, settle_cancelled

P = "5.1700000000"


@pytest.fixture
def job_store(embedded_url: str) -> JobStore:
    connection = connect(embedded_url)
    connection.flushall()
    return JobStore(connection, "test-queue")


def test_several_cancelled_jobs_are_settled_each_with_its_events(job_store: JobStore) -> None:
    """The first one's worker was killed; the second one waited for it."""
    event = StoredEvent("ANNOTATION_CREATED", {})
    first = job_store.record(P, event)
    assert job_store.take_waiting(P) == first
    (entry,) = job_store.queues.entries(P)
    job_store.update_job(first, state="started", upto=entry.id)
    second = job_store.record(P, event)
    assert job_store.record(P, event) == second
    assert second != first
    for job_id in (second, first):
        request_cancel(job_store, job_id)
    assert job_store.take_waiting(P) == second
    later = job_store.record(P, event)
    events, current = settle_cancelled(job_store, P, second, job_store.queues.entries(P))
    assert current is None
    assert events == job_store.queues.entries(P)
    assert len(events) == 1
    jobs = {job.id: job for job in job_store.jobs.of(P)}
    assert {job_id: (job.state, job.events) for job_id, job in jobs.items() if job_id != later} == {
        first: ("cancelled", 1),
        second: ("cancelled", 2),
    }
    assert jobs[first].ending == "its worker ended before it did"
    assert jobs[second].ending == "it had not begun"
