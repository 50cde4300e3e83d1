"""Projects whose events wait although nothing trains them."""

import logging

import pytest

from label_studio_ml.errors import BrokerError
from label_studio_ml.training.policy import Decision
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.scheduling import stalled
from label_studio_ml.training.scheduling.stalled import STALLED_AFTER, Stall, StallWatch, Waiting, waiting
from label_studio_ml.training.worker.rq_worker import make_worker

P, Q = "7.1767225600", "8.1767225600"
EVENT = StoredEvent("ANNOTATION_CREATED", {"annotation": {"id": 1}})


def _job_store_is_not_asked() -> JobStore:
    raise BrokerError("not here")


def test_a_project_waits_unless_it_is_trained_or_postponed(job_store: JobStore) -> None:
    assert waiting(job_store) == Waiting({}, 0)
    job = job_store.record(P, EVENT)
    job_store.record(P, EVENT)
    assert waiting(job_store) == Waiting({P: 2}, 0)
    job_store.redis.set(job_store.keys.lease(P), "a worker", px=60_000)
    assert waiting(job_store) == Waiting({}, 0)
    job_store.redis.delete(job_store.keys.lease(P))
    for decision in (Decision(need=3), Decision(at=job_store.queues.clock() + 600_000)):
        assert job_store.postpone(P, job, decision, job_store.queues.entries(P), code="c")
        assert waiting(job_store) == Waiting({}, 0)
    job_store.redis.hset(job_store.keys.postponement(P), "at", job_store.queues.clock() - 1)
    assert waiting(job_store) == Waiting({P: 2}, 0), "its time has come"
    job_store.queues.acknowledge(P, [entry.id for entry in job_store.queues.entries(P)])
    assert waiting(job_store) == Waiting({}, 0)


def test_a_project_waits_for_its_turn_while_every_worker_trains_another(
    job_store: JobStore, url: str
) -> None:
    workers = [make_worker(url, job_store.keys.queue) for _ in range(2)]
    job_store.record(P, EVENT)
    job_store.record(Q, EVENT)
    workers[0].register_birth()
    job_store.redis.set(job_store.keys.lease(P), "the worker", px=60_000)
    assert waiting(job_store) == Waiting({}, 1)
    workers[1].register_birth()
    assert waiting(job_store) == Waiting({Q: 1}, 2), "one of them is free"


def test_who_waits_longer_than_a_minute_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = StallWatch(_job_store_is_not_asked)
    caplog.set_level(logging.INFO)
    watch.update(Waiting({P: 1}, 0), 100.0)
    watch.update(Waiting({P: 2}, 0), 100.0 + STALLED_AFTER)
    assert watch.stall is None
    for _ in range(2):
        watch.update(Waiting({P: 2, Q: 1}, 0), 115.0 + STALLED_AFTER)
    stall = Stall((P,), 2, 15.0 + STALLED_AFTER, 0)
    assert watch.stall == stall
    assert stall.message == (
        f"2 events wait (project {P}) and no training has begun for 75 s: no training worker is running"
    )
    watch.update(Waiting({P: 2, Q: 1}, 1), 116.0 + 2 * STALLED_AFTER)
    assert watch.stall is not None
    assert set(watch.stall.projects) == {P, Q}
    assert watch.stall.message.endswith("1 training worker is running")
    watch.update(Waiting({Q: 1}, 1), 400.0)
    assert watch.stall is not None
    watch.update(Waiting({}, 1), 401.0)
    assert watch.stall is None
    watch.update(Waiting({P: 1}, 1), 402.0)
    assert watch.stall is None, "it counts anew"
    said = [(record.levelname, record.message.partition(":")[0]) for record in caplog.records]
    assert [level for level, _ in said] == ["ERROR", "ERROR", "INFO"]


def test_many_projects_are_counted(job_store: JobStore) -> None:
    stall = Stall(tuple(map(str, range(7))), 9, 61.4, 3)
    assert "(project 0, 1, 2, 3, 4, …)" in stall.message
    assert stall.message.endswith("for 61 s: 3 training workers are running")
    assert stalled.CHECK_INTERVAL < STALLED_AFTER
