"""The records of training jobs, kept as hashes in Redis."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec

from label_studio_ml.training.redis.job_index import JobIndex, state_now
from label_studio_ml.training.redis.keys import Keys
from label_studio_ml.training.redis.redis_errors import raises_broker_errors

#: Number of job records kept for each project.
KEPT_JOBS = 200
#: Number of recent job records that are searched for unfinished jobs: each run closes the lost jobs before it.
RECENT_JOBS = 20

#: "interrupted": the run broke off, and a later job has its events; "failed": it is not tried again by itself.
JobState = Literal["queued", "started", "finished", "failed", "interrupted", "cancelled"]
#: The states in which a run ended with an error.
ERROR_STATES = ("failed", "interrupted")


def now() -> str:
    """Return the current time in the format of job records: ISO 8601 in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_job_id() -> str:
    """Return a new id, readable and sortable by time, of letters, digits and dashes (RQ allows no colon)."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Job:
    """One training job's record. Times are ISO 8601 in UTC, empty if not reached yet.

    `message` is the run's last message; for a queued job, the condition that it waits for besides a free worker.
    `version` is the new version's name, `held_back` why it is not served (empty if it is), `comparison` the result of
    its comparison with the previous version. `source` says where the `annotations` (number of labelled tasks, -1 if
    unknown) were read from. `progress` is from 0 to 1, -1 before the first report; `metrics` are the latest values.
    `cancel` is the time of the cancellation request, `ending` describes how a stopped run ended. `upto` is the id of
    the job's last event, set by a cancellation. `model_class` is the class to train, empty if not recorded. `asked_by`
    names the sender of the training request, or else of the job's first event with a login: `token NAME`, `user NAME`,
    or this package's own command; empty if no event had a login. `woken`: a wake-up created the job, and no event was
    stored for it, so that nobody was told its id. `error_code` is the code of the error, such as `LSML-E340`, empty if
    an older release wrote the record. `retried_by` is the job that has the events of an interrupted one, `retry_of` the
    interrupted job whose events this one has; empty if there is none yet. `trackers` says by name where the trackers
    have the run: `url`, or else `place`, a folder or database; and what they lack: `missing` ("part" or "everything"),
    `problem` and `fix`.
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
    comparison: str = ""
    progress: float = -1.0
    message: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    cancel: str = ""
    ending: str = ""
    upto: str = ""
    model_class: str = ""
    asked_by: str = ""
    woken: bool = False
    error_code: str = ""
    retried_by: str = ""
    retry_of: str = ""
    trackers: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether the job is queued or started, so not ended."""
        return self.state in ("queued", "started")

    @property
    def postponed(self) -> bool:
        """Whether the job waits for another condition than a free worker."""
        return self.state == "queued" and bool(self.message)

    @property
    def full_error(self) -> str:
        """The error, and for an interrupted job who has its events; empty if there is no error."""
        if self.state != "interrupted":
            return self.error
        successor = f"job {self.retried_by} has" if self.retried_by else "a later job gets"
        return f"{self.error or 'its run broke off'}; {successor} its events"


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A job that has ended with `error`. `is_interrupted`: a later job has its events, and tries again."""

    project: str
    job: str
    error: str
    error_code: str = ""
    is_interrupted: bool = False


def read_job(job_id: str, fields: Mapping[bytes, bytes]) -> Job:
    """Return the record of the job `job_id` from the fields of its hash in Redis."""
    texts = {name.decode(): value.decode() for name, value in fields.items()}
    return Job(
        id=job_id,
        project=texts.get("project", ""),
        state=_read_state(texts),
        created=texts.get("created", ""),
        started=texts.get("started", ""),
        ended=texts.get("ended", ""),
        version=texts.get("version", ""),
        error=texts.get("error", ""),
        source=texts.get("source", ""),
        annotations=int(texts.get("annotations", -1)),
        events=int(texts.get("events", 0)),
        held_back=texts.get("held_back", ""),
        comparison=texts.get("comparison", ""),
        progress=float(texts.get("progress", -1)),
        message=texts.get("message", ""),
        metrics=msgspec.json.decode(texts.get("metrics", "{}")),
        cancel=texts.get("cancel", ""),
        ending=texts.get("ending", ""),
        upto=texts.get("upto", ""),
        model_class=texts.get("class", ""),
        asked_by=texts.get("asked_by", ""),
        woken="woken" in texts,
        error_code=texts.get("error_code", ""),
        retried_by=texts.get("retried_by", ""),
        retry_of=texts.get("retry_of", ""),
        trackers=msgspec.json.decode(texts.get("trackers", "{}")),
    )


