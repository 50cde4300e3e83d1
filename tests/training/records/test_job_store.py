"""The job store, on our embedded broker and on a redis-server."""

import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from label_studio_ml.errors import BrokerError
from label_studio_ml.training.policy import Decision, training_requester
from label_studio_ml.training.records import job_record
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import TOKEN_TTL, WORKER_ENDED, JobStore
from label_studio_ml.training.records.job_views import describe
from label_studio_ml.training.records.postponement import Postponement
from label_studio_ml.training.redis import keys as keys_module
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.worker.child_process import TrainingInterrupted
from label_studio_ml.training.worker.rq_worker import make_worker
from label_studio_ml.versions.state.project_state import Project
from live import annotation, task

P = "5.1700000000"


def _event(number: int = 1) -> StoredEvent:
    return StoredEvent("ANNOTATION_CREATED", {"number": number})


def test_events_come_out_as_they_went_in(job_store: JobStore) -> None:
    for number in range(5):
        job_store.record(P, StoredEvent("X", {"number": number, "text": "é\n\x00"}, trusted=False))
    events = job_store.queues.events(P)
    assert [event.data["number"] for event in events] == [0, 1, 2, 3, 4]
    assert {event.data["text"] for event in events} == {"é\n\x00"}
    assert not any(event.trusted for event in events)
    assert len({event.id for event in events}) == 5


def test_events_that_wait_together_have_one_job_and_one_wake_up(job_store: JobStore) -> None:
    assert len({job_store.record(P, _event(number)) for number in range(5)}) == 1
    assert job_store.redis.llen("rq:queue:test-queue") == 1
    (job,) = job_store.jobs.of(P)
    assert (job.state, job.project, job.running) == ("queued", P, True)


def test_a_job_that_was_taken_gets_no_more_events(job_store: JobStore) -> None:
    first = job_store.record(P, _event())
    assert job_store.take_waiting(P) == first
    assert job_store.take_waiting(P) is None
    assert job_store.record(P, _event()) != first


def test_only_the_acknowledged_events_go(job_store: JobStore) -> None:
    for number in range(3):
        job_store.record(P, _event(number))
    one, two, three = job_store.queues.events(P)
    job_store.queues.acknowledge(P, [one.id, two.id])
    assert job_store.queues.events(P) == [three]
    assert job_store.queues.dirty() == [P]
    job_store.queues.acknowledge(P, [three.id])
    assert job_store.queues.dirty() == []


def test_settling_writes_the_outcome_and_takes_the_events_in_one_step(job_store: JobStore) -> None:
    job = job_store.record(P, _event())
    job_store.redis.set(job_store.keys.attempts(P), 2)
    (event,) = job_store.queues.events(P)
    job_store.settle(P, job, [event.id], state="failed", error="why")
    assert not job_store.queues.events(P)
    assert not job_store.queues.dirty()
    assert not job_store.redis.exists(job_store.keys.attempts(P))
    found = job_store.jobs.get(job)
    assert found is not None
    assert (found.state, found.error) == ("failed", "why")


def test_settling_many_events(job_store: JobStore) -> None:
    job = job_store.record(P, _event())
    with job_store.redis.pipeline() as pipe:
        for _ in range(2500):
            pipe.xadd(job_store.keys.mailbox(P), {b"action": b"X", b"annotations": 0})
        pipe.execute()
    ids = [entry.decode() for entry, _ in job_store.redis.xrange(job_store.keys.mailbox(P))]
    job_store.settle(P, job, ids, state="finished")
    assert job_store.redis.xlen(job_store.keys.mailbox(P)) == 0


def test_an_event_that_comes_while_a_run_settles_stays(job_store: JobStore) -> None:
    job = job_store.record(P, _event(1))
    taken = [event.id for event in job_store.queues.events(P)]
    job_store.take_waiting(P)
    job_store.record(P, _event(2))
    job_store.settle(P, job, taken, state="finished")
    assert [event.data["number"] for event in job_store.queues.events(P)] == [2]
    assert job_store.queues.dirty() == [P]


