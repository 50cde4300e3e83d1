"""Training jobs: events go in, a worker is woken, records tell what became of them.

Everything here is quick and blocking; the server calls it in a thread. The mailbox is the truth, RQ only
wakes a worker: a wake-up that gets lost is sent again by the sweeper.
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
from label_studio_ml.training.events import counted
from label_studio_ml.training.job_record import Job as Job
from label_studio_ml.training.job_record import JobState as JobState
from label_studio_ml.training.job_record import read_job
from label_studio_ml.training.keys import job_id_of
from label_studio_ml.training.mailbox import Mailboxes, broker_errors
from label_studio_ml.training.mailbox import StoredEvent as StoredEvent
from label_studio_ml.training.owner import ForeignQueue, Owner
from label_studio_ml.training.policy import Decision, Entry, asker
from label_studio_ml.training.postponement import Hold as Hold
from label_studio_ml.training.scripts import HELD, HOLD, NEXT, STORE, TURN
from label_studio_ml.training.untrusted import MAX_BYTES, MAX_EVENTS, beyond, digest, is_beyond, is_too_long

logger = logging.getLogger(__name__)

#: The function that a wake-up names, as a worker's table has it.
TRAIN = "label_studio_ml.training.worker.train"
#: Job records kept for each project.
KEPT_JOBS = 200
#: Job records among which the unfinished ones are: each run closes what was lost before it.
RECENT_JOBS = 20
#: Seconds for which an event's token is remembered.
TOKEN_LIFE = 6 * 3600


def now() -> str:
    """Return the time as job records have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_job_id() -> str:
    """Return a readable id that sorts by time, of letters, digits and dashes (RQ allows no colon)."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def new_token() -> str:
    """Return what an event is known by when it is handed in more than once."""
    return secrets.token_hex(16)


#: What STORE is told of all other events.
_UNLIMITED: tuple[str | bytes | int, ...] = ("", "", 0, 0, 0)


def _limits(event: StoredEvent) -> tuple[str | bytes | int, ...]:
    """Return what STORE is told of an event that came without login."""
    many = is_beyond(event.data)
    rest = StoredEvent("ANNOTATIONS_CREATED", event.data if many else beyond(event), trusted=False)
    too_long = int(many or is_too_long(event.data))
    return digest(event), msgspec.json.encode(rest), MAX_EVENTS, MAX_BYTES, too_long


def _rq_id(job_id: str) -> str:
    """Return the id of the RQ job that wakes a worker for the training job `job_id`."""
    return f"train-{job_id}"


def connect(url: str, patience: tuple[float, float] = (2.0, 5.0), tries: int = 3) -> Any:
    """Return a Redis client for the broker at `url`; nothing is sent yet. (redis-py types sync and async as one.)

    `patience` is how many seconds Redis has to take the connection, and to answer: where a network swallows packets,
    nothing else ends a call. What fails at once is tried `tries` times, over a second; what takes too long once.
    """
    connecting, answering = patience
    options: dict[str, Any] = {} if url.startswith("unix") else {"socket_keepalive": True}
    if options and hasattr(socket, "TCP_KEEPIDLE"):  # a read that waits hears of a dead network in 14 s
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


class JobBoard(Mailboxes):
    """The mailboxes and job records of one queue. Safe to use from several threads.

    `owner` is the backend whose queue it is, None where the broker is its own. Every method raises BrokerError when
    Redis cannot be reached or refuses.
    """

    def __init__(self, connection: Any, queue: str, owner: Owner | None = None) -> None:
        super().__init__(connection, queue)
        self.owner = owner
        #: Hears of each job that fails: its project, its id and the cause.
        self.on_failure: Callable[[str, str, str], None] = lambda project, job_id, error: None
        #: Hears of each run's end: its project, its job, what Label Studio said if it refused the token, and whether
        #: the run has trained all the same.
        self.on_login: Callable[[str, str, str, bool], None] = lambda project, job_id, refused, trained: None
        self._store = connection.register_script(STORE)
        self._hold = connection.register_script(HOLD)
        self._next = connection.register_script(NEXT)

    # Handing in

    def record(self, project: str, event: StoredEvent, token: str = "", *, bounded: bool = True) -> str:
        """Keep `event` and wake a worker; return the id of the job that will take it in.

        Called again with the same `token` it does nothing and returns the same. Of those that are not trusted, no more
        are kept than `untrusted` says, if they are `bounded`. Raises ForeignQueue if the queue has become another
        backend's.
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
        except BrokerError as error:  # the event is kept: the sweeper will wake a worker
            logger.warning("Project %s: no worker could be woken: %s", project, error)
        return job_id

    def job_of(self, token: str) -> str | None:
        """Return the job of the event that was handed in with `token`, None if none was."""
        with broker_errors():
            found = self.redis.get(self.keys.token(token))
        return found.decode() if found else None

    def wake(self, project: str) -> None:
        """Wake a worker for a project whose mailbox holds events, unless one is at it, or a wake-up in the queue."""
        names = (self.keys.waiting(project), self.keys.lease(project), self.keys.mailbox(project))
        with broker_errors():
            found = self._next(keys=[*names, self.keys.dirty], args=[new_job_id(), project])
            if found is None:
                return
            job_id = job_id_of(found)
            if job_id is None:  # something else than this package has written there
                self.redis.delete(self.keys.waiting(project))
                return
            if not self.redis.hexists(self.keys.job(job_id), "created"):
                self._write_new(project, job_id)
            if self.redis.lpos(self.keys.wake_ups, _rq_id(job_id)) is None:
                self._enqueue(project, job_id)

    def _write_new(self, project: str, job_id: str) -> None:
        """Write the record of a new job for events that wait already."""
        fields = {"project": project, "state": "queued", "created": now()}
        if asked_by := asker(self.entries(project)):
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
        from label_studio_ml.training.rq_jobs import Queue

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
        """Hand the events that were set aside in again, in their order; return the job that takes them, None if none.

        May be called again when it was cut off.
        """
        job_id = None
        for parked in self.parked(project):
            job_id = self.record(project, parked.event, token=f"{project}:{parked.event.id}", bounded=False)
            with broker_errors():
                self.redis.hdel(self.keys.parked(project), parked.event.id)
        return job_id

    # A job's life

    def update_job(self, job_id: str, **fields: object) -> None:
        """Change fields of a job's record."""
        with broker_errors():
            self.redis.hset(
                self.keys.job(job_id), mapping={name: str(value) for name, value in fields.items()}
            )
        if fields.get("state") == "failed" and (job := self.job(job_id)) is not None:
            self.on_failure(job.project, job_id, job.error)

    def take_waiting(self, project: str) -> str | None:
        """Return the id of the job that begins now, or None if none was announced; later events make a new one."""
        with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.getdel(self.keys.waiting(project))
            pipe.delete(self.keys.hold(project))
            waiting = cast("bytes | None", pipe.execute()[0])
        return job_id_of(waiting)

    def new_job(self, project: str) -> str:
        """Return the id of a new job with a record."""
        job_id = new_job_id()
        self._write_new(project, job_id)
        return job_id

    def settle(self, project: str, job_id: str, event_ids: list[str], **fields: object) -> None:
        """Write a job's outcome and remove the events that it is the outcome of, in one step."""
        with broker_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(self.keys.job(job_id), mapping={name: str(value) for name, value in fields.items()})
            pipe.delete(self.keys.attempts(project))
            self._remove(pipe, project, event_ids)
            pipe.execute()
        if fields.get("state") == "failed":
            self.on_failure(project, job_id, str(fields.get("error", "")))

    def close_lost(self, project: str, current: str | None) -> None:
        """Write an end into the records of jobs whose worker is gone. Only for whoever holds the project's lease."""
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
        """Remove everything of a project."""
        with broker_errors():
            for job_id in self.redis.lrange(self.keys.jobs(project), 0, -1):
                self.redis.delete(*self.keys.of_job(job_id.decode()))
            self.redis.delete(*self.keys.of_project(project))
            self.redis.srem(self.keys.dirty, project)

    # What a run waits for

    def postpone(
        self, project: str, job_id: str | None, decision: Decision, entries: list[Entry], *, code: str
    ) -> bool:
        """Let a project wait for what `decision` says; `entries` are the events that were looked at.

        Its next job says so: `job_id`, or the one that waits already. Returns False if more events have come since.
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
                        asker(entries),
                    ],
                )
            )

    def waiting_job(self, project: str) -> Job | None:
        """Return the record of the project's next job, None if none waits."""
        with broker_errors():
            waiting = self.redis.get(self.keys.waiting(project))
        return self.job(waiting.decode()) if waiting else None

    def cancelling(self, project: str) -> bool:
        """Tell whether somebody asked for the end of the project's next job."""
        with broker_errors():
            waiting = self.redis.get(self.keys.waiting(project))
            return bool(waiting) and bool(self.redis.hexists(self.keys.job(waiting.decode()), "cancel"))

    def hold(self, project: str) -> Hold | None:
        """Return what a project's next run waits for, None if for nothing."""
        with broker_errors():
            fields = self.redis.hgetall(self.keys.hold(project))
        if not fields:
            return None
        at = fields.get(b"at")
        return Hold(fields[b"code"].decode(), int(at) if at else None, int(fields.get(b"since", 0)))

    def tries(self, project: str) -> int:
        """Return how many runs of a project's waiting events have failed for a cause that passes."""
        with broker_errors():
            return int(self.redis.hget(self.keys.attempts(project), "tries") or 0)

    def wakeable(self, project: str) -> bool:
        """Tell whether events wait, and for nothing but a worker."""
        with broker_errors(), self.redis.pipeline() as pipe:
            pipe.xlen(self.keys.mailbox(project))
            pipe.exists(self.keys.hold(project))
            events, held = pipe.execute()
        return bool(events) and not held

    def turn(self, pause: float) -> bool:
        """Tell whether it is this worker that looks for lost wake-ups, of all that would every `pause` seconds."""
        return self.take_turn(self.keys.looked, pause)

    def take_turn(self, key: str, pause: float) -> bool:
        """Tell whether this process does what one of them is to do every `pause` seconds; `key` names it."""
        with broker_errors():
            return bool(self.redis.eval(TURN, 1, key, max(1, round(900 * pause))))

    def leased(self, project: str, life: float) -> bool:
        """Tell whether a worker trains the project. `life` is that of a lease that does not say its own, in seconds."""
        with broker_errors():
            return bool(self.redis.eval(HELD, 1, self.keys.lease(project), round(1000 * life)))

    # Records

    def job(self, job_id: str) -> Job | None:
        """Return a job's record, or None if there is none."""
        with broker_errors():
            fields = self.redis.hgetall(self.keys.job(job_id))
        return read_job(job_id, fields) if fields else None

    def jobs(self, project: str, most: int = KEPT_JOBS) -> Iterator[Job]:
        """Return the project's job records, newest first, `most` of them."""
        with broker_errors():
            ids = self.redis.lrange(self.keys.jobs(project), 0, most - 1)
        for job_id in ids:
            if (job := self.job(job_id.decode())) is not None:
                yield job
