"""Training jobs in Redis: store events, wake a worker, and keep the jobs' records.

All calls are short but block: the server makes them in a thread. The event queue is the source of truth, and RQ is used
only to wake a worker: the sweeper repeats wake-ups that were lost.
"""

import logging
import secrets
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import redis
from redis.backoff import EqualJitterBackoff
from redis.retry import Retry

from label_studio_ml.errors import BrokerError
from label_studio_ml.protocol.webhook_payload import counted
from label_studio_ml.training.policy import Decision, Entry, prediction_source
from label_studio_ml.training.records.event_queue import EventQueues, broker_errors
from label_studio_ml.training.records.event_queue import StoredEvent as StoredEvent
from label_studio_ml.training.records.job_record import Job as Job
from label_studio_ml.training.records.job_record import JobState as JobState
from label_studio_ml.training.records.job_record import read_job
from label_studio_ml.training.records.postponement import Postponement as Postponement
from label_studio_ml.training.records.untrusted_events import (
    MAX_BYTES,
    MAX_EVENTS,
    beyond,
    digest,
    is_beyond,
    is_too_long,
)
from label_studio_ml.training.redis.keys import job_id_of
from label_studio_ml.training.redis.queue_owner import ForeignQueue, Owner
from label_studio_ml.training.redis.scripts import HELD, HOLD, NEXT, STORE, TURN

logger = logging.getLogger(__name__)

#: The name of the function that an RQ job for a training calls in a worker.
TRAIN = "label_studio_ml.training.worker.train"
#: Number of job records kept for each project.
KEPT_JOBS = 200
#: Number of recent job records that are searched for unfinished jobs: each run closes the lost jobs before it.
RECENT_JOBS = 20
#: Seconds for which an event's token is stored.
TOKEN_LIFE = 6 * 3600


def now() -> str:
    """Return the current time in the format of job records: ISO 8601 in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_job_id() -> str:
    """Return a new id, readable and sortable by time, of letters, digits and dashes (RQ allows no colon)."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def new_token() -> str:
    """Return a random token that makes repeated attempts to store one event idempotent."""
    return secrets.token_hex(16)


#: The arguments of STORE that stand for no limits.
_UNLIMITED: tuple[str | bytes | int, ...] = ("", "", 0, 0, 0)


def _limits(event: StoredEvent) -> tuple[str | bytes | int, ...]:
    """Return the arguments of STORE that limit and fold an event without login."""
    many = is_beyond(event.data)
    rest = StoredEvent("ANNOTATIONS_CREATED", event.data if many else beyond(event), trusted=False)
    too_long = int(many or is_too_long(event.data))
    return digest(event), msgspec.json.encode(rest), MAX_EVENTS, MAX_BYTES, too_long


def _rq_id(job_id: str) -> str:
    """Return the id of the RQ job that wakes a worker for the training job `job_id`."""
    return f"train-{job_id}"


def connect(url: str, patience: tuple[float, float] = (2.0, 5.0), tries: int = 3) -> Any:
    """Return a Redis client for the broker at `url`, without connecting. (redis-py types sync and async as one.)

    `patience` has the time-outs in seconds for connecting and for answers: where a network drops packets, nothing else
    ends a call. Connection errors are retried within about a second, up to `tries` tries in all; time-outs are not.
    """
    connecting, answering = patience
    options: dict[str, Any] = {} if url.startswith("unix") else {"socket_keepalive": True}
    if options and hasattr(socket, "TCP_KEEPIDLE"):  # a blocked read fails 14 s after the network is lost
        spent = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 3, socket.TCP_KEEPCNT: 3}
        options["socket_keepalive_options"] = spent
    backoff = EqualJitterBackoff(base=0.25, cap=1)
    again = Retry(backoff, tries - 1, (redis.exceptions.ConnectionError,))
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=connecting,
        socket_timeout=answering,
        health_check_interval=30,
        retry=again,
        **options,
    )


