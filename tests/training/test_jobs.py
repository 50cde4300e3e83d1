"""The job board, on our embedded broker and on a redis-server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from label_studio_ml.errors import BrokerError
from label_studio_ml.training import jobs
from label_studio_ml.training.jobs import JobBoard, StoredEvent, connect
from live import annotation, task

P = "5.1700000000"


def _event(number: int = 1) -> StoredEvent:
    return StoredEvent("ANNOTATION_CREATED", {"number": number})


def test_events_come_out_as_they_went_in(board: JobBoard) -> None:
    for number in range(5):
        board.record(P, StoredEvent("X", {"number": number, "text": "é\n\x00"}, trusted=False))
    events = board.events(P)
    assert [event.data["number"] for event in events] == [0, 1, 2, 3, 4]
    assert {event.data["text"] for event in events} == {"é\n\x00"}
    assert not any(event.trusted for event in events)
    assert len({event.id for event in events}) == 5


def test_events_that_wait_together_have_one_job_and_one_wake_up(board: JobBoard) -> None:
    assert len({board.record(P, _event(number)) for number in range(5)}) == 1
    assert board.redis.llen("rq:queue:test-queue") == 1
    (job,) = board.jobs(P)
    assert (job.state, job.project, job.running) == ("queued", P, True)


def test_a_job_that_was_taken_gets_no_more_events(board: JobBoard) -> None:
    first = board.record(P, _event())
    assert board.take_waiting(P) == first
    assert board.take_waiting(P) is None
    assert board.record(P, _event()) != first


def test_only_the_acknowledged_events_go(board: JobBoard) -> None:
    for number in range(3):
        board.record(P, _event(number))
    one, two, three = board.events(P)
    board.acknowledge(P, [one.id, two.id])
    assert board.events(P) == [three]
    assert board.dirty() == [P]
    board.acknowledge(P, [three.id])
    assert board.dirty() == []


def test_settling_writes_the_outcome_and_takes_the_events_in_one_step(board: JobBoard) -> None:
    job = board.record(P, _event())
    board.redis.set(f"lsml:attempts:{P}", 2)
    (event,) = board.events(P)
    board.settle(P, job, [event.id], state="failed", error="why")
    assert not board.events(P)
    assert not board.dirty()
    assert not board.redis.exists(f"lsml:attempts:{P}")
    found = board.job(job)
    assert found is not None
    assert (found.state, found.error) == ("failed", "why")


def test_settling_many_events(board: JobBoard) -> None:
    job = board.record(P, _event())
    with board.redis.pipeline() as pipe:
        for _ in range(2500):
            pipe.xadd(f"lsml:mailbox:{P}", {b"event": b'["X", {}]'})
        pipe.execute()
    ids = [entry.decode() for entry, _ in board.redis.xrange(f"lsml:mailbox:{P}")]
    board.settle(P, job, ids, state="finished")
    assert board.redis.xlen(f"lsml:mailbox:{P}") == 0


def test_an_event_that_comes_while_a_run_settles_stays(board: JobBoard) -> None:
    job = board.record(P, _event(1))
    taken = [event.id for event in board.events(P)]
    board.take_waiting(P)
    board.record(P, _event(2))
    board.settle(P, job, taken, state="finished")
    assert [event.data["number"] for event in board.events(P)] == [2]
    assert board.dirty() == [P]


def test_lost_jobs_get_an_end_and_waiting_ones_stay(board: JobBoard) -> None:
    started = board.record(P, _event())
    board.take_waiting(P)
    board.update_job(started, state="started")
    taken = board.record(P, _event())
    board.take_waiting(P)
    mine = board.record(P, _event())
    board.take_waiting(P)
    waiting = board.record(P, _event())
    board.close_lost(P, mine)
    states = {job.id: job.state for job in board.jobs(P)}
    assert states == {started: "failed", taken: "failed", mine: "queued", waiting: "queued"}
    lost = board.job(started)
    assert lost is not None
    assert mine in lost.error


def test_a_wake_up_that_rq_lost_is_sent_again(board: JobBoard) -> None:
    job = board.record(P, _event())
    board.wake(P)
    assert board.redis.llen("rq:queue:test-queue") == 1
    board.redis.delete("rq:queue:test-queue")
    board.wake(P)
    assert board.redis.llen("rq:queue:test-queue") == 1
    assert [one.id for one in board.jobs(P)] == [job]


def test_a_worker_that_was_quicker_than_the_announcement(board: JobBoard) -> None:
    """The worker may take a job before the server has written its record: the record keeps what the worker wrote."""
    board.update_job("early", state="finished", version="v")
    board._announce(P, "early")
    job = board.job("early")
    assert job is not None
    assert (job.state, job.version, job.project) == ("finished", "v", P)


def test_an_event_is_kept_where_no_worker_can_be_woken(
    board: JobBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller must not send it again: then it would be there twice."""

    def refuses(*args: object) -> None:
        raise BrokerError("no")

    monkeypatch.setattr(board, "_enqueue", refuses)
    assert board.record(P, _event())
    assert len(board.events(P)) == 1
    assert board.dirty() == [P]


