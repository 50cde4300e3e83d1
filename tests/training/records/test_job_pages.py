"""What changes in a job's record while it runs, and asking for a job's end, on both kinds of broker."""

from typing import Any

import pytest

from label_studio_ml.errors import JobEnded, UnknownJob
from label_studio_ml.training.job import Report
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_pages import read_log, read_points, write_progress
from label_studio_ml.training.records.job_record import Job
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.run_log import Scrubber, Tail
from label_studio_ml.training.scheduling.cancellation import request_cancel, settle_cancelled
from label_studio_ml.training.worker.job_reporter import MAX_POINTS, JobReporter
from live import created, uid

P = uid(1)


def _write(job_store: JobStore, job: str, *lines: str, first: int = 0, **fields: str) -> bool:
    return write_progress(job_store, job, fields, points=None, first=first, lines=list(lines))


def _record(job_store: JobStore, number: int = 1) -> str:
    event = created(1, number)
    return job_store.record(P, StoredEvent(event["action"], event))


def _job(job_store: JobStore, job_id: str) -> Job:
    job = job_store.jobs.get(job_id)
    assert job is not None
    return job


def test_lines_are_read_by_their_numbers(job_store: JobStore) -> None:
    job = _record(job_store)
    _write(job_store, job, "0", "1")
    _write(job_store, job, "2", first=2, current="3 at 10 %")
    assert read_log(job_store, job).lines == ["0", "1", "2"]
    part = read_log(job_store, job, after=1, limit=1)
    assert (part.first, part.lines, part.next, part.current) == (1, ["1"], 2, "")
    part = read_log(job_store, job, after=-1)
    assert (part.first, part.lines, part.next, part.current) == (2, ["2"], 3, "3 at 10 %")
    assert read_log(job_store, job, after=99).lines == []
    _write(job_store, job, "9", first=9)  # those between were too many
    part = read_log(job_store, job)
    assert (part.first, part.lines) == (9, ["9"])


def test_only_so_much_is_kept(job_store: JobStore) -> None:
    job = _record(job_store)
    for first in range(0, 3000, 500):
        _write(job_store, job, *(f"line {number}" for number in range(first, first + 500)), first=first)
    part = read_log(job_store, job)
    assert (part.first, part.lines[0], part.next) == (2000, "line 2000", 3000)
    for number in range(3000, 3200):
        _write(job_store, job, "x" * 4000, first=number)
    assert sum(map(len, read_log(job_store, job).lines)) <= 256 << 10


def test_nothing_is_written_for_a_job_that_is_gone(job_store: JobStore) -> None:
    job = _record(job_store)
    job_store.forget(P)
    assert not _write(job_store, job, "line", progress="0.5")
    assert job_store.jobs.get(job) is None
    assert read_log(job_store, job).lines == []
    assert not [
        key for key in job_store.redis.keys("*") if job.encode() in key and not key.startswith(b"rq:")
    ]


def test_old_records_go_with_their_logs(job_store: JobStore) -> None:
    job = _record(job_store)
    _write(job_store, job, "line")
    write_progress(job_store, job, {}, points=[{"loss": 1}], first=1, lines=[])
    assert read_points(job_store, job) == [{"loss": 1}]
    assert job_store.redis.ttl(job_store.keys.log(job)) > 0
    assert job_store.redis.ttl(job_store.keys.points(job)) > 0
    job_store.forget(P)
    assert not job_store.redis.exists(*job_store.keys.of_job(job))


def test_the_last_word_always_arrives(job_store: JobStore) -> None:
    job = _record(job_store)
    tail = Tail()
    with JobReporter(job_store, job, tail, Scrubber(["a-secret"])) as record:
        for number in range(MAX_POINTS * 3):
            record.add_report(Report(progress=number / 3000, message=f"{number} of a-secret"))
            record.add_report(Report(point={"step": number, "loss": 0.5 * number}))
        tail.add([b"the last line"])
    found = _job(job_store, job)
    assert (found.progress, found.message) == (0.9997, "2999 of [secret]")
    assert found.metrics == {"loss": 1499.5}
    points = read_points(job_store, job)
    assert len(points) <= MAX_POINTS + 1
    assert (points[0]["step"], points[-1]["step"]) == (0, 2999)
    assert read_log(job_store, job).lines == ["the last line"]


def test_a_record_that_asks_for_the_end_is_heard(job_store: JobStore) -> None:
    job = _record(job_store)
    assert not _write(job_store, job)
    assert request_cancel(job_store, job).cancel
    assert _write(job_store, job)
    assert request_cancel(job_store, job).cancel == _job(job_store, job).cancel, "the first time counts"


@pytest.mark.parametrize("state", ["finished", "failed", "cancelled"])
def test_what_has_ended_is_not_cancelled(job_store: JobStore, state: str) -> None:
    job = _record(job_store)
    job_store.update_job(job, state=state)
    with pytest.raises(JobEnded, match=f"it is {state}"):
        request_cancel(job_store, job)
    assert not _job(job_store, job).cancel
    with pytest.raises(UnknownJob):
        request_cancel(job_store, "another")
    assert job_store.jobs.get("another") is None


def test_a_cancelled_job_takes_only_its_own_events_along(job_store: JobStore) -> None:
    job = _record(job_store, 1)
    _record(job_store, 2)
    request_cancel(job_store, job)
    _record(job_store, 3)
    assert job_store.take_waiting(P) == job
    entries = job_store.queues.entries(P)
    rest, current = settle_cancelled(job_store, P, job, entries)
    assert (rest, current) == (entries[2:], None)
    assert job_store.queues.entries(P) == rest
    found: dict[str, Any] = {"state": _job(job_store, job).state, "events": _job(job_store, job).events}
    assert found == {"state": "cancelled", "events": 2}
    assert settle_cancelled(job_store, P, None, rest) == (rest, None)


def test_the_next_job_is_left_to_its_own_turn(job_store: JobStore) -> None:
    running = _record(job_store, 1)
    job_store.take_waiting(P)
    waiting = _record(job_store, 2)
    request_cancel(job_store, waiting)
    entries = job_store.queues.entries(P)
    assert settle_cancelled(job_store, P, running, entries) == (entries, running)
    assert _job(job_store, waiting).state == "queued"
