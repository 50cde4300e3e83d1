"""Every Redis key of ours, named here and nowhere else.

All but one begin with `lsml:{queue}:`, so that backends with queues of their own share a Redis without mixing.

    lsml:queues           hash: name of a queue → id of the backend it belongs to

    backend               hash: whose queue it is: `id`, `class`, `code`, `place`; `until`: the time in ms until which
                          that backend counts as running, `life`: for how many ms it does since it was last heard of;
                          `life:{server}`: the same of each server
    servers               sorted set: the backend's servers, each with the time in ms until which it counts as running

    dirty                 set: projects with events in their mailbox
    mailbox:{project}     stream: the webhook events that no training has taken in, as `action`, `annotations` (how
                          many it brings) and `caller` (who sent it, by the login); the truth about what is to be done
    payloads:{project}    hash: stream id → JSON of the whole event; kept apart, so that the mailbox is quick to read
    untrusted:{project}   hash: stream id → bytes of an event in the mailbox that came without login; `events` and
                          `bytes`: how many and how much these are; `beyond`: id of the event that stands for all that
                          came beyond the limits since the last run began
    folds:{project}       hash: digest of what an event without login says → stream id; those that no run has read yet
    token:{token}         string, expiring: the job of an event that is stored already
    waiting:{project}     string: id of the job that the next run will be
    hold:{project}        hash: why no run is due yet. `need`: annotations that have to come; `at`: time in ms at which
                          to look again; `have`, `text`: what the job's record says; `code`: the model's code;
                          `since`: time in ms at which that was decided
    policy                string: JSON of when the class wants to be trained, as its last child said
    labelled:{project}    string: JSON of how many labelled tasks the last child counted, and when
    lease:{project}       string: held, expiring, by the one worker that trains the project
    fence:{project}       integer: raised for each run; orders the versions
    attempts:{project}    hash: runs of the present events: `starts`, those that crashed (`crashes`), and those that
                          could not read what they needed (`tries`)
    parked:{project}      hash: stream id → JSON: events set aside, with the cause
    project:{project}     string: JSON of what servers know of the project, access token included; only where workers on
                          other machines cannot read it from the disk
    delivered:{project}   hash "<task>:<annotation>" → JSON: labelled tasks that webhooks delivered
    job:{job}             hash: one training job's record
    log:{job}             list: the last lines of a job's log, expiring
    points:{job}          list: JSON of a job's metrics over time, expiring
    jobs:{project}        list: job ids of the project, newest first
    outcomes              hash: how many runs ended in each outcome
    sharded:{project}     string: JSON of the run of `predict --shards` that is under way or was broken off
    afresh                hash: project → id of the version that made its tasks due for predictions
    afresh_seen           hash: project → id of the version that was served when its tasks were last made due
    sending:{project}     hash: JSON of version and part of a run → JSON of what it was sending, and what is in doubt
    renewal:{project}     string: JSON of how far its tasks have got predictions of the new version
    looked                string, expiring: some worker has just looked for lost wake-ups
    swept                 string, expiring: some worker has just looked for shards whose worker is gone

RQ keeps its own keys under `rq:`, with the queue's name in them.
"""

import logging
import re
from dataclasses import dataclass
from urllib.parse import quote

logger = logging.getLogger(__name__)

#: What a job's id looks like. It names a file, so no other text from Redis is taken for one.
_JOB_ID = re.compile(r"[0-9A-Za-z-]{1,64}")

#: The queue of a backend with a broker of its own; what the names of others begin with where none was given.
DEFAULT_QUEUE = "label-studio-ml"

#: Whose the queues are, of all backends.
REGISTER = "lsml:queues"


