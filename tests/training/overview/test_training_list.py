"""Pages of trainings over all projects, what they wait for, and how many calls of Redis they take."""

from collections.abc import Callable
from typing import Any

import pytest
from redis.connection import AbstractConnection

from label_studio_ml.training.overview import training_list
from label_studio_ml.training.policy import Decision
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.job_index import STATES
from live import created, uid

P = uid(1)
#: The most calls of Redis for one page.
FEW = 8


@pytest.fixture
def count_calls(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """A function that returns how many times something was sent to Redis since its last call."""
    calls = [0]
    send: Callable[..., Any] = AbstractConnection.send_packed_command

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        return send(self, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)

    def since() -> int:
        number, calls[0] = calls[0], 0
        return number

    return since


def _record(job_store: JobStore, project: str = P, number: int = 1) -> str:
    event = created(1, number)
    return job_store.record(project, StoredEvent(event["action"], event))


def _page(
    job_store: JobStore, *states: str, project: str = "", offset: int = 0, count: int = 50
) -> dict[str, Any]:
    return training_list.page_of_jobs(
        job_store, "/backend", states=states, project=project, offset=offset, count=count
    )


def _wait(job_store: JobStore) -> dict[str, Any]:
    (row,) = _page(job_store)["jobs"]
    return dict(row["wait"])


def _fill(job_store: JobStore, jobs: int, projects: int) -> list[str]:
    """Write records of jobs as they are after months of use; return their ids, oldest first."""
    ids = [
        f"2026{1 + n // 2500:02}{1 + n % 28:02}-{n // 600 % 24:02}{n // 60 % 60:02}{n % 60:02}-{n:06x}"
        for n in range(jobs)
    ]
    for start in range(0, jobs, 1000):
        with job_store.redis.pipeline(transaction=False) as pipe:
            for number, job_id in enumerate(ids[start : start + 1000], start):
                project, state = uid(number % projects), STATES[number % len(STATES)]
                fields = {"project": project, "state": state, "created": "2026-01-01T00:00:00+00:00"}
                error = {"error": "ValueError: no"} if state == "failed" else {}
                pipe.hset(job_store.keys.job(job_id), mapping={**fields, **error})
                pipe.lpush(job_store.keys.jobs(project), job_id)
            pipe.execute()
    return sorted(ids)


def test_a_page_of_twelve_thousand_jobs_takes_few_calls(
    job_store: JobStore, count_calls: Callable[[], int]
) -> None:
    ids = _fill(job_store, 12_000, 6000)
    job_store.index.build()
    count_calls()
    page = _page(job_store)
    assert count_calls() <= FEW
    assert [row["job"] for row in page["jobs"]] == ids[:-51:-1]
    assert page["total"] == 12_000
    failed = _page(job_store, "failed", offset=1950)
    assert count_calls() <= FEW
    assert (len(failed["jobs"]), failed["total"]) == (50, 2000)
    assert {row["state"] for row in failed["jobs"]} == {"failed"}
    mine = _page(job_store, project=uid(17))
    assert count_calls() <= FEW
    assert [row["job"] for row in mine["jobs"]] == [job.id for job in job_store.jobs.of(uid(17))]
    count_calls()
    active = training_list.active(job_store, "/backend", 50)
    numbers = training_list.counts(job_store)
    assert count_calls() <= FEW
    assert (len(active["running"]), len(active["waiting"])) == (50, 50)
    assert numbers == {**dict.fromkeys(STATES, 2000), "parked": 0}


def test_entries_that_are_out_of_date_are_corrected(job_store: JobStore) -> None:
    job = _record(job_store)
    job_store.redis.hset(job_store.keys.job(job), "state", "failed")  # as an older release writes it
    assert _page(job_store, "queued")["jobs"] == []
    assert [row["job"] for row in _page(job_store, "failed")["jobs"]] == [job]
    job_store.redis.delete(job_store.keys.job(job))
    assert _page(job_store, "failed")["jobs"] == []
    assert training_list.counts(job_store)["failed"] == 0


def test_a_job_waits_for_a_worker_if_none_is_alive(job_store: JobStore) -> None:
    _record(job_store)
    wait = _wait(job_store)
    assert wait["kind"] == "worker"
    assert "worker /backend" in wait["fix"]


def _worker(job_store: JobStore, name: str = "w") -> None:
    key = f"rq:worker:{name}"
    job_store.redis.set(key, 1)
    job_store.redis.sadd(job_store.keys.workers, key)


def test_a_job_waits_for_the_trainings_before_it(job_store: JobStore) -> None:
    _worker(job_store)
    _record(job_store)
    assert _wait(job_store)["kind"] == "starting"
    other = _record(job_store, uid(2))
    job_store.take_waiting(uid(2))
    job_store.update_job(other, state="started")
    (waiting,) = _page(job_store, "queued")["jobs"]
    assert (waiting["wait"]["kind"], waiting["wait"]["text"]) == (
        "turn",
        "waits for its turn: all workers are busy (1 training)",
    )
    job_store.redis.set(job_store.keys.lease(P), "worker:30000")
    (waiting,) = _page(job_store, "queued")["jobs"]
    assert waiting["wait"]["kind"] == "project"


@pytest.mark.parametrize(
    ("decision", "kind", "need", "has_time"),
    [
        (
            Decision(need=3, have=2, text="waits for new annotations: {have} of 5 (train_every)"),
            "annotations",
            3,
            False,
        ),
        (
            Decision(at=1_900_000_000_000, text="waits until no event has come for 60 s (quiet_period)"),
            "quiet",
            None,
            True,
        ),
        (Decision(text="waits for the training button (train_every is 0)"), "button", None, False),
        (
            Decision(at=1_900_000_000_000, text="ConnectionError: no route (try 2; the next one is in 20 s)"),
            "retry",
            None,
            True,
        ),
    ],
)
def test_a_postponed_job_says_what_it_waits_for(
    job_store: JobStore, decision: Decision, kind: str, need: int | None, *, has_time: bool
) -> None:
    job = _record(job_store)
    job_store.postpone(P, job, decision, job_store.queues.entries(P), code="c")
    wait = _wait(job_store)
    assert (wait["kind"], wait["need"]) == (kind, need)
    assert wait["until"] == ("2030-03-17T17:46:40.000+00:00" if has_time else "")
    assert decision.message in wait["text"]
    assert wait["fix"]


def test_a_cancelled_and_a_refused_job_say_so(job_store: JobStore) -> None:
    job = _record(job_store)
    job_store.update_job(job, message="waits: it is for a worker with the class Other")
    assert _wait(job_store)["kind"] == "class"
    job_store.update_job(job, cancel="2026-01-01T00:00:00+00:00")
    assert _wait(job_store)["kind"] == "cancelling"


def test_a_failed_job_has_advice_and_texts_of_limited_length(job_store: JobStore) -> None:
    job = _record(job_store)
    job_store.update_job(job, state="failed", error="ModuleNotFoundError: No module named 'x'" + " x" * 1000)
    (row,) = _page(job_store)["jobs"]
    assert row["advice"]["cause"] == "A Python package is missing where the worker runs"
    assert len(row["error"]) == training_list.MAX_TEXT


def test_parked_events_are_listed_with_cause_and_advice(job_store: JobStore) -> None:
    _record(job_store)
    ids = [entry.id for entry in job_store.queues.entries(P)]
    why = "the training process was killed by SIGKILL (out of memory?) in fit"
    job_store.queues.park(P, ids, why=why, since="2026-01-01T00:00:00+00:00")
    expected = {"project": P, "project_id": "1", "events": 1}
    (row,) = training_list.parked_rows(job_store, "/backend", count=10)
    (parked_set,) = row.pop("sets")
    assert row == expected
    assert (parked_set["why"], parked_set["advice"]["cause"]) == (why, "The machine has too little memory")
    assert training_list.parked_rows(job_store, "/backend", project=uid(2)) == []
    assert training_list.counts(job_store)["parked"] == 1
    assert training_list.counts(job_store, P)["parked"] == 1
