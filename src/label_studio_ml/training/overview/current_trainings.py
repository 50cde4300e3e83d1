"""The trainings that run and wait in all projects of a backend, and the projects whose tasks are predicted again."""

import itertools
from typing import Any

import msgspec

from label_studio_ml.training.overview.training_list import build_index
from label_studio_ml.training.records.job_record import Job, read_job
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import Repredictions
from label_studio_ml.training.redis.redis_errors import broker_errors

#: The newest jobs of a project among which its running one is searched.
_NEWEST = 5


class TrainingRow(msgspec.Struct, frozen=True):
    """A training that runs ("running"), waits for a worker ("waiting") or for its condition ("postponed").

    `progress` is from 0 to 1, None if unknown; times are ISO 8601 in UTC; `message` is the run's last message, or what
    a postponed training waits for. `events` is the number of the project's queued events.
    """

    job: str
    uid: str
    state: str
    progress: float | None = None
    message: str = ""
    created: str = ""
    started: str = ""
    cancelling: bool = False
    events: int = 0


class TrainingOverview(msgspec.Struct, frozen=True):
    """Numbers of trainings by state, and `rows` with some of them: running ones first, then the oldest."""

    running: int = 0
    waiting: int = 0
    postponed: int = 0
    rows: tuple[TrainingRow, ...] = ()


class RepredictionRow(msgspec.Struct, frozen=True):
    """The progress of predicting a project's tasks again with `version`, in tasks."""

    uid: str
    version: str
    state: str
    tasks: int
    done: int
    failed: int
    error: str = ""


@broker_errors()
def overview(job_store: JobStore, limit: int) -> TrainingOverview:
    """Return the trainings of all projects, with at most `limit` rows. Raises BrokerError."""
    uids, keys = job_store.queues.dirty(), job_store.keys
    with job_store.redis.pipeline(transaction=False) as pipe:
        for uid in uids:
            pipe.exists(keys.lease(uid))
            pipe.get(keys.waiting(uid))
            pipe.exists(keys.postponement(uid))
            pipe.xlen(keys.mailbox(uid))
        answers = pipe.execute()
    events = dict(zip(uids, answers[3::4], strict=True))
    leased = [uid for uid, has_lease in zip(uids, answers[::4], strict=True) if has_lease]
    jobs = sorted(
        (job_id.decode(), uid, bool(postponed))
        for uid, job_id, postponed in zip(uids, answers[1::4], answers[2::4], strict=True)
        if job_id
    )  # ids begin with the time of the job's creation
    waiting = [(job_id, uid) for job_id, uid, postponed in jobs if not postponed]
    postponed = [(job_id, uid) for job_id, uid, postponed in jobs if postponed]
    running = _running(job_store, leased[:limit])
    listed = [("waiting", *job) for job in waiting] + [("postponed", *job) for job in postponed]
    shown = listed[: max(0, limit - len(running))]
    records = _records(job_store, [job_id for _, job_id, _ in shown])
    rows = [_row(job, "running", events.get(job.project, 0)) for job in running] + [
        _row(job, state, events[uid])
        for (state, _, uid), job in zip(shown, records, strict=True)
        if job is not None
    ]
    number = len(running) if len(leased) <= limit else len(leased)
    return TrainingOverview(number, len(waiting), len(postponed), tuple(rows))


@broker_errors()
def parked(job_store: JobStore) -> dict[str, int]:
    """Return the number of events that were set aside, for each project that has some. Raises BrokerError."""
    build_index(job_store)
    return job_store.queues.parked_sets.numbers()


@broker_errors()
def repredictions(job_store: JobStore, limit: int) -> tuple[int, list[RepredictionRow]]:
    """Return how many projects are due for re-prediction, and the progress of at most `limit`. Raises BrokerError."""
    records = Repredictions(job_store)
    uids = sorted(records.projects())
    found = ((uid, records.get(uid)) for uid in uids)
    rows = (
        RepredictionRow(
            uid,
            record.version,
            record.state,
            record.total,
            record.written,
            record.failed,
            record.error,
        )
        for uid, record in found
        if record is not None
    )
    return len(uids), list(itertools.islice(rows, limit))


def _running(job_store: JobStore, uids: list[str]) -> list[Job]:
    """Return the running job of each of the projects that are being trained, the earliest first."""
    with job_store.redis.pipeline(transaction=False) as pipe:
        for uid in uids:
            pipe.lrange(job_store.keys.jobs(uid), 0, _NEWEST - 1)
        newest: list[list[bytes]] = pipe.execute()
    records = _records(job_store, [job_id.decode() for jobs in newest for job_id in jobs])
    started = [job for job in records if job is not None and job.state == "started"]
    return sorted(started, key=lambda job: job.started)


def _records(job_store: JobStore, job_ids: list[str]) -> list[Job | None]:
    with job_store.redis.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hgetall(job_store.keys.job(job_id))
        answers: list[dict[bytes, Any]] = pipe.execute()
    return [
        read_job(job_id, fields) if fields else None for job_id, fields in zip(job_ids, answers, strict=True)
    ]


def _row(job: Job, state: str, events: int) -> TrainingRow:
    return TrainingRow(
        job=job.id,
        uid=job.project,
        state=state,
        progress=job.progress if job.progress >= 0 else None,
        message=job.message,
        created=job.created,
        started=job.started,
        cancelling=bool(job.cancel),
        events=int(events),
    )
