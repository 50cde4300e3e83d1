"""Training jobs in Redis: store events, wake a worker, and keep the jobs' records.

All calls are short but block: the server makes them in a thread. The event queue is the source of truth, and RQ is used
only to wake a worker: the sweeper repeats wake-ups that were lost.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from label_studio_ml.errors import BrokerError, ProjectBusy
from label_studio_ml.protocol.webhook_payload import counted
from label_studio_ml.training.policy import Decision, Entry, training_requester
from label_studio_ml.training.records.event_queue import EventQueues, StoredEvent, new_token
from label_studio_ml.training.records.job_record import (
    ERROR_STATES,
    RECENT_JOBS,
    Job,
    JobFailure,
    JobRecords,
    new_job_id,
    now,
)
from label_studio_ml.training.records.postponement import Postponement
from label_studio_ml.training.records.run_inputs import DeliveredAnnotations, ProjectDescriptions
from label_studio_ml.training.records.untrusted_events import script_limits
from label_studio_ml.training.redis.job_index import JobIndex, created_at
from label_studio_ml.training.redis.keys import Keys, job_id_of
from label_studio_ml.training.redis.prediction_jobs import running_prediction
from label_studio_ml.training.redis.queue_owner import ForeignQueue, Owner
from label_studio_ml.training.redis.redis_errors import raises_broker_errors
from label_studio_ml.training.redis.scripts import IS_LEASED, NEXT_JOB, POSTPONE, STORE_EVENT
from label_studio_ml.training.redis.wake_ups import WakeUps

logger = logging.getLogger(__name__)

#: The error's code of a run whose worker ended: that of `TrainingInterrupted`.
WORKER_ENDED = "LSML-E651"
#: Seconds for which an event's token is stored.
TOKEN_TTL = 6 * 3600
#: The arguments of STORE_EVENT that stand for no limits.
_NO_LIMITS: tuple[str | bytes | int, ...] = ("", "", 0, 0, 0)


@raises_broker_errors
class JobStore:
    """The training jobs of one queue, from the first event to the outcome. Safe to use from several threads.

    `owner` is the backend that owns the queue, None if the broker is embedded. `queues`, `index`, `jobs`, `wake_ups`,
    `descriptions` and `delivered` are the parts of the queue's data in Redis; the methods of this class change several
    of them together. Every method raises BrokerError when Redis cannot be reached or refuses.
    """

    def __init__(self, connection: Any, queue: str, owner: Owner | None = None) -> None:
        self.redis = connection
        self.keys = Keys(queue)
        self.owner = owner
        self.queues = EventQueues(connection, self.keys)
        self.index = JobIndex(connection, self.keys)
        self.jobs = JobRecords(connection, self.keys, self.index)
        self.wake_ups = WakeUps(connection, self.keys, owner)
        self.descriptions = ProjectDescriptions(connection, self.keys)
        self.delivered = DeliveredAnnotations(connection, self.keys)
        #: Called for each job that fails or is interrupted.
        self.on_failure: Callable[[JobFailure], None] = lambda failure: None
        #: Called at the end of each run with project, job id, why Label Studio could not be read (empty if there was
        #: no such problem), and whether the run trained without error.
        self.on_login: Callable[[str, str, str, bool], None] = lambda project, job_id, refused, trained: None
        self._store = connection.register_script(STORE_EVENT)
        self._postpone = connection.register_script(POSTPONE)
        self._next = connection.register_script(NEXT_JOB)

    # Storing events

    def record(self, project: str, event: StoredEvent, token: str = "", *, bounded: bool = True) -> str:
        """Store `event` and wake a worker; return the id of the job that will process the event.

        A call with a `token` that was used before stores nothing and returns the same id. With `bounded`, the limits of
        `untrusted_events` apply to an event that is not trusted. Raises ForeignQueue if the queue belongs to another
        backend now.
        """
        keys = self.keys
        owner = self.owner or Owner("")
        answer = self._store(
            keys=[
                keys.token(token or new_token()),
                keys.mailbox(project),
                keys.payloads(project),
                keys.dirty,
                keys.waiting(project),
                keys.postponement(project),
                keys.jobs(project),
                keys.backend,
                keys.untrusted(project),
                keys.folds(project),
            ],
            args=[
                project,
                new_job_id(),
                event.action,
                counted(event),
                msgspec.json.encode(event),
                TOKEN_TTL,
                now(),
                keys.job(""),
                owner.id,
                owner.model_class,
                owner.code,
                *(script_limits(event) if bounded and not event.trusted else _NO_LIMITS),
                event.caller,
                keys.index(""),
                round(time.time() * 1000),
            ],
        )
        if not answer:
            raise ForeignQueue(f"The queue {keys.queue} belongs to another backend now")
        job, is_new, wake = answer
        job_id = str(job.decode())
        try:
            if is_new:
                self.wake_ups.enqueue(project, job_id)
                self.jobs.remove_old(project)
            elif wake:
                self.wake(project)
        except BrokerError as error:  # the event is stored: the sweeper will wake a worker
            logger.warning("Project %s: no worker could be woken: %s", project, error)
        return job_id

    def job_of(self, token: str) -> str | None:
        """Return the id of the job of the event that was stored with `token`, None if there is none."""
        job_id = self.redis.get(self.keys.token(token))
        return job_id.decode() if job_id else None

    def wake(self, project: str) -> None:
        """Wake a worker for a project with queued events, unless a worker trains it or a wake-up is queued."""
        names = (self.keys.waiting(project), self.keys.lease(project), self.keys.mailbox(project))
        waiting = self._next(keys=[*names, self.keys.dirty], args=[new_job_id(), project])
        if waiting is None:
            return
        job_id = job_id_of(waiting)
        if job_id is None:  # another program has overwritten the key
            self.redis.delete(self.keys.waiting(project))
            return
        if not self.jobs.created(job_id):
            self._create(project, job_id, woken=True)
        if not self.wake_ups.queued(job_id):
            self.wake_ups.enqueue(project, job_id)

    def unpark(self, project: str) -> str | None:
        """Store the events that were set aside again, in order; return the id of their job, None if there are none.

        An interrupted call can be repeated: no event is stored twice.
        """
        job_id = None
        for parked in self.queues.parked(project):
            job_id = self.record(project, parked.event, token=f"{project}:{parked.event.id}", bounded=False)
            self.queues.drop_parked(project, parked.event.id)
        self.queues.parked_sets.remove(project)
        return job_id

    # A job's life

    def new_job(self, project: str) -> str:
        """Create a job with a record and return its id."""
        job_id = new_job_id()
        self._create(project, job_id)
        return job_id

    def update_job(self, job_id: str, **fields: object) -> None:
        """Write fields of a job's record. The states "failed" and "interrupted" call `on_failure`."""
        with self.redis.pipeline(transaction=True) as pipe:
            self._write_in(pipe, job_id, fields)
            pipe.execute()
        if fields.get("state") in ERROR_STATES and (job := self.jobs.get(job_id)) is not None:
            self._report_failure(
                job.project, job_id, {"error": job.error, "error_code": job.error_code, **fields}
            )

    def take_waiting(self, project: str) -> str | None:
        """Return the id of the waiting job, which begins now, None if there is none; later events make a new job."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.getdel(self.keys.waiting(project))
            pipe.delete(self.keys.postponement(project))
            waiting = cast("bytes | None", pipe.execute()[0])
        return job_id_of(waiting)

    def settle(self, project: str, job_id: str, event_ids: list[str], **fields: object) -> None:
        """Write a job's outcome and remove the events that it covers, in one transaction."""
        with self.redis.pipeline(transaction=True) as pipe:
            self._write_in(pipe, job_id, fields)
            pipe.delete(self.keys.attempts(project))
            self.queues.remove_in(pipe, project, event_ids)
            pipe.execute()
        if fields.get("state") in ERROR_STATES:
            self._report_failure(project, job_id, fields)

    def end_without_events(self, project: str, job_id: str) -> None:
        """End a job for which no events are left, because they went to an earlier job that has an outcome by now.

        If only a wake-up needed it, its record is removed. The sender of an event may follow its job, which has no
        events if the earlier job's run has read the event queue after the event was stored.
        """
        job = self.jobs.get(job_id)
        if job is None or (job.woken and job.state == "queued"):
            self.jobs.remove(project, job_id)
        elif job.running:
            self.update_job(job_id, state="finished", ended=now())

    def close_lost(self, project: str, current: str | None) -> None:
        """Mark unfinished jobs as interrupted whose worker is gone. The caller must hold the project's lease.

        The waiting job is left unchanged, and so is the `current` job, which begins now, but that it and the
        interrupted jobs whose events it has name each other from then on.
        """
        unfinished = [job for job in self.jobs.of(project, limit=RECENT_JOBS) if job.running]
        kept_ids = {current, self.waiting_id(project)}
        for job in unfinished:
            if job.id not in kept_ids:
                fields = {"error": "its worker ended before it did", "error_code": WORKER_ENDED}
                self.update_job(job.id, state="interrupted", ended=now(), **fields)
        if current is not None:
            self._link_tries(project, current)

    def _link_tries(self, project: str, job_id: str) -> None:
        """Name `job_id` in the interrupted jobs whose events it has, and the newest of them in its own record."""
        interrupted = self.jobs.interrupted_before(project, job_id)
        if not interrupted:
            return
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(self.keys.job(job_id), "retry_of", interrupted[0].id)
            for job in interrupted:
                if not job.retried_by:
                    pipe.hset(self.keys.job(job.id), "retried_by", job_id)
            pipe.execute()

    def _report_failure(self, project: str, job_id: str, fields: Mapping[str, object]) -> None:
        error, code = str(fields.get("error", "")), str(fields.get("error_code", ""))
        is_interrupted = fields.get("state") == "interrupted"
        self.on_failure(JobFailure(project, job_id, error, code, is_interrupted))

    def forget(self, project: str) -> None:
        """Remove all that Redis holds of a project, except its lease and its fence.

        Raises ProjectBusy while a prediction job of the project runs: its journals would be lost, and with them the
        knowledge of which predictions Label Studio may have stored.
        """
        self.check_no_prediction(project)
        self.jobs.remove_all(project)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(*self.keys.of_project(project))
            for key in self.keys.by_project("set"):
                pipe.srem(key, project)
            for key in self.keys.by_project("hash"):
                pipe.hdel(key, project)
            for key in self.keys.by_project("sorted set"):
                pipe.zrem(key, project)
            pipe.execute()

    def check_no_prediction(self, project: str) -> None:
        """Raise ProjectBusy if a worker runs a prediction job of the project."""
        if job_id := running_prediction(self.redis, self.keys, project):
            raise ProjectBusy(
                f"Tasks of project {project} are being predicted by a worker (job {job_id})",
                fix="Wait for its end",
                field="project",
            )

    # Whether a run is due

    def postpone(
        self, project: str, job_id: str | None, decision: Decision, entries: list[Entry], *, code: str
    ) -> bool:
        """Postpone a project's next run according to `decision`, which was made for the events `entries`.

        The record of the next job gets the reason: that of `job_id`, or of the job that waits already. `code` is the
        fingerprint of the model's code. Returns False if more events have arrived: then nothing is postponed.
        """
        keys = self.keys
        job_id = job_id or self.waiting_id(project) or self.new_job(project)
        return bool(
            self._postpone(
                keys=[
                    keys.waiting(project),
                    keys.postponement(project),
                    keys.mailbox(project),
                    keys.job(job_id),
                ],
                args=[
                    job_id,
                    decision.text,
                    decision.have,
                    "" if decision.need is None else decision.need,
                    "" if decision.at is None else decision.at,
                    code,
                    entries[-1].id,
                    now(),
                    keys.job(""),
                    training_requester(entries),
                    keys.index(""),
                    created_at(job_id),
                ],
            )
        )

    def postponement(self, project: str) -> Postponement | None:
        """Return the postponement of a project's next run, None if there is none."""
        fields = self.redis.hgetall(self.keys.postponement(project))
        if not fields:
            return None
        at = fields.get(b"at")
        return Postponement(fields[b"code"].decode(), int(at) if at else None, int(fields.get(b"since", 0)))

    def waiting_id(self, project: str) -> str | None:
        """Return the id of the project's waiting job, None if there is none."""
        waiting = self.redis.get(self.keys.waiting(project))
        return waiting.decode() if waiting else None

    def waiting_job(self, project: str) -> Job | None:
        """Return the record of the project's waiting job, None if there is none."""
        job_id = self.waiting_id(project)
        return self.jobs.get(job_id) if job_id else None

    def cancelling(self, project: str) -> bool:
        """Tell whether the cancellation of the project's waiting job was requested."""
        job_id = self.waiting_id(project)
        return job_id is not None and bool(self.redis.hexists(self.keys.job(job_id), "cancel"))

    def tries(self, project: str) -> int:
        """Return how many runs of a project's queued events have failed for a cause that may pass."""
        return int(self.redis.hget(self.keys.attempts(project), "tries") or 0)

    def wakeable(self, project: str) -> bool:
        """Tell whether a project has queued events and its next run is not postponed."""
        with self.redis.pipeline() as pipe:
            pipe.xlen(self.keys.mailbox(project))
            pipe.exists(self.keys.postponement(project))
            events, postponed = pipe.execute()
        return bool(events) and not postponed

    def leased(self, project: str, life: float) -> bool:
        """Tell whether a worker trains the project. `life` in seconds is for leases that do not store their own."""
        return bool(self.redis.eval(IS_LEASED, 1, self.keys.lease(project), round(1000 * life)))

    def _write_in(self, pipe: Any, job_id: str, fields: dict[str, object]) -> None:
        """Add the commands that write fields of a job's record to the pipeline `pipe`."""
        pipe.hset(self.keys.job(job_id), mapping=_texts(fields))
        if state := fields.get("state"):
            self.index.list_in(pipe, job_id, str(state))

    def _create(self, project: str, job_id: str, *, woken: bool = False) -> None:
        """Write the record of a new job for events that are queued already; `woken` if a wake-up needs it."""
        requester = training_requester(self.queues.entries(project))
        self.jobs.create(project, job_id, asked_by=requester, woken=woken)


def _texts(fields: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items()}
