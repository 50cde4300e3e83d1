"""The index over the jobs of all projects, and that of parked events, on both kinds of broker."""

from typing import Any

import pytest

from label_studio_ml.training.policy import Decision
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_record import now
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis import job_index
from label_studio_ml.training.redis.job_index import created_at
from live import created, uid

P = uid(1)


def _record(job_store: JobStore, project: str = P, number: int = 1) -> str:
    event = created(1, number)
    return job_store.record(project, StoredEvent(event["action"], event))


def _in_states(job_store: JobStore) -> dict[str, list[str]]:
    return {state: ids for state in job_index.STATES if (ids := job_store.index.newest([state], 0, 100))}


def test_a_job_is_listed_in_its_state_from_its_event_to_its_outcome(job_store: JobStore) -> None:
    job = _record(job_store)
    assert _in_states(job_store) == {"queued": [job]}
    assert job_store.take_waiting(P) == job
    job_store.update_job(job, state="started", started=now())
    job_store.update_job(job, message="half")
    assert _in_states(job_store) == {"started": [job]}
    job_store.settle(P, job, [], state="finished", ended=now())
    assert _in_states(job_store) == {"finished": [job]}
    assert job_store.index.counts()["finished"] == 1


def test_a_postponed_job_is_queued_again_or_ends_for_a_newer_one(job_store: JobStore) -> None:
    first = _record(job_store)
    job_store.take_waiting(P)
    job_store.update_job(first, state="started")
    decision = Decision(need=2, have=1, text="waits: {have} of 3")
    assert job_store.postpone(P, first, decision, job_store.queues.entries(P), code="c")
    assert _in_states(job_store) == {"queued": [first]}
    job_store.take_waiting(P)
    job_store.update_job(first, state="started")
    second = _record(job_store, number=2)
    job_store.postpone(P, first, decision, job_store.queues.entries(P), code="c")
    assert _in_states(job_store) == {"queued": [second], "finished": [first]}


def test_removed_jobs_are_not_listed(job_store: JobStore) -> None:
    first, other = _record(job_store), _record(job_store, uid(2))
    job_store.jobs.remove(P, first)
    assert _in_states(job_store) == {"queued": [other]}
    job_store.forget(uid(2))
    assert _in_states(job_store) == {}


def test_the_newest_come_first_by_the_time_of_their_creation_whatever_their_state(
    job_store: JobStore,
) -> None:
    ids = [f"20260101-0000{second:02}-aaaaaa" for second in range(20)]
    with job_store.redis.pipeline() as pipe:
        for number, job_id in enumerate(ids):
            job_store.index.list_in(pipe, job_id, job_index.STATES[number % 5])
        pipe.execute()
    newest = ids[::-1]
    assert job_store.index.newest(job_index.STATES, 0, 7) == newest[:7]
    assert job_store.index.newest(job_index.STATES, 7, 7) == newest[7:14]
    assert job_store.index.newest(["finished"], 1, 2) == [ids[12], ids[7]]


def test_ended_jobs_beyond_the_limit_are_left_out(
    job_store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_index, "MAX_LISTED", 2)
    jobs = [_record(job_store, uid(number)) for number in range(4)]
    for number, job in enumerate(jobs):
        job_store.take_waiting(uid(number))
        job_store.settle(uid(number), job, [], state="failed")
    waiting = [_record(job_store, uid(number)) for number in range(4)]
    states = _in_states(job_store)
    assert len(states["failed"]) == 2
    assert sorted(states["queued"]) == sorted(waiting)


def test_what_an_older_release_has_written_is_found_once(job_store: JobStore) -> None:
    jobs = {_record(job_store, uid(number)) for number in range(3)}
    for state in job_index.STATES:
        job_store.redis.delete(job_store.keys.index(state))
    assert job_store.index.build()
    assert set(_in_states(job_store)["queued"]) == jobs
    assert not job_store.index.build()


def test_an_interrupted_job_of_an_older_release_is_listed_as_such(job_store: JobStore) -> None:
    job = _record(job_store)
    job_store.redis.hset(job_store.keys.job(job), mapping={"state": "failed", "retried": "1"})
    for state in job_index.STATES:
        job_store.redis.delete(job_store.keys.index(state))
    job_store.index.build()
    assert _in_states(job_store) == {"interrupted": [job]}


def test_a_wrong_entry_is_corrected(job_store: JobStore) -> None:
    job, gone = _record(job_store), "20260101-000000-aaaaaa"
    job_store.index.correct({job: "failed", gone: "failed"})
    job_store.index.correct({job: "queued", gone: ""})
    assert _in_states(job_store) == {"queued": [job]}


@pytest.mark.parametrize(
    ("job_id", "milliseconds"), [("20260101-000000-aaaaaa", 1767225600000), ("anything", 0), ("", 0)]
)
def test_a_job_id_tells_the_time(job_id: str, milliseconds: int) -> None:
    assert created_at(job_id) == milliseconds


def _park(job_store: JobStore, project: str, *, why: str, since: str) -> None:
    _record(job_store, project)
    ids = [entry.id for entry in job_store.queues.entries(project)]
    job_store.queues.park(project, ids, why=why, since=since)


def _parked(job_store: JobStore) -> list[dict[str, Any]]:
    return [
        {"project": parked.project, "events": parked.events, "why": [one.why for one in parked.sets]}
        for parked in job_store.queues.parked_sets.newest(0, 10)
    ]


def test_projects_with_parked_events_are_listed_until_they_are_retried(job_store: JobStore) -> None:
    _park(job_store, P, why="crash", since="2026-01-01T00:00:00+00:00")
    _park(job_store, uid(2), why="disk", since="2026-01-02T00:00:00+00:00")
    _park(job_store, P, why="crash again", since="2026-01-03T00:00:00+00:00")
    assert _parked(job_store) == [
        {"project": P, "events": 2, "why": ["crash again", "crash"]},
        {"project": uid(2), "events": 1, "why": ["disk"]},
    ]
    job_store.unpark(P)
    assert [parked["project"] for parked in _parked(job_store)] == [uid(2)]
    job_store.forget(uid(2))
    assert job_store.queues.parked_sets.count() == 0


def test_events_parked_by_an_older_release_are_found(job_store: JobStore) -> None:
    _park(job_store, P, why="crash", since="2026-01-01T00:00:00+00:00")
    job_store.redis.delete(job_store.keys.parked_at, job_store.keys.parked_sets)
    job_store.queues.parked_sets.build()
    assert _parked(job_store) == [{"project": P, "events": 1, "why": ["crash"]}]


def test_an_entry_without_events_is_removed_when_it_is_read(job_store: JobStore) -> None:
    _park(job_store, P, why="crash", since="2026-01-01T00:00:00+00:00")
    job_store.redis.delete(job_store.keys.parked(P))
    assert _parked(job_store) == []
    assert job_store.queues.parked_sets.count() == 0