def _read_state(texts: Mapping[str, str]) -> JobState:
    """Return the state in a record."""
    return cast("JobState", state_now(texts.get("state", "queued"), was_retried="retried" in texts))


@raises_broker_errors
class JobRecords:
    """The job records of one queue. Every method raises BrokerError when Redis fails."""

    def __init__(self, connection: Any, keys: Keys, index: JobIndex) -> None:
        self._redis = connection
        self._keys = keys
        self._index = index

    def get(self, job_id: str) -> Job | None:
        """Return a job's record, None if there is none."""
        fields = self._redis.hgetall(self._keys.job(job_id))
        return read_job(job_id, fields) if fields else None

    def of(self, project: str, limit: int = KEPT_JOBS) -> Iterator[Job]:
        """Yield the project's job records, newest first, at most `limit` of them."""
        for job_id in self._redis.lrange(self._keys.jobs(project), 0, limit - 1):
            if (job := self.get(job_id.decode())) is not None:
                yield job

    def interrupted_before(self, project: str, job_id: str) -> list[Job]:
        """Return the interrupted jobs whose events a job has, newest first: those since the last outcome.

        A job that failed or was cancelled before it began is an outcome, too: its events were set aside or removed. One
        that finished without a beginning had no events of its own.
        """
        interrupted: list[Job] = []
        is_earlier = False
        for job in self.of(project, RECENT_JOBS):
            if is_earlier and job.state == "interrupted":
                interrupted.append(job)
            elif is_earlier and (job.started or job.state in ("failed", "cancelled")):
                break
            is_earlier = is_earlier or job.id == job_id
        return interrupted

    def create(self, project: str, job_id: str, *, asked_by: str, woken: bool) -> None:
        """Write the record of a new job, less the fields that a worker has written already."""
        fields = {"project": project, "state": "queued", "created": now()}
        if asked_by:
            fields["asked_by"] = asked_by
        if woken:
            fields["woken"] = "1"
        with self._redis.pipeline(transaction=True) as pipe:
            for name, value in fields.items():
                pipe.hsetnx(self._keys.job(job_id), name, value)
            pipe.lrem(self._keys.jobs(project), 0, job_id)
            pipe.lpush(self._keys.jobs(project), job_id)
            self._index.list_in(pipe, job_id, "queued")
            pipe.execute()
        self.remove_old(project)

    def created(self, job_id: str) -> bool:
        """Tell whether the job has a record that `create` or a server has written."""
        return bool(self._redis.hexists(self._keys.job(job_id), "created"))

    def remove_old(self, project: str) -> None:
        """Remove a project's records beyond the newest KEPT_JOBS."""
        self._delete(self._redis.lrange(self._keys.jobs(project), KEPT_JOBS, -1))
        self._redis.ltrim(self._keys.jobs(project), 0, KEPT_JOBS - 1)
        self._index.prune()

    def remove(self, project: str, job_id: str) -> None:
        """Remove a job's record, and the job from its project's list."""
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.lrem(self._keys.jobs(project), 0, job_id)
            pipe.delete(*self._keys.of_job(job_id))
            self._index.remove_in(pipe, [job_id])
            pipe.execute()

    def remove_all(self, project: str) -> None:
        """Remove all of a project's records, but not their list."""
        self._delete(self._redis.lrange(self._keys.jobs(project), 0, -1))

    def _delete(self, ids: list[bytes]) -> None:
        """Remove the records of these jobs, but not the ids from their project's list."""
        job_ids = [job_id.decode() for job_id in ids]
        for job_id in job_ids:
            self._redis.delete(*self._keys.of_job(job_id))
        if job_ids:
            with self._redis.pipeline(transaction=False) as pipe:
                self._index.remove_in(pipe, job_ids)
                pipe.execute()
