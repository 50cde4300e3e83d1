"""The names of all Redis keys of this package. No other module builds such names.

All but one begin with `lsml:{queue}:`, so that backends with different queues share a Redis without conflicts.

    lsml:queues           hash: name of a queue → id of the backend that owns it

    backend               hash: the owner of the queue: `id`, `class`, `code`, `place`; `until`: the time in ms until
                          which the backend counts as running; `life`: the time in ms from its last claim to `until`;
                          `life:{server}`: the same for each server
    servers               sorted set: the backend's servers, each with the time in ms until which it counts as running

    dirty                 set: projects with events in their event queue
    mailbox:{project}     stream, the event queue: each event with `action`, `annotations` (number of new ones) and
                          `caller` (the sender by its login). The source of truth for pending trainings
    payloads:{project}    hash: stream id → JSON of the whole event; separate, so that the event queue is quick to read
    untrusted:{project}   hash: stream id → size in bytes of a queued event without login; `events`, `bytes`:
                          number and total size of these; `beyond`: id of the event that stands for all events that
                          came beyond the limits since the last run began
    folds:{project}       hash: digest of an event without login that no run has read yet → stream id
    token:{token}         string, expiring: id of the job of an event that is stored already
    waiting:{project}     string: id of the job for the next run
    hold:{project}        hash: why the next run is postponed. `need`: number of annotations still missing; `at`: time
                          in ms of the next check; `have`, `text`: the parts of the message in the job's record;
                          `code`: fingerprint of the model's code; `since`: time in ms of the decision
    policy                string: JSON of the class's training policy, as its last run reported it
    labelled:{project}    string: JSON of the number of labelled tasks that the last run counted, and when
    lease:{project}       string, expiring: the lease of the worker that trains the project
    fence:{project}       integer: incremented for each run; orders the versions
    attempts:{project}    hash: runs of the queued events without an outcome: `starts` (begun), `crashes` (crashed),
                          `tries` (failed for a cause that may pass)
    parked:{project}      hash: stream id → JSON: events set aside, with the cause
    project:{project}     string: JSON of the project's description, access token included; only where workers on
                          other machines cannot read it from the disk
    delivered:{project}   hash "<task>:<annotation>" → JSON: labelled tasks that webhooks delivered
    job:{job}             hash: one training job's record
    log:{job}             list, expiring: the last lines of a job's log
    points:{job}          list, expiring: JSON of a job's metrics over time
    jobs:{project}        list: job ids of the project, newest first
    outcomes              hash: outcome → number of runs
    sharded:{project}     string: JSON of the run of `predict --shards` that is in progress or was interrupted
    afresh                hash: project → id of the version that made the project due for re-prediction
    afresh_seen           hash: project → id of the version that last made it due; at first, of the one served before
    sending:{project}     hash: JSON of version and part of a run → JSON of its journal: uploads in progress or in doubt
    renewal:{project}     string: JSON of the progress of the project's re-prediction
    looked                string, expiring: set by the worker that has just looked for lost wake-ups
    swept                 string, expiring: set by the worker that has just looked for shards whose worker is gone

RQ keeps its own keys under `rq:`, with the queue's name in them.
"""

import logging
import re
from dataclasses import dataclass
from urllib.parse import quote

logger = logging.getLogger(__name__)

#: The form of a job's id. The id is used as a file name, so other text from Redis is rejected.
_JOB_ID = re.compile(r"[0-9A-Za-z-]{1,64}")

#: The queue of a backend with an embedded broker, and the prefix of the default queue names in a shared Redis.
DEFAULT_QUEUE = "label-studio-ml"

#: The key of the register of queues and their owners, shared by all backends in one Redis.
REGISTER = "lsml:queues"