def job_id_of(value: bytes | None) -> str | None:
    """Return the job's id that Redis had at a key, None if there is none, or none that may name a file."""
    text = value.decode(errors="replace") if value else ""
    if text and not _JOB_ID.fullmatch(text):
        logger.error("Redis names a job %.100r, which is no job's id: a new one takes its place", text)
        return None
    return text or None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the backends that share `queue`."""

    queue: str

    def _key(self, *parts: str) -> str:
        return ":".join(("lsml", quote(self.queue, safe=""), *parts))

    @property
    def backend(self) -> str:
        """Whose queue it is."""
        return self._key("backend")

    @property
    def servers(self) -> str:
        """The servers that run and use the queue."""
        return self._key("servers")

    @property
    def dirty(self) -> str:
        """The projects with events."""
        return self._key("dirty")

    @property
    def policy(self) -> str:
        """When the class wants to be trained."""
        return self._key("policy")

    @property
    def outcomes(self) -> str:
        """How runs ended."""
        return self._key("outcomes")

    @property
    def wake_ups(self) -> str:
        """RQ's list of the ids of jobs that wait for a worker."""
        return f"rq:queue:{self.queue}"

    @property
    def predictions(self) -> str:
        """The name of RQ's queue of jobs that predict; workers take trainings first."""
        return f"{self.queue}:predict"

    @property
    def afresh(self) -> str:
        """The projects whose tasks are due for predictions."""
        return self._key("afresh")

    @property
    def afresh_seen(self) -> str:
        """Which versions have made tasks due."""
        return self._key("afresh_seen")

    def sending(self, project: str) -> str:
        """Return the key of what runs that predict the project were sending."""
        return self._key("sending", project)

    def renewal(self, project: str) -> str:
        """Return the key of how far a project's tasks are."""
        return self._key("renewal", project)

    @property
    def looked(self) -> str:
        """That somebody has looked for lost wake-ups."""
        return self._key("looked")

    @property
    def swept(self) -> str:
        """Return the key that says that shards were looked after."""
        return self._key("swept")

    def sharded(self, project: str) -> str:
        """Return the key of what is known of the project's run in shards."""
        return self._key("sharded", project)

    def mailbox(self, project: str) -> str:
        """Return the key of the project's events."""
        return self._key("mailbox", project)

    def payloads(self, project: str) -> str:
        """Return the key of what the project's events say."""
        return self._key("payloads", project)

    def untrusted(self, project: str) -> str:
        """Return the key of how much of the project's mailbox came without login."""
        return self._key("untrusted", project)

    def folds(self, project: str) -> str:
        """Return the key of what the project's events without login say."""
        return self._key("folds", project)

    def token(self, token: str) -> str:
        """Return the key that remembers an event."""
        return self._key("token", token)

    def waiting(self, project: str) -> str:
        """Return the key of the id of the project's next job."""
        return self._key("waiting", project)

    def hold(self, project: str) -> str:
        """Return the key of what the project's next run waits for."""
        return self._key("hold", project)

    def labelled(self, project: str) -> str:
        """Return the key of the project's count of labelled tasks."""
        return self._key("labelled", project)

    def lease(self, project: str) -> str:
        """Return the key of the project's lease."""
        return self._key("lease", project)

    def fence(self, project: str) -> str:
        """Return the key of the project's fence."""
        return self._key("fence", project)

    def attempts(self, project: str) -> str:
        """Return the key of the project's counts of runs without an outcome."""
        return self._key("attempts", project)

    def parked(self, project: str) -> str:
        """Return the key of the project's parked events."""
        return self._key("parked", project)

    def delivered(self, project: str) -> str:
        """Return the key of the project's delivered annotations."""
        return self._key("delivered", project)

    def project(self, project: str) -> str:
        """Return the key of what servers know of the project."""
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
        """Return the keys of all that is kept of a job."""
        return self.job(job_id), self.log(job_id), self.points(job_id)

    def jobs(self, project: str) -> str:
        """Return the key of the project's job ids."""
        return self._key("jobs", project)

    def of_project(self, project: str) -> list[str]:
        """Return all keys of a project but those of its jobs' records, and the fence, which never goes back."""
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
