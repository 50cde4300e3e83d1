"""Training jobs: events go in, a worker is woken, records tell what became of them.

Everything here is quick and blocking; the server calls it in a thread. The mailbox is the truth, RQ only
wakes a worker: a wake-up that gets lost is sent again by the sweeper.
"""

import logging
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
import redis

from label_studio_ml.errors import BrokerError
from label_studio_ml.training import keys
from label_studio_ml.training.events import grouped
from label_studio_ml.training.refusals import explain

if TYPE_CHECKING:
    from rq import Queue

logger = logging.getLogger(__name__)

#: Job records kept for each project.
KEPT_JOBS = 200
#: Job records among which the unfinished ones are: each run closes what was lost before it.
RECENT_JOBS = 20

JobState = Literal["queued", "started", "finished", "failed", "cancelled"]

#: Removes a project from the dirty set if its mailbox is empty. Keys: mailbox, dirty set. Argument: project.
_CLEAN = "if redis.call('xlen', KEYS[1]) == 0 then return redis.call('srem', KEYS[2], ARGV[1]) end return 0"


class StoredEvent(msgspec.Struct, frozen=True):
    """One event in a mailbox.

    `trusted` is false for an event that came without the login that the backend asks for: its `data` then
    holds ids only.
    """

    action: str
    data: dict[str, Any]
    trusted: bool = True
    id: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One training job's record. Times are ISO 8601 in UTC, empty where not reached yet.

    `held_back` says why the version that it made is not served, where that is so.
    `progress` is from 0 to 1, -1 before the run has said anything; `metrics` are the latest. `cancel` is the time at
    which somebody asked for the job's end, `ending` says how a run ended that was not let run. `upto` is the id of the
    last event that the job is about.
    """

    id: str
    project: str
    state: JobState
    created: str = ""
    started: str = ""
    ended: str = ""
    version: str = ""
    error: str = ""
    source: str = ""
    annotations: int = -1
    events: int = 0
    held_back: str = ""
    progress: float = -1.0
    message: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    cancel: str = ""
    ending: str = ""
    upto: str = ""

    @property
    def running(self) -> bool:
        """Whether the job is waiting or running."""
        return self.state in ("queued", "started")


def now() -> str:
    """Return the time as job records have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_job_id() -> str:
    """Return a readable id that sorts by time, of letters, digits and dashes (RQ allows no colon)."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _rq_id(job_id: str) -> str:
    """Return the id of the RQ job that wakes a worker for the training job `job_id`."""
    return f"train-{job_id}"


def connect(url: str) -> Any:
    """Return a Redis client for the broker at `url`; nothing is sent yet. (redis-py types sync and async as one.)"""
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=15, health_check_interval=30)


class JobBoard:
    """The mailboxes and job records in one Redis. Safe to use from several threads.

    Every method raises BrokerError when Redis cannot be reached or refuses.
    """

    def __init__(self, connection: Any, queue: str) -> None:
        self.redis = connection
        self._queue_name = queue
        self._queue: Queue | None = None
        self._clean = connection.register_script(_CLEAN)

    # Writing

    def record(self, project: str, event: StoredEvent) -> str:
        """Keep `event` and wake a worker; return the id of the job that will take it in."""
        job_id = new_job_id()
        with self._errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.xadd(keys.mailbox(project), {b"event": msgspec.json.encode(event)})
            pipe.sadd(keys.DIRTY, project)
            pipe.set(keys.waiting(project), job_id, nx=True)
            pipe.get(keys.waiting(project))
            *_, is_new, waiting = pipe.execute()
        job_id = str(waiting.decode())
        if is_new:
            try:
                self._announce(project, job_id)
            except BrokerError as error:  # the event is kept: the sweeper will wake a worker
                logger.warning("Project %s: no worker could be woken: %s", project, error)
        return job_id

    def wake(self, project: str) -> None:
        """Wake a worker for a project whose mailbox holds events, unless a wake-up lies in the queue already."""
        job_id = new_job_id()
        with self._errors():
            if self.redis.set(keys.waiting(project), job_id, nx=True):
                self._announce(project, job_id)
                return
            waiting = self.redis.get(keys.waiting(project))
            if waiting and self.redis.lpos(f"rq:queue:{self._queue_name}", _rq_id(waiting.decode())) is None:
                if self.redis.hexists(keys.job(waiting.decode()), "created"):
                    self._enqueue(project, waiting.decode())
                else:  # whoever made it ended before it could say so
                    self._announce(project, waiting.decode())

    def _announce(self, project: str, job_id: str) -> None:
        with self._errors():
            with self.redis.pipeline(transaction=True) as pipe:
                for name, value in (("project", project), ("state", "queued"), ("created", now())):
                    pipe.hsetnx(keys.job(job_id), name, value)  # a worker may have begun it already
                pipe.lpush(keys.jobs(project), job_id)
                pipe.execute()
            for old in self.redis.lrange(keys.jobs(project), KEPT_JOBS, -1):
                self.redis.delete(*keys.of_job(old.decode()))
            self.redis.ltrim(keys.jobs(project), 0, KEPT_JOBS - 1)
        self._enqueue(project, job_id)

    def _enqueue(self, project: str, job_id: str) -> None:
        if self._queue is None:
            from rq import Queue

            self._queue = Queue(self._queue_name, connection=self.redis)
        with self._errors():
            self._queue.enqueue(
                "label_studio_ml.training.worker.train",
                project,
                job_id=_rq_id(job_id),
                job_timeout=-1,
                result_ttl=0,
                failure_ttl=3600,
                description=f"train project {project}",
            )

    def deliver(self, project: str, pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        """Keep labelled tasks that a webhook brought: (task, annotation) pairs; a skipped annotation is dropped."""
        with self._errors(), self.redis.pipeline(transaction=True) as pipe:
            for task, annotation in pairs:
                field = f"{task.get('id')}:{annotation.get('id')}"
                if annotation.get("was_cancelled"):
                    pipe.hdel(keys.delivered(project), field)
                else:
                    body = msgspec.json.encode({"task": task, "annotation": annotation})
                    pipe.hset(keys.delivered(project), field, body)
            pipe.execute()

    def undeliver(
        self, project: str, *, tasks: Iterable[object] = (), annotations: Iterable[object] = ()
    ) -> None:
        """Drop the delivered annotations with these task ids or annotation ids."""
        patterns = [*(f"{task}:*" for task in tasks), *(f"*:{annotation}" for annotation in annotations)]
        with self._errors():
            for pattern in patterns:
                for field, _ in self.redis.hscan_iter(keys.delivered(project), match=pattern, count=1000):
                    self.redis.hdel(keys.delivered(project), field)

    def update_job(self, job_id: str, **fields: object) -> None:
        """Change fields of a job's record."""
        with self._errors():
            self.redis.hset(keys.job(job_id), mapping={name: str(value) for name, value in fields.items()})

    def take_waiting(self, project: str) -> str | None:
        """Return the id of the job that begins now, or None if none was announced; later events make a new one."""
        with self._errors():
            waiting = cast("bytes | None", self.redis.getdel(keys.waiting(project)))
        return waiting.decode() if waiting else None

    def new_job(self, project: str) -> str:
        """Return the id of a new job with a record."""
        job_id = new_job_id()
        with self._errors():
            self.redis.hset(
                keys.job(job_id), mapping={"project": project, "state": "queued", "created": now()}
            )
            self.redis.lpush(keys.jobs(project), job_id)
        return job_id

    def settle(self, project: str, job_id: str, event_ids: list[str], **fields: object) -> None:
        """Write a job's outcome and remove the events that it is the outcome of, in one step."""
        with self._errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.job(job_id), mapping={name: str(value) for name, value in fields.items()})
            for start in range(0, len(event_ids), 1000):
                pipe.xdel(keys.mailbox(project), *event_ids[start : start + 1000])
            pipe.delete(keys.attempts(project))
            pipe.eval(_CLEAN, 2, keys.mailbox(project), keys.DIRTY, project)
            pipe.execute()

    def close_lost(self, project: str, current: str | None) -> None:
        """Write an end into the records of jobs whose worker is gone. Only for whoever holds the project's lease."""
        open_jobs = [job for job in self.jobs(project, most=RECENT_JOBS) if job.running]
        with self._errors():
            waiting = self.redis.get(keys.waiting(project))
        kept = {current, waiting.decode() if waiting else None}
        for job in open_jobs:
            if job.id not in kept:
                later = f"job {current}" if current else "a later job"
                error = f"its worker ended before it did; its events went to {later}"
                self.update_job(job.id, state="failed", ended=now(), error=error)

    def acknowledge(self, project: str, event_ids: list[str]) -> None:
        """Remove events that a run has taken in; the project is clean if none are left."""
        with self._errors():
            for start in range(0, len(event_ids), 1000):
                self.redis.xdel(keys.mailbox(project), *event_ids[start : start + 1000])
            self._clean(keys=[keys.mailbox(project), keys.DIRTY], args=[project])

    def park(self, project: str, events: list[StoredEvent]) -> None:
        """Set events aside whose runs crashed too often."""
        with self._errors():
            for event in events:
                self.redis.xadd(keys.parked(project), {b"event": msgspec.json.encode(event)})
        self.acknowledge(project, [event.id for event in events])

    def forget(self, project: str) -> None:
        """Remove everything of a project."""
        with self._errors():
            for job_id in self.redis.lrange(keys.jobs(project), 0, -1):
                self.redis.delete(*keys.of_job(job_id.decode()))
            for key in (keys.mailbox, keys.waiting, keys.attempts, keys.parked, keys.delivered, keys.jobs):
                self.redis.delete(key(project))
            self.redis.srem(keys.DIRTY, project)

    # Reading

    def events(self, project: str) -> list[StoredEvent]:
        """Return the events that wait, oldest first."""
        with self._errors():
            entries = self.redis.xrange(keys.mailbox(project))
        return [
            msgspec.structs.replace(
                msgspec.json.decode(fields[b"event"], type=StoredEvent), id=entry.decode()
            )
            for entry, fields in entries
        ]

    def delivered(self, project: str) -> list[dict[str, Any]]:
        """Return the tasks that webhooks delivered, each with its annotations, by task id."""
        with self._errors():
            bodies = (body for _, body in self.redis.hscan_iter(keys.delivered(project), count=1000))
            pairs = [msgspec.json.decode(body) for body in bodies]
        pairs.sort(key=lambda pair: (pair["task"].get("id") or 0, pair["annotation"].get("id") or 0))
        return list(grouped((pair["task"], pair["annotation"]) for pair in pairs).values())

    def dirty(self) -> list[str]:
        """Return the projects with events that wait."""
        with self._errors():
            return sorted(project.decode() for project in self.redis.smembers(keys.DIRTY))

    def leased(self, project: str) -> bool:
        """Tell whether a worker trains the project."""
        with self._errors():
            return bool(self.redis.exists(keys.lease(project)))

    def job(self, job_id: str) -> Job | None:
        """Return a job's record, or None if there is none."""
        with self._errors():
            fields = self.redis.hgetall(keys.job(job_id))
        if not fields:
            return None
        texts = {name.decode(): value.decode() for name, value in fields.items()}
        return Job(
            id=job_id,
            project=texts.get("project", ""),
            state=cast("JobState", texts.get("state", "queued")),
            created=texts.get("created", ""),
            started=texts.get("started", ""),
            ended=texts.get("ended", ""),
            version=texts.get("version", ""),
            error=texts.get("error", ""),
            source=texts.get("source", ""),
            annotations=int(texts.get("annotations", -1)),
            events=int(texts.get("events", 0)),
            held_back=texts.get("held_back", ""),
            progress=float(texts.get("progress", -1)),
            message=texts.get("message", ""),
            metrics=msgspec.json.decode(texts.get("metrics", "{}")),
            cancel=texts.get("cancel", ""),
            ending=texts.get("ending", ""),
            upto=texts.get("upto", ""),
        )

    def jobs(self, project: str, most: int = KEPT_JOBS) -> Iterator[Job]:
        """Return the project's job records, newest first, `most` of them."""
        with self._errors():
            ids = self.redis.lrange(keys.jobs(project), 0, most - 1)
        for job_id in ids:
            if (job := self.job(job_id.decode())) is not None:
                yield job

    def _errors(self) -> "BrokerErrors":
        return BrokerErrors()


class BrokerErrors:
    """Turns Redis errors raised in its `with` block into BrokerError."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, redis.RedisError):
            raise explain(error) from error