def test_lost_jobs_get_an_end_and_waiting_ones_stay(job_store: JobStore) -> None:
    started = job_store.record(P, _event())
    job_store.take_waiting(P)
    job_store.update_job(started, state="started")
    taken = job_store.record(P, _event())
    job_store.take_waiting(P)
    mine = job_store.record(P, _event())
    job_store.take_waiting(P)
    waiting = job_store.record(P, _event())
    job_store.close_lost(P, mine)
    states = {job.id: job.state for job in job_store.jobs.of(P)}
    assert states == {started: "interrupted", taken: "interrupted", mine: "queued", waiting: "queued"}
    lost, current = job_store.jobs.get(started), job_store.jobs.get(mine)
    assert lost is not None
    assert current is not None
    assert (lost.error, lost.error_code, lost.retried_by) == (
        "its worker ended before it did",
        "LSML-E651",
        mine,
    )
    assert lost.full_error == f"its worker ended before it did; job {mine} has its events"
    assert current.retry_of == taken


def test_a_lost_job_has_the_code_of_an_interrupted_training() -> None:
    assert TrainingInterrupted.code == WORKER_ENDED


def test_a_job_names_the_interrupted_ones_since_the_last_outcome(job_store: JobStore) -> None:
    jobs = []
    for state in ("interrupted", "finished", "interrupted", "interrupted", "queued"):
        jobs.append(job_store.record(P, _event()))
        job_store.take_waiting(P)
        if state != "queued":
            job_store.update_job(jobs[-1], state=state, started="2026-12-01T00:00:00.000+00:00")
        job_store.close_lost(P, jobs[-1])
    found = {job.id: job for job in job_store.jobs.of(P)}
    assert [found[job].retried_by for job in jobs] == [jobs[1], "", jobs[3], jobs[4], ""]
    assert [found[job].retry_of for job in jobs] == ["", jobs[0], "", jobs[2], jobs[3]]


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_job_that_ended_before_it_began_is_an_outcome(job_store: JobStore, state: str) -> None:
    first = job_store.record(P, _event())
    job_store.take_waiting(P)
    job_store.update_job(first, state="interrupted", started="2026-12-01T00:00:00.000+00:00")
    second = job_store.record(P, _event())
    job_store.take_waiting(P)
    job_store.update_job(second, state=state)
    third = job_store.record(P, _event())
    assert [job.id for job in job_store.jobs.interrupted_before(P, second)] == [first]
    assert job_store.jobs.interrupted_before(P, third) == []


def test_an_interrupted_job_of_an_older_release_is_interrupted(job_store: JobStore) -> None:
    job = job_store.record(P, _event())
    job_store.redis.hset(job_store.keys.job(job), mapping={"state": "failed", "retried": "1", "error": "x"})
    found = job_store.jobs.get(job)
    assert found is not None
    assert (found.state, found.error_code, found.full_error) == (
        "interrupted",
        "",
        "x; a later job gets its events",
    )


def test_a_wake_up_that_rq_lost_is_sent_again(job_store: JobStore) -> None:
    job = job_store.record(P, _event())
    job_store.wake(P)
    assert job_store.redis.llen("rq:queue:test-queue") == 1
    job_store.redis.delete("rq:queue:test-queue")
    job_store.wake(P)
    assert job_store.redis.llen("rq:queue:test-queue") == 1
    assert [one.id for one in job_store.jobs.of(P)] == [job]


