"""The trainings of all projects, as they are shown at a glance."""

from label_studio_ml.training.overview.current_trainings import (
    TrainingOverview,
    overview,
    parked,
    repredictions,
)
from label_studio_ml.training.policy import Decision
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import Reprediction, Repredictions
from training.conftest import embedded_url, job_store, redis_url, url  # noqa: F401

EVENT = StoredEvent("ANNOTATION_CREATED", {"annotation": {"id": 1}})


def _begin(job_store: JobStore, uid: str, **fields: object) -> str:  # noqa: F811
    job = job_store.take_waiting(uid)
    assert job is not None
    job_store.redis.set(job_store.keys.lease(uid), "a worker", px=60_000)
    job_store.update_job(job, state="started", **fields)
    return job


def test_nothing_is_trained(job_store: JobStore) -> None:  # noqa: F811
    assert overview(job_store, 20) == TrainingOverview()


def test_running_waiting_and_postponed_trainings(job_store: JobStore) -> None:  # noqa: F811
    for uid in ("1.1", "2.1", "3.1"):
        job_store.record(uid, EVENT)
    running = _begin(job_store, "2.1", progress=0.25, message="epoch 3", started="2026-11-30T10:00:00+00:00")
    job_store.record("2.1", EVENT)
    waits = job_store.waiting_id("3.1")
    decision = Decision(need=4, have=1, text="waits for 4 more annotations")
    assert job_store.postpone("3.1", waits, decision, job_store.queues.entries("3.1"), code="c")
    found = overview(job_store, 20)
    assert (found.running, found.waiting, found.postponed) == (1, 2, 1)
    states = [(row.uid, row.state) for row in found.rows]
    assert sorted(states[1:3]) == [("1.1", "waiting"), ("2.1", "waiting")]
    assert [states[0], *states[3:]] == [("2.1", "running"), ("3.1", "postponed")]
    first, last = found.rows[0], found.rows[-1]
    assert (first.job, first.progress, first.message, first.events) == (running, 0.25, "epoch 3", 2)
    assert "4 more annotations" in last.message
    assert last.progress is None


def test_only_so_many_rows_are_read(job_store: JobStore) -> None:  # noqa: F811
    for number in range(30):
        job_store.record(f"{number}.1", EVENT)
    found = overview(job_store, 5)
    assert (found.waiting, len(found.rows)) == (30, 5)
    for number in range(8):
        _begin(job_store, f"{number}.1")
    found = overview(job_store, 5)
    assert (found.running, found.waiting) == (8, 22)
    assert {row.state for row in found.rows} == {"running"}


def test_parked_events_are_counted_by_project(job_store: JobStore) -> None:  # noqa: F811
    assert parked(job_store) == {}
    for uid, number in (("1.1", 2), ("2.1", 1), ("3.1", 0)):
        for _ in range(number):
            job_store.record(uid, EVENT)
        ids = [entry.id for entry in job_store.queues.entries(uid)]
        job_store.queues.park(uid, ids, why="crashed", since="2026-11-30T10:00:00+00:00")
    assert parked(job_store) == {"1.1": 2, "2.1": 1}
    assert job_store.unpark("2.1")
    assert parked(job_store) == {"1.1": 2}


def test_repredictions_have_their_progress(job_store: JobStore) -> None:  # noqa: F811
    records = Repredictions(job_store)
    for uid in ("1.1", "2.1", "3.1"):
        job_store.redis.hset(job_store.keys.due_repredictions, uid, "id")
    records.store("1.1", Reprediction("v2", "id", state="started", total=10, written=4, failed=1))
    due, rows = repredictions(job_store, 10)
    assert due == 3
    assert [(row.uid, row.version, row.tasks, row.done, row.failed) for row in rows] == [
        ("1.1", "v2", 10, 4, 1)
    ]