def test_concurrent_servers_make_one_job(board: JobBoard) -> None:
    boards = [JobBoard(board.redis, "test-queue") for _ in range(8)]
    barrier = threading.Barrier(8)

    def record(one: JobBoard) -> list[str]:
        barrier.wait(20)
        return [one.record(P, _event(number)) for number in range(25)]

    with ThreadPoolExecutor(8) as threads:
        ids = {job for found in threads.map(record, boards) for job in found}
    assert len(ids) == 1
    assert len(board.events(P)) == 200
    assert board.redis.llen("rq:queue:test-queue") == 1


def test_what_webhooks_delivered(board: JobBoard) -> None:
    board.deliver(P, [(task(2), annotation(2)), (task(1), annotation(1))])
    board.deliver(P, [(task(1), {**annotation(1), "id": 7}), (task(2), annotation(2, "bad"))])
    one, two = board.delivered(P)
    assert (one["id"], [found["id"] for found in one["annotations"]]) == (1, [7, 1001])
    assert two["annotations"][0]["result"][0]["value"]["choices"] == ["bad"]
    board.deliver(P, [(task(2), {**annotation(2), "was_cancelled": True})])
    assert [found["id"] for found in board.delivered(P)] == [1]
    board.undeliver(P, annotations=[7])
    assert [found["id"] for found in board.delivered(P)[0]["annotations"]] == [1001]
    board.undeliver(P, tasks=[1])
    assert board.delivered(P) == []


def test_undelivering_takes_no_other_number(board: JobBoard) -> None:
    board.deliver(P, [(task(number), annotation(number)) for number in (1, 11, 111)])
    board.undeliver(P, tasks=[1], annotations=[1])
    assert [found["id"] for found in board.delivered(P)] == [11, 111]


def test_parked_events_are_out_of_the_way_and_not_lost(board: JobBoard) -> None:
    board.record(P, _event(3))
    board.park(P, board.events(P))
    assert not board.events(P)
    assert not board.dirty()
    assert board.redis.xlen(f"lsml:parked:{P}") == 1


def test_forgetting_a_project_leaves_the_others(board: JobBoard) -> None:
    board.record(P, _event())
    board.deliver(P, [(task(1), annotation(1))])
    other = board.record("6.1", _event())
    board.forget(P)
    assert not board.events(P)
    assert not list(board.jobs(P))
    assert not board.delivered(P)
    assert board.dirty() == ["6.1"]
    assert [job.id for job in board.jobs("6.1")] == [other]


def test_old_job_records_go(board: JobBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT_JOBS", 3)
    made = []
    for _ in range(5):
        made.append(board.record(P, _event()))
        board.take_waiting(P)
    assert [job.id for job in board.jobs(P)] == made[:1:-1]
    assert board.job(made[0]) is None


def test_projects_with_odd_names(board: JobBoard) -> None:
    for project in ("a b", "ä:{1}*", "../x"):
        board.record(project, _event())
    assert board.dirty() == sorted(["a b", "ä:{1}*", "../x"])
    assert all(len(board.events(project)) == 1 for project in board.dirty())


def test_an_unreachable_redis_is_a_broker_error_that_says_what_to_check() -> None:
    gone = JobBoard(connect("unix:///nowhere/broker.sock"), "q")
    for call in (
        lambda: gone.record(P, _event()),
        lambda: gone.events(P),
        lambda: gone.job("x"),
        lambda: gone.dirty(),
        lambda: gone.wake(P),
        lambda: gone.forget(P),
    ):
        with pytest.raises(BrokerError, match="REDIS_URL"):
            call()