def test_an_event_is_kept_where_no_worker_can_be_woken(
    job_store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller must not send it again: then it would be there twice."""

    def refuses(*args: object) -> None:
        raise BrokerError("no")

    monkeypatch.setattr(job_store.wake_ups, "enqueue", refuses)
    assert job_store.record(P, _event())
    assert len(job_store.queues.events(P)) == 1
    assert job_store.queues.dirty() == [P]


def test_concurrent_servers_make_one_job(job_store: JobStore) -> None:
    job_stores = [JobStore(job_store.redis, "test-queue") for _ in range(8)]
    barrier = threading.Barrier(8)

    def record(one: JobStore) -> list[str]:
        barrier.wait(20)
        return [one.record(P, _event(number)) for number in range(25)]

    with ThreadPoolExecutor(8) as threads:
        ids = {job for found in threads.map(record, job_stores) for job in found}
    assert len(ids) == 1
    assert len(job_store.queues.events(P)) == 200
    assert job_store.redis.llen("rq:queue:test-queue") == 1


def test_what_webhooks_delivered(job_store: JobStore) -> None:
    job_store.delivered.add(P, [(task(2), annotation(2)), (task(1), annotation(1))])
    job_store.delivered.add(P, [(task(1), {**annotation(1), "id": 7}), (task(2), annotation(2, "bad"))])
    one, two = list(job_store.delivered.tasks(P))
    assert (one["id"], [found["id"] for found in one["annotations"]]) == (1, [7, 1001])
    assert two["annotations"][0]["result"][0]["value"]["choices"] == ["bad"]
    job_store.delivered.add(P, [(task(2), {**annotation(2), "was_cancelled": True})])
    assert [found["id"] for found in list(job_store.delivered.tasks(P))] == [1]
    job_store.delivered.remove(P, annotations=[7])
    assert [found["id"] for found in next(iter(job_store.delivered.tasks(P)))["annotations"]] == [1001]
    job_store.delivered.remove(P, tasks=[1])
    assert list(job_store.delivered.tasks(P)) == []


def test_undelivering_takes_no_other_number(job_store: JobStore) -> None:
    job_store.delivered.add(P, [(task(number), annotation(number)) for number in (1, 11, 111)])
    job_store.delivered.remove(P, tasks=[1], annotations=[1])
    assert [found["id"] for found in list(job_store.delivered.tasks(P))] == [11, 111]


def test_parked_events_are_out_of_the_way_and_come_back_in_order(job_store: JobStore) -> None:
    for number in range(3):
        job_store.record(P, _event(number))
    job_store.take_waiting(P)
    events = job_store.queues.events(P)
    job_store.queues.park(P, [event.id for event in events[1:]], why="it crashed", since="then")
    job_store.queues.park(P, [events[0].id], why="it crashed", since="then")
    assert not job_store.queues.events(P)
    assert not job_store.queues.dirty()
    assert [(one.event, one.why, one.since) for one in job_store.queues.parked(P)] == [
        (event, "it crashed", "then") for event in events
    ]
    job = job_store.unpark(P)
    assert [event.data["number"] for event in job_store.queues.events(P)] == [0, 1, 2]
    assert not list(job_store.queues.parked(P))
    assert next(one.id for one in job_store.jobs.of(P) if one.running) == job
    assert job_store.unpark(P) is None


def test_bringing_events_back_may_be_cut_off(job_store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        job_store.record(P, _event(number))
    job_store.queues.park(P, [event.id for event in job_store.queues.events(P)], why="", since="")

    class Killed(BaseException):
        pass

    def dies(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(job_store.redis, "hdel", dies)
        with pytest.raises(Killed):
            job_store.unpark(P)
    job_store.unpark(P)
    assert [event.data["number"] for event in job_store.queues.events(P)] == [0, 1]


# An event that is handed in twice


def _sent(action: str, caller: str) -> StoredEvent:
    return StoredEvent(action, {"annotation": {"id": 1}}, caller=caller)


def test_a_record_names_who_asked_before_who_sent_the_first_event(job_store: JobStore) -> None:
    for action, caller, named in (
        ("ANNOTATION_CREATED", "", ""),
        ("ANNOTATION_CREATED", "user first", "user first"),
        ("ANNOTATION_CREATED", "user second", "user first"),
        ("START_TRAINING", "token ci", "token ci"),
        ("ANNOTATION_CREATED", "user third", "token ci"),
        ("START_TRAINING", "", "token ci"),
    ):
        job = job_store.record(P, _sent(action, caller))
        assert asked_by(job_store, job) == training_requester(job_store.queues.entries(P)) == named
        record = job_store.jobs.get(job)
        assert record is not None
        assert describe(record).get("asked_by", "") == named


def test_who_asked_is_not_noted_of_a_job_that_is_gone(job_store: JobStore) -> None:
    job = job_store.record(P, _event())
    job_store.redis.delete(job_store.keys.job(job))
    for action in ("ANNOTATION_CREATED", "START_TRAINING"):
        assert job_store.record(P, _sent(action, "token ci")) == job
    assert not job_store.redis.exists(job_store.keys.job(job))


def test_a_later_job_of_the_same_events_names_who_asked(job_store: JobStore) -> None:
    job_store.record(P, _sent("START_TRAINING", "token ci"))
    job_store.take_waiting(P)
    assert asked_by(job_store, job_store.new_job(P)) == "token ci"
    job_store.wake(P)
    waiting = job_store.waiting_job(P)
    assert waiting is not None
    assert waiting.asked_by == "token ci"


def test_a_waiting_job_that_takes_over_the_events_of_another_names_who_asked(job_store: JobStore) -> None:
    old = job_store.record(P, _sent("START_TRAINING", "token ci"))
    job_store.take_waiting(P)
    new = job_store.record(P, _sent("ANNOTATION_CREATED", "user second"))
    assert job_store.postpone(P, old, Decision(need=1, text="n"), job_store.queues.entries(P), code="c")
    assert asked_by(job_store, new) == "token ci"


def test_events_that_are_brought_back_say_who_sent_them(job_store: JobStore) -> None:
    job_store.record(P, _sent("START_TRAINING", "token ci"))
    job_store.take_waiting(P)
    job_store.queues.park(P, [event.id for event in job_store.queues.events(P)], why="", since="")
    job = job_store.unpark(P)
    assert job is not None
    assert asked_by(job_store, job) == "token ci"


def asked_by(job_store: JobStore, job_id: str) -> str:
    record = job_store.jobs.get(job_id)
    assert record is not None
    return record.asked_by


def test_a_known_token_does_nothing(job_store: JobStore) -> None:
    first = job_store.record(P, _event(1), token="a")
    before = (
        job_store.redis.dump(job_store.keys.mailbox(P)),
        job_store.redis.hgetall(job_store.keys.payloads(P)),
    )
    assert job_store.record(P, _event(1), token="a") == first
    assert (
        job_store.redis.dump(job_store.keys.mailbox(P)),
        job_store.redis.hgetall(job_store.keys.payloads(P)),
    ) == before
    assert job_store.redis.llen("rq:queue:test-queue") == 1
    assert job_store.record(P, _event(2), token="b") == first
    assert len(job_store.queues.events(P)) == 2


def test_a_known_token_of_an_event_that_is_done(job_store: JobStore) -> None:
    first = job_store.record(P, _event(1), token="a")
    job_store.take_waiting(P)
    job_store.settle(P, first, [event.id for event in job_store.queues.events(P)], state="finished")
    job_store.redis.delete("rq:queue:test-queue")
    assert job_store.record(P, _event(1), token="a") == first
    assert not job_store.queues.events(P)
    assert not job_store.queues.dirty()
    assert not job_store.redis.exists("rq:queue:test-queue")
    assert 0 < job_store.redis.ttl(job_store.keys.token("a")) <= TOKEN_TTL


def test_a_command_that_is_sent_again_after_its_answer_got_lost(
    job_store: JobStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What redis-py itself does when the connection breaks."""
    lost = _lose_an_answer(monkeypatch, lambda answer: isinstance(answer, list) and len(answer) == 3)
    other = JobStore(redis.Redis.from_url(url, retry=Retry(NoBackoff(), 3)), "test-queue")
    job = other.record(P, _event())
    assert lost
    assert len(job_store.queues.events(P)) == 1
    assert [one.id for one in job_store.jobs.of(P)] == [job]
    other.redis.close()


def test_a_run_counts_once_although_the_answer_got_lost(
    job_store: JobStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert job_store.queues.begin(P) == 1
    lost = _lose_an_answer(monkeypatch, lambda answer: isinstance(answer, int))
    other = JobStore(redis.Redis.from_url(url, retry=Retry(NoBackoff(), 3)), "test-queue")
    assert other.queues.begin(P) == 2
    assert lost
    assert other.queues.begin(P) == 3
    other.queues.undo_begin(P)
    assert other.queues.begin(P) == 3
    other.queues.reset_begins(P)
    assert not other.redis.exists(other.keys.attempts(P)), "a next run is not taken for a repetition"
    other.redis.close()


def test_a_job_that_a_sender_knows_keeps_its_record_although_an_earlier_run_trained_on_its_event(
    job_store: JobStore,
) -> None:
    job_store.record(P, _event())
    job_store.take_waiting(P)
    known = job_store.record(P, _event())  # before the run of the first job reads the event queue
    job_store.queues.acknowledge(P, [event.id for event in job_store.queues.events(P)])
    assert job_store.take_waiting(P) == known
    job_store.end_without_events(P, known)
    job = job_store.jobs.get(known)
    assert job is not None
    assert (job.state, bool(job.ended)) == ("finished", True)


def test_a_job_that_only_a_wake_up_needed_leaves_no_record(job_store: JobStore) -> None:
    first = job_store.record(P, _event())
    job_store.take_waiting(P)
    job_store.wake(P)
    woken = job_store.take_waiting(P)
    assert woken
    job_store.end_without_events(P, woken)
    assert [job.id for job in job_store.jobs.of(P)] == [first]


def test_a_job_of_a_wake_up_that_an_event_was_stored_for_keeps_its_record(job_store: JobStore) -> None:
    job_store.record(P, _event())
    job_store.take_waiting(P)
    job_store.wake(P)
    known = job_store.record(P, _event())
    assert job_store.take_waiting(P) == known
    job_store.end_without_events(P, known)
    assert job_store.jobs.get(known) is not None


def _lose_an_answer(monkeypatch: pytest.MonkeyPatch, is_chosen: Callable[[Any], bool]) -> list[Any]:
    """Let the connection break instead of giving the first answer that is chosen; return the lost answers."""
    lost: list[Any] = []
    original: Any = redis.connection.AbstractConnection.read_response

    def loses(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        if is_chosen(answer) and not lost:
            lost.append(answer)
            self.disconnect()
            raise redis.exceptions.ConnectionError("the answer got lost")
        return answer

    monkeypatch.setattr(redis.connection.AbstractConnection, "read_response", loses)
    return lost


def test_two_backends_on_one_redis_do_not_mix(job_store: JobStore) -> None:
    other = JobStore(job_store.redis, "other:queue")
    one, two = job_store.record(P, _event(1)), other.record(P, _event(2))
    assert [event.data["number"] for event in job_store.queues.events(P)] == [1]
    assert [event.data["number"] for event in other.queues.events(P)] == [2]
    other.delivered.add(P, [(task(1), annotation(1))])
    assert not list(job_store.delivered.tasks(P))
    assert job_store.jobs.get(two) is None
    other.forget(P)
    assert job_store.queues.dirty() == [P]
    assert job_store.jobs.get(one) is not None


# What the next run waits for


def _waiting(job_store: JobStore, decision: Decision) -> bool:
    return job_store.postpone(P, None, decision, job_store.queues.entries(P), code="c")


def _wakes(job_store: JobStore) -> int:
    found = int(job_store.redis.llen("rq:queue:test-queue"))
    job_store.redis.delete("rq:queue:test-queue")
    return found


def _created() -> StoredEvent:
    return StoredEvent("ANNOTATION_CREATED", {"annotation": {"id": 1}})


def test_a_project_that_waits_for_annotations_is_woken_by_the_last_of_them(job_store: JobStore) -> None:
    job = job_store.record(P, _created())
    assert _wakes(job_store) == 1
    assert _waiting(job_store, Decision(need=2, have=1, text="{have} of 3"))
    assert not job_store.wakeable(P)
    assert job_store.postponement(P) == Postponement("c", None)
    found = job_store.jobs.get(job)
    assert found is not None
    assert (found.state, found.message, found.postponed) == ("queued", "1 of 3", True)
    assert job_store.record(P, StoredEvent("ANNOTATIONS_DELETED", {"annotations": [{"id": 1}]})) == job
    assert job_store.record(P, _created()) == job
    assert _wakes(job_store) == 0
    found = job_store.jobs.get(job)
    assert found is not None
    assert found.message == "2 of 3"
    assert job_store.record(P, _created()) == job
    assert _wakes(job_store) == 1
    assert job_store.postponement(P) is None
    assert job_store.wakeable(P)


def test_a_project_that_is_trained_gets_no_second_job(job_store: JobStore) -> None:
    job_store.record(P, _created())
    assert _wakes(job_store) == 1
    job_store.redis.set(job_store.keys.lease(P), "a worker")
    assert job_store.take_waiting(P)
    job_store.wake(P)  # by a sweeper that had looked before the worker came
    assert _wakes(job_store) == 0
    assert len(list(job_store.jobs.of(P))) == 1
    later = job_store.record(P, _created())
    assert _wakes(job_store) == 1
    job_store.wake(P)
    assert _wakes(job_store) == 1, "what came meanwhile has a job of its own, and that lost its wake-up"
    job_store.redis.delete(job_store.keys.lease(P))
    assert job_store.take_waiting(P) == later
    job_store.wake(P)
    assert _wakes(job_store) == 1


def test_a_sweeper_that_looked_before_a_run_ended_makes_no_job(job_store: JobStore) -> None:
    job_store.record(P, _created())
    assert _wakes(job_store) == 1
    assert job_store.take_waiting(P)
    assert job_store.queues.dirty() == [P]
    job_store.queues.acknowledge(P, [entry.id for entry in job_store.queues.entries(P)])
    job_store.redis.sadd(job_store.keys.dirty, P)  # as the sweeper has read it
    job_store.wake(P)
    assert _wakes(job_store) == 0
    assert len(list(job_store.jobs.of(P))) == 1
    assert job_store.queues.dirty() == []


def test_the_button_ends_every_waiting(job_store: JobStore) -> None:
    for decision in (Decision(text="button"), Decision(at=1 << 60, text="t"), Decision(need=9, text="n")):
        job = job_store.record(P, _created())
        _wakes(job_store)
        assert _waiting(job_store, decision)
        assert job_store.record(P, StoredEvent("START_TRAINING", {})) == job
        assert _wakes(job_store) == 1
        assert job_store.postponement(P) is None


def test_events_that_came_meanwhile_are_looked_at(job_store: JobStore) -> None:
    job_store.record(P, _created())
    entries = job_store.queues.entries(P)
    job_store.record(P, _created())
    assert not job_store.postpone(P, None, Decision(need=1, text="n"), entries, code="c")
    assert job_store.postponement(P) is None


def test_a_job_that_had_begun_waits_again(job_store: JobStore) -> None:
    job = job_store.record(P, _created())
    job_store.take_waiting(P)
    job_store.update_job(job, state="started", started="then")
    assert job_store.postpone(P, job, Decision(need=1, text="n"), job_store.queues.entries(P), code="c")
    found = job_store.jobs.get(job)
    assert found is not None
    assert (found.state, found.started) == ("queued", "")
    assert job_store.take_waiting(P) == job
    assert job_store.postponement(P) is None


def test_of_two_jobs_the_newer_one_waits(job_store: JobStore) -> None:
    old = job_store.record(P, _created())
    job_store.take_waiting(P)
    new = job_store.record(P, _created())
    assert job_store.postpone(P, old, Decision(need=1, text="n"), job_store.queues.entries(P), code="c")
    ended, waiting = job_store.jobs.get(old), job_store.jobs.get(new)
    assert ended is not None
    assert waiting is not None
    assert (ended.state, waiting.state, waiting.message) == ("finished", "queued", "n")
    assert new in ended.message


def test_a_hold_is_for_one_code_and_until_its_time() -> None:
    assert Postponement("c").applies("c", 1)
    assert not Postponement("c").applies("other", 1)
    assert Postponement("c", 10).applies("c", 9)
    assert not Postponement("c", 10).applies("c", 10)


def test_forgetting_a_project_leaves_no_key_of_it_but_lease_and_fence(job_store: JobStore) -> None:
    keys, redis = job_store.keys, job_store.redis
    table = re.findall(r"^    (\w+):\{project\} ", keys_module.__doc__ or "", re.MULTILINE)
    assert len(table) >= 17
    for name in table:
        if name != "jobs":
            redis.set(keys.named(name, P), "1")
    redis.rpush(keys.jobs(P), "job")
    for key in keys.of_job("job"):
        redis.set(key, "1")
    by_project = re.findall(
        r"^    (\w+) +(hash|set|sorted set): projects? ", keys_module.__doc__ or "", re.MULTILINE
    )
    assert sorted(by_project) == [
        ("afresh", "hash"),
        ("afresh_seen", "hash"),
        ("dirty", "set"),
        ("parked_at", "sorted set"),
        ("parked_sets", "hash"),
        ("titles", "hash"),
    ]
    add: dict[str, Callable[[str, str], object]] = {
        "set": redis.sadd,
        "hash": lambda key, project: redis.hset(key, project, "x"),
        "sorted set": lambda key, project: redis.zadd(key, {project: 1}),
    }
    for name, kind in by_project:
        for project in (P, "6.1"):
            add[kind](keys.named(name), project)
    job_store.forget(P)
    shared = sorted(keys.named(name) for name, _ in by_project)
    left = sorted([*shared, keys.fence(P), keys.lease(P)])
    assert sorted(key.decode() for key in redis.scan_iter("lsml:*")) == left
    for name, kind in by_project:
        read = {
            "set": redis.smembers,
            "hash": redis.hkeys,
            "sorted set": lambda key: redis.zrange(key, 0, -1),
        }
        fields = read[kind](keys.named(name))
        assert list(fields) == [b"6.1"], name


def test_forgetting_a_project_leaves_the_others(job_store: JobStore) -> None:
    job_store.record(P, _event())
    job_store.delivered.add(P, [(task(1), annotation(1))])
    other = job_store.record("6.1", _event())
    job_store.forget(P)
    assert not job_store.queues.events(P)
    assert not list(job_store.jobs.of(P))
    assert not list(job_store.delivered.tasks(P))
    assert job_store.queues.dirty() == ["6.1"]
    assert [job.id for job in job_store.jobs.of("6.1")] == [other]


def test_old_job_records_go(job_store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_record, "KEPT_JOBS", 3)
    made = []
    for _ in range(5):
        made.append(job_store.record(P, _event()))
        job_store.take_waiting(P)
    assert [job.id for job in job_store.jobs.of(P)] == made[:1:-1]
    assert job_store.jobs.get(made[0]) is None


def test_projects_with_odd_names(job_store: JobStore) -> None:
    for project in ("a b", "ä:{1}*", "../x"):
        job_store.record(project, _event())
    assert job_store.queues.dirty() == sorted(["a b", "ä:{1}*", "../x"])
    assert all(len(job_store.queues.events(project)) == 1 for project in job_store.queues.dirty())


def test_an_unreachable_redis_is_a_broker_error_that_says_what_to_check() -> None:
    gone = JobStore(connect("unix:///nowhere/broker.sock"), "q")
    for call in (
        lambda: gone.record(P, _event()),
        lambda: gone.queues.events(P),
        lambda: gone.jobs.get("x"),
        lambda: gone.queues.dirty(),
        lambda: gone.wake(P),
        lambda: gone.forget(P),
    ):
        with pytest.raises(BrokerError, match="REDIS_URL"):
            call()


def test_a_redis_that_is_silent_is_asked_once_and_not_for_long() -> None:
    """A cut cable looks like this: nothing is refused, and nothing answered."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        job_store = JobStore(connect(url, timeouts=(5.0, 0.05)), "q")
        with pytest.raises(BrokerError, match="Timeout reading"):
            job_store.queues.dirty()
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_worker_waits_no_longer_than_its_connection(redis_url: str) -> None:
    worker = make_worker(redis_url, "test-queue")
    pool = worker.connection.connection_pool
    assert worker.dequeue_timeout < pool.connection_kwargs["socket_timeout"] <= 20
    other = connect(redis_url)
    assert other.connection_pool.connection_kwargs["socket_timeout"] == 5.0


def test_what_one_server_heard_of_a_project_does_not_push_out_what_setup_told_another(
    job_store: JobStore,
) -> None:
    told = Project(uid=P, label_config="<View/>", hostname="http://studio", access_token="token")
    heard = Project(uid=P, label_config="<View><Text/></View>", title="new")
    job_store.descriptions.store(heard)
    assert job_store.descriptions.get(P) == heard
    job_store.descriptions.store(told, setup=True)
    job_store.descriptions.store(heard)
    assert job_store.descriptions.get(P) == msgspec.structs.replace(
        heard, hostname="http://studio", access_token="token"
    )
    job_store.descriptions.store(msgspec.structs.replace(told, access_token="other"))
    found = job_store.descriptions.get(P)
    assert found is not None
    assert found.access_token == "token"
    job_store.descriptions.store(msgspec.structs.replace(told, access_token="newer"), setup=True)
    found = job_store.descriptions.get(P)
    assert found is not None
    assert found.access_token == "newer"