def job_id_of(value: bytes | None) -> str | None:
    """Return the job id in a value from Redis, None if there is no value or if it is not a valid id."""
    text = value.decode(errors="replace") if value else ""
    if text and not _JOB_ID.fullmatch(text):
        logger.error("Redis names a job %.100r, which is no job's id: a new one takes its place", text)
        return None
    return text or None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the backend that owns `queue`. Properties are single keys, methods are keys per project or job."""

    queue: str

    def _key(self, *parts: str) -> str:
        return ":".join(("lsml", quote(self.queue, safe=""), *parts))

    @property
    def backend(self) -> str:
        """The owner of the queue."""
        return self._key("backend")

    @property
    def servers(self) -> str:
        """The running servers of the queue's backend."""
        return self._key("servers")

    @property
    def dirty(self) -> str:
        """The projects with queued events."""
        return self._key("dirty")

    @property
    def policy(self) -> str:
        """The class's training policy."""
        return self._key("policy")

    @property
    def outcomes(self) -> str:
        """The numbers of runs by outcome."""
        return self._key("outcomes")

    @property
    def wake_ups(self) -> str:
        """RQ's list of the ids of queued jobs that wake a worker for a training."""
        return f"rq:queue:{self.queue}"

    @property
    def predictions(self) -> str:
        """The name of RQ's queue of prediction jobs; workers take trainings first."""
        return f"{self.queue}:predict"

    @property
    def afresh(self) -> str:
        """The projects that are due for re-prediction."""
        return self._key("afresh")

    @property
    def afresh_seen(self) -> str:
        """The versions that are compared with the served ones after a training."""
        return self._key("afresh_seen")

    def sending(self, project: str) -> str:
        """Return the key of the journals of runs that store predictions in the project."""
        return self._key("sending", project)

    def renewal(self, project: str) -> str:
        """Return the key of the progress of the project's re-prediction."""
        return self._key("renewal", project)

    @property
    def looked(self) -> str:
        """The marker that a worker has looked for lost wake-ups."""
        return self._key("looked")

    @property
    def swept(self) -> str:
        """The marker that a worker has looked for lost shards."""
        return self._key("swept")

    def sharded(self, project: str) -> str:
        """Return the key of the project's run of `predict --shards`."""
        return self._key("sharded", project)

    def mailbox(self, project: str) -> str:
        """Return the key of the project's queued events."""
        return self._key("mailbox", project)

    def payloads(self, project: str) -> str:
        """Return the key of the payloads of the project's queued events."""
        return self._key("payloads", project)

    def untrusted(self, project: str) -> str:
        """Return the key of the numbers and sizes of the project's events without login."""
        return self._key("untrusted", project)

    def folds(self, project: str) -> str:
        """Return the key of the digests of the project's events without login."""
        return self._key("folds", project)

    def token(self, token: str) -> str:
        """Return the key of the job of the event with this token."""
        return self._key("token", token)

    def waiting(self, project: str) -> str:
        """Return the key of the id of the project's next job."""
        return self._key("waiting", project)

    def hold(self, project: str) -> str:
        """Return the key of the postponement of the project's next run."""
        return self._key("hold", project)

    def labelled(self, project: str) -> str:
        """Return the key of the project's number of labelled tasks."""
        return self._key("labelled", project)

    def lease(self, project: str) -> str:
        """Return the key of the project's lease."""
        return self._key("lease", project)

    def fence(self, project: str) -> str:
        """Return the key of the project's fence number."""
        return self._key("fence", project)

    def attempts(self, project: str) -> str:
        """Return the key of the numbers of the project's runs without an outcome."""
        return self._key("attempts", project)

    def parked(self, project: str) -> str:
        """Return the key of the project's events that were set aside."""
        return self._key("parked", project)

    def delivered(self, project: str) -> str:
        """Return the key of the project's delivered annotations."""
        return self._key("delivered", project)

    def project(self, project: str) -> str:
        """Return the key of the project's description."""
        return self._key("project", project)

    def job(self, job_id: str) -> str:
        """Return the key of a job's record."""
        return self._key("job", job_id)

    def log(self, job_id: str) -> str:
        """Return the key of the last lines of a job's log."""
        return self._key("log", job_id)

    def points(self, job_id: str) -> str:
        """Return the key of a job's metrics over time."""
        return self._key("points", job_id)

    def of_job(self, job_id: str) -> tuple[str, ...]:
        """Return all keys of a job."""
        return self.job(job_id), self.log(job_id), self.points(job_id)

    def jobs(self, project: str) -> str:
        """Return the key of the project's job ids."""
        return self._key("jobs", project)

    def of_project(self, project: str) -> list[str]:
        """Return the keys that `JobBoard.forget` removes, except those of jobs. The fence stays."""
        named = (
            self.mailbox,
            self.payloads,
            self.untrusted,
            self.folds,
            self.waiting,
            self.hold,
            self.labelled,
            self.attempts,
            self.parked,
        )
        return [key(project) for key in (*named, self.project, self.delivered, self.jobs)]
