"""Pages of trainings over all projects, from the index in Redis: a few calls, however many jobs there are."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from label_studio_ml.training.overview.failure_advice import advice_for
from label_studio_ml.training.overview.wait_reason import Wait, Workers, wait_of
from label_studio_ml.training.records.job_record import ERROR_STATES, KEPT_JOBS, Job, read_job
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.job_index import STATES
from label_studio_ml.training.redis.redis_errors import broker_errors

#: The most characters of one text of a job in a list; the job's own page shows more.
MAX_TEXT, MAX_WHOLE_TEXT = 500, 20_000
#: The most metrics of one job that are shown in a list.
MAX_METRICS = 8
#: The most running trainings that are read to tell what others wait for.
MAX_RUNNING = 200


def build_index(job_store: JobStore) -> None:
    """List the jobs and the parked events that an older release has written, unless that was done a while ago.

    Raises BrokerError.
    """
    if job_store.index.build():
        job_store.queues.parked_sets.build()


@broker_errors()
def page_of_jobs(
    job_store: JobStore, folder: str, *, states: Sequence[str], project: str, offset: int, count: int
) -> dict[str, Any]:
    """Return `jobs`, a page of the newest jobs in any of the `states` (all if empty), and `total`, their number.

    With `project`, only jobs of this project are counted and listed. Raises BrokerError.
    """
    wanted = [state for state in STATES if not states or state in states]
    if project:
        jobs = [job for job in _records(job_store, _ids_of(job_store, project)) if job.state in wanted]
        page, total = jobs[offset : offset + count], len(jobs)
    else:
        counts = job_store.index.counts()
        total = sum(counts[state] for state in wanted)
        page = _listed(job_store, wanted, offset, count)
    return {"jobs": rows(job_store, page, folder), "total": total}


@broker_errors()
def counts(job_store: JobStore, project: str = "") -> dict[str, int]:
    """Return the number of jobs in each state, and of projects with parked events as `parked`. Raises BrokerError."""
    if not project:
        return {**job_store.index.counts(), "parked": job_store.queues.parked_sets.count()}
    numbers = dict.fromkeys(STATES, 0)
    for job in _records(job_store, _ids_of(job_store, project)):
        numbers[job.state] += 1
    return {**numbers, "parked": len(job_store.queues.parked_sets.of([project]))}


@broker_errors()
def active(job_store: JobStore, folder: str, count: int) -> dict[str, Any]:
    """Return the newest `running` and `waiting` jobs, at most `count` of each, and the number of workers alive."""
    ids = [job_id for state in ("started", "queued") for job_id in job_store.index.newest([state], 0, count)]
    jobs = _corrected(job_store, ids, ("started", "queued"))
    workers = read_workers(job_store)
    shown = rows(job_store, jobs, folder, workers)
    return {
        "running": [row for row in shown if row["state"] == "started"],
        "waiting": [row for row in shown if row["state"] == "queued"],
        "workers": workers.alive,
    }


def rows(
    job_store: JobStore, jobs: Sequence[Job], folder: str, workers: Workers | None = None
) -> list[dict[str, Any]]:
    """Return the jobs as JSON values for a list, with what each waits for, or why it failed and what to do."""
    waits = waits_of(job_store, [job for job in jobs if job.state == "queued"], folder, workers)
    return [row_of(job, folder, waits.get(job.id)) for job in jobs]


def row_of(job: Job, folder: str, wait: Wait | None = None, most: int = MAX_TEXT) -> dict[str, Any]:
    """Return a job as JSON values without empty fields; texts are cut after `most` characters."""
    advice = advice_for(job.error, folder) if job.state in ERROR_STATES else None
    names = list(job.metrics)[: MAX_METRICS if most == MAX_TEXT else None]
    texts = {
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "message": job.message,
        "version": job.version,
        "error": job.error,
        "error_code": job.error_code,
        "retried_by": job.retried_by,
        "retry_of": job.retry_of,
        "ending": job.ending,
        "held_back": job.held_back,
        "comparison": job.comparison,
        "source": job.source,
        "asked_by": job.asked_by,
        "model_class": job.model_class,
        "cancel_requested": job.cancel if job.running else "",
    }
    return {
        "job": job.id,
        "project": job.project,
        "project_id": job.project.partition(".")[0],
        "state": job.state,
        "events": job.events,
        **{name: text[:most] for name, text in texts.items() if text},
        **({"progress": job.progress} if job.progress >= 0 else {}),
        **({"annotations": job.annotations} if job.annotations >= 0 else {}),
        **({"metrics": {name: job.metrics[name] for name in names}} if names else {}),
        **({"trackers": job.trackers} if job.trackers else {}),
        **({"wait": {**asdict(wait), "text": wait.text[:most]}} if wait is not None else {}),
        **({"advice": asdict(advice)} if advice is not None else {}),
    }


def read_workers(job_store: JobStore) -> Workers:
    """Return the workers that are alive, and what they train."""
    keys, redis = job_store.keys, job_store.redis
    with redis.pipeline(transaction=False) as pipe:
        pipe.smembers(keys.workers)
        pipe.zrevrange(keys.index("started"), 0, MAX_RUNNING - 1)
        listed, started = pipe.execute()
    with redis.pipeline(transaction=False) as pipe:
        for key in listed:
            pipe.exists(key)
        for job_id in started:
            pipe.hmget(keys.job(job_id.decode()), "project", "state")
        answers = pipe.execute()
    alive, records = sum(answers[: len(listed)]), answers[len(listed) :]
    training = tuple(
        (job_id.decode(), (project or b"").decode())
        for job_id, (project, state) in zip(started, records, strict=True)
        if state == b"started"
    )
    return Workers(alive, training)


@broker_errors()
def parked_rows(
    job_store: JobStore, folder: str, *, project: str = "", offset: int = 0, count: int = 1
) -> list[dict[str, Any]]:
    """Return projects with parked events as JSON values, the newest ones first, with cause and advice of each set.

    With `project`, only this one is returned, if it has any. Raises BrokerError.
    """
    found, index = [], job_store.queues.parked_sets
    for parked in index.of([project]) if project else index.newest(offset, count):
        sets = []
        for parked_set in parked.sets:
            advice = advice_for(parked_set.why, folder)
            entry = msgspec.to_builtins(parked_set)
            sets.append(
                {**entry, "why": parked_set.why[:MAX_TEXT], "advice": asdict(advice) if advice else None}
            )
        project_id = parked.project.partition(".")[0]
        found.append(
            {"project": parked.project, "project_id": project_id, "events": parked.events, "sets": sets}
        )
    return found


def _ids_of(job_store: JobStore, project: str) -> list[str]:
    return [
        job_id.decode() for job_id in job_store.redis.lrange(job_store.keys.jobs(project), 0, KEPT_JOBS - 1)
    ]


def _records(job_store: JobStore, job_ids: Sequence[str]) -> list[Job]:
    """Return the records of these jobs in order, without those that have none."""
    with job_store.redis.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hgetall(job_store.keys.job(job_id))
        fields = pipe.execute()
    return [
        read_job(job_id, record)
        for job_id, record in zip(job_ids, fields, strict=True)
        if record.get(b"project") and record.get(b"state", b"queued").decode(errors="replace") in STATES
    ]


def _listed(job_store: JobStore, states: Sequence[str], offset: int, count: int) -> list[Job]:
    """Return a page of the index, without entries that are out of date."""
    return _corrected(job_store, job_store.index.newest(states, offset, count), states)


def _corrected(job_store: JobStore, job_ids: Sequence[str], states: Sequence[str]) -> list[Job]:
    """Return those of the jobs that are in one of the `states`, and correct the index for the others."""
    jobs = _records(job_store, job_ids)
    found = {job.id: job.state for job in jobs}
    wrong: dict[str, str] = {job_id: "" for job_id in job_ids if job_id not in found}
    wrong |= {job_id: state for job_id, state in found.items() if state not in states}
    if wrong:
        job_store.index.correct(wrong)
    return [job for job in jobs if job.id not in wrong]


def waits_of(
    job_store: JobStore, queued: Sequence[Job], folder: str, workers: Workers | None = None
) -> dict[str, Wait]:
    """Return what each of the queued jobs waits for, by the job's id."""
    if not queued:
        return {}
    workers = workers or read_workers(job_store)
    keys = job_store.keys
    with job_store.redis.pipeline(transaction=False) as pipe:
        for job in queued:
            pipe.hgetall(keys.postponement(job.project))
            pipe.exists(keys.lease(job.project))
        answers = pipe.execute()
    return {
        job.id: wait_of(job, hold, leased=bool(leased), workers=workers, folder=folder)
        for job, hold, leased in zip(queued, answers[::2], answers[1::2], strict=True)
    }