class JobBoard(EventQueues):
    """The event queues and job records of one queue. Safe to use from several threads.

    `owner` is the backend that owns the queue, None if the broker is embedded. Every method raises BrokerError when
    Redis cannot be reached or refuses.
    """

    def __init__(self, connection: Any, queue: str, owner: Owner | None = None) -> None:
        super().__init__(connection, queue)
        self.owner = owner
        #: Called for each job that fails, with project, job id and cause.
        self.on_failure: Callable[[str, str, str], None] = lambda project, job_id, error: None
        #: Called at the end of each run with project, job id, why Label Studio could not be read (empty if there was
        #: no such problem), and whether the run trained without error.
        self.on_login: Callable[[str, str, str, bool], None] = lambda project, job_id, refused, trained: None
        self._store = connection.register_script(STORE)
        self._hold = connection.register_script(HOLD)
        self._next = connection.register_script(NEXT)

    # Storing events

    def record(self, project: str, event: StoredEvent, token: str = "", *, bounded: bool = True) -> str:
        """Store `event` and wake a worker; return the id of the job that will process the event.

        A call with a `token` that was used before stores nothing and returns the same id. With `bounded`, the limits of
        `untrusted` apply to an event that is not trusted. Raises ForeignQueue if the queue belongs to another backend
        now.
        """
        keys = self.keys
        token = token or new_token()
        names = (keys.mailbox, keys.payloads, keys.waiting, keys.hold, keys.jobs, keys.untrusted, keys.folds)
        mailbox, payloads, waiting, hold, jobs, untrusted, folds = (name(project) for name in names)
        owner = self.owner or Owner("")
        with broker_errors():
            answer = self._store(
                keys=[
                    *(keys.token(token), mailbox, payloads, keys.dirty, waiting, hold, jobs, keys.backend),
                    *(untrusted, folds),
                ],
                args=[
                    project,
                    new_job_id(),
                    event.action,
                    counted(event),
                    msgspec.json.encode(event),
                    TOKEN_LIFE,
                    now(),
                    keys.job(""),
                    owner.id,
                    owner.model_class,
                    owner.code,
                    *(_limits(event) if bounded and not event.trusted else _UNLIMITED),
                    event.caller,
                ],
            )
        if not answer:
            raise ForeignQueue(f"The queue {keys.queue} has become another backend's")
        job, is_new, wake = answer
        job_id = str(job.decode())
        try:
            if is_new:
                self._enqueue(project, job_id)
                self._forget_old_jobs(project)
            elif wake:
                self.wake(project)
        except BrokerError as error:  # the event is stored: the sweeper will wake a worker
            logger.warning("Project %s: no worker could be woken: %s", project, error)
        return job_id

    def job_of(self, token: str) -> str | None:
        """Return the id of the job of the event that was stored with `token`, None if there is none."""
        with broker_errors():
            found = self.redis.get(self.keys.token(token))
        return found.decode() if found else None

    def wake(self, project: str) -> None:
        """Wake a worker for a project with queued events, unless a worker trains it or a wake-up is queued."""
        names = (self.keys.waiting(project), self.keys.lease(project), self.keys.mailbox(project))
        with broker_errors():
            found = self._next(keys=[*names, self.keys.dirty], args=[new_job_id(), project])
            if found is None:
                return
            job_id = job_id_of(found)
            if job_id is None:  # another program has overwritten the key
                self.redis.delete(self.keys.waiting(project))
                return
            if not self.redis.hexists(self.keys.job(job_id), "created"):
                self._write_new(project, job_id)
            if self.redis.lpos(self.keys.wake_ups, _rq_id(job_id)) is None:
                self._enqueue(project, job_id)

    def _write_new(self, project: str, job_id: str) -> None:
        """Write the record of a new job for events that are queued already."""
        fields = {"project": project, "state": "queued", "created": now()}
        if asked_by := prediction_source(self.entries(project)):
            fields["asked_by"] = asked_by
        with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
            for name, value in fields.items():
                pipe.hsetnx(self.keys.job(job_id), name, value)  # a worker may have begun it already
            pipe.lrem(self.keys.jobs(project), 0, job_id)
            pipe.lpush(self.keys.jobs(project), job_id)
            pipe.execute()
        self._forget_old_jobs(project)

    def _forget_old_jobs(self, project: str) -> None:
        with broker_errors():
            for old in self.redis.lrange(self.keys.jobs(project), KEPT_JOBS, -1):
                self.redis.delete(*self.keys.of_job(old.decode()))
            self.redis.ltrim(self.keys.jobs(project), 0, KEPT_JOBS - 1)

    def _enqueue(self, project: str, job_id: str) -> None:
        from label_studio_ml.training.redis.rq_jobs import Queue

        with broker_errors():
            Queue(self.keys.queue, self.redis).enqueue(
                TRAIN,
                project,
                job_id=_rq_id(job_id),
                job_timeout=-1,
                result_ttl=0,
                failure_ttl=3600,
                description=f"train project {project}{f' for {self.owner}' if self.owner is not None else ''}",
            )

    def unpark(self, project: str) -> str | None:
        """Store the events that were set aside again, in order; return the id of their job, None if there are none.

        An interrupted call can be repeated: no event is stored twice.
        """
        job_id = None
        for parked in self.parked(project):
            job_id = self.record(project, parked.event, token=f"{project}:{parked.event.id}", bounded=False)
            with broker_errors():
                self.redis.hdel(self.keys.parked(project), parked.event.id)
        return job_id

    # A job's life

    def update_job(self, job_id: str, **fields: object) -> None:
        """Write fields of a job's record. The state "failed" calls `on_failure`."""
        with broker_errors():
            self.redis.hset(
                self.keys.job(job_id), mapping={name: str(value) for name, value in fields.items()}
            )
        if fields.get("state") == "failed" and (job := self.job(job_id)) is not None:
            self.on_failure(job.project, job_id, job.error)

    def take_waiting(self, project: str) -> str | None:
        """Return the id of the waiting job, which begins now, None if there is none; later events make a new job."""
        with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.getdel(self.keys.waiting(project))
            pipe.delete(self.keys.hold(project))
            waiting = cast("bytes | None", pipe.execute()[0])
        return job_id_of(waiting)

    def new_job(self, project: str) -> str:
        """Create a job with a record and return its id."""
        job_id = new_job_id()
        self._write_new(project, job_id)
        return job_id

    def settle(self, project: str, job_id: str, event_ids: list[str], **fields: object) -> None:
        """Write a job's outcome and remove the events that it covers, in one transaction."""
        with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(self.keys.job(job_id), mapping={name: str(value) for name, value in fields.items()})
            pipe.delete(self.keys.attempts(project))
            self._remove(pipe, project, event_ids)
            pipe.execute()
        if fields.get("state") == "failed":
            self.on_failure(project, job_id, str(fields.get("error", "")))

    def close_lost(self, project: str, current: str | None) -> None:
        """Mark unfinished jobs as failed whose worker is gone. The caller must hold the project's lease.

        The `current` job, which begins now, and the waiting job are left unchanged.
        """
        open_jobs = [job for job in self.jobs(project, most=RECENT_JOBS) if job.running]
        with broker_errors():
            waiting = self.redis.get(self.keys.waiting(project))
        kept = {current, waiting.decode() if waiting else None}
        for job in open_jobs:
            if job.id not in kept:
                later = f"job {current}" if current else "a later job"
                error = f"its worker ended before it did; its events went to {later}"
                self.update_job(job.id, state="failed", ended=now(), error=error)

    def forget(self, project: str) -> None:
        """Remove a project's jobs, queued and parked events, delivered annotations and description."""
        with broker_errors():
            for job_id in self.redis.lrange(self.keys.jobs(project), 0, -1):
                self.redis.delete(*self.keys.of_job(job_id.decode()))
            self.redis.delete(*self.keys.of_project(project))
            self.redis.srem(self.keys.dirty, project)

    # Whether a run is due

    def postpone(
        self, project: str, job_id: str | None, decision: Decision, entries: list[Entry], *, code: str
    ) -> bool:
        """Postpone a project's next run according to `decision`, which was made for the events `entries`.

        The record of the next job gets the reason: that of `job_id`, or of the job that waits already. `code` is the
        fingerprint of the model's code. Returns False if more events have arrived: then nothing is postponed.
        """
        if job_id is None:
            with broker_errors():
                waiting = self.redis.get(self.keys.waiting(project))
            job_id = waiting.decode() if waiting else self.new_job(project)
        keys = self.keys
        with broker_errors():
            return bool(
                self._hold(
                    keys=[keys.waiting(project), keys.hold(project), keys.mailbox(project), keys.job(job_id)],
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
                        prediction_source(entries),
                    ],
                )
            )

    def waiting_job(self, project: str) -> Job | None:
        """Return the record of the project's waiting job, None if there is none."""
        with broker_errors():
            waiting = self.redis.get(self.keys.waiting(project))
        return self.job(waiting.decode()) if waiting else None

    def cancelling(self, project: str) -> bool:
        """Tell whether the cancellation of the project's waiting job was requested."""
        with broker_errors():
            waiting = self.redis.get(self.keys.waiting(project))
            return bool(waiting) and bool(self.redis.hexists(self.keys.job(waiting.decode()), "cancel"))

    def hold(self, project: str) -> Postponement | None:
        """Return the postponement of a project's next run, None if there is none."""
        with broker_errors():
            fields = self.redis.hgetall(self.keys.hold(project))
        if not fields:
            return None
        at = fields.get(b"at")
        return Postponement(fields[b"code"].decode(), int(at) if at else None, int(fields.get(b"since", 0)))

    def tries(self, project: str) -> int:
        """Return how many runs of a project's queued events have failed for a cause that may pass."""
        with broker_errors():
            return int(self.redis.hget(self.keys.attempts(project), "tries") or 0)

    def wakeable(self, project: str) -> bool:
        """Tell whether a project has queued events and its next run is not postponed."""
        with broker_errors(), self.redis.pipeline() as pipe:
            pipe.xlen(self.keys.mailbox(project))
            pipe.exists(self.keys.hold(project))
            events, held = pipe.execute()
        return bool(events) and not held

    def turn(self, pause: float) -> bool:
        """Tell whether this worker is to look for lost wake-ups: one of all workers does, every `pause` seconds."""
        return self.take_turn(self.keys.looked, pause)

    def take_turn(self, key: str, pause: float) -> bool:
        """Return True for one process every `pause` seconds (less 10 %); `key` marks that the turn is taken."""
        with broker_errors():
            return bool(self.redis.eval(TURN, 1, key, max(1, round(900 * pause))))

    def leased(self, project: str, life: float) -> bool:
        """Tell whether a worker trains the project. `life` in seconds is for leases that do not store their own."""
        with broker_errors():
            return bool(self.redis.eval(HELD, 1, self.keys.lease(project), round(1000 * life)))

    # Records

    def job(self, job_id: str) -> Job | None:
        """Return a job's record, None if there is none."""
        with broker_errors():
            fields = self.redis.hgetall(self.keys.job(job_id))
        return read_job(job_id, fields) if fields else None

    def jobs(self, project: str, most: int = KEPT_JOBS) -> Iterator[Job]:
        """Yield the project's job records, newest first, at most `most` of them."""
        with broker_errors():
            ids = self.redis.lrange(self.keys.jobs(project), 0, most - 1)
        for job_id in ids:
            if (job := self.job(job_id.decode())) is not None:
                yield job
