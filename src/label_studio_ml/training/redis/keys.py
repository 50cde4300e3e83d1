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
                          `tries` (failed for a cause that may pass); `begun`: token of the last run begun
    parked:{project}      hash: stream id → JSON: events set aside, with the cause
    project:{project}     string: JSON of the project's description, access token included; only where workers on
                          other machines cannot read it from the disk
    titles                hash: project → its title, for the projects with such a description
    delivered:{project}   hash "<task>:<annotation>" → JSON: labelled tasks that webhooks delivered
    job:{job}             hash: one training job's record
    log:{job}             list, expiring: the last lines of a job's log
    points:{job}          list, expiring: JSON of a job's metrics over time
    jobs:{project}        list: job ids of the project, newest first
    index:{state}         sorted set: ids of the jobs in a state by the time of their creation in ms; the newest ones
    index_built           string, expiring: set once `JobIndex` has found the jobs and parked events without an entry
    parked_at             sorted set: projects with parked events by the time in ms at which some were last set aside
    parked_sets           hash: project → JSON of the last causes for which its events were set aside
    outcomes              hash: outcome → number of runs
    sharded:{project}     string: JSON of the run of `predict --shards` that is in progress or was interrupted
    afresh                hash: project → id of the version that made the project due for re-prediction
    afresh_seen           hash: project → id of the version that last made it due; at first, of the one served before
    sending:{project}     hash: JSON of version and part of a run → JSON of its journal: uploads in progress or in doubt
    renewal:{project}     string: JSON of the progress of the project's re-prediction
    errors                hash: id of a group of errors → JSON of it
    errors_order          sorted set: ids of groups of errors by the time in ms of the latest error
    reports               hash, expiring: id of a server process → JSON of its last report of itself
    figures:{server}      list, expiring: JSON of the server's counters for each 10 s of the last hour
    checks                string, expiring: JSON of the findings of the last run of `doctor` that a server started
    checking              string, expiring: set by the server that runs `doctor` now
    looked                string, expiring: set by the worker that has just looked for lost wake-ups
    swept                 string, expiring: set by the worker that has just looked for shards whose worker is gone
    command:{id}          hash, expiring: a command that was started from the dashboard. `record`, `output`: JSON;
                          `cancel`: the person who requested its end
    commands              list, expiring: ids of these commands, newest first
    commands:{project}    list, expiring: those of a project
    command_server:{id}   string, expiring: exists while a server with commands is alive
    value:{project}       string, expiring: JSON of the last report of `label-studio-ml value`

RQ keeps its own keys under `rq:`, with the queue's name in them.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal
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
        logger.error("Redis has %.100r in place of a job's id: a new id replaces it", text)
        return None
    return text or None


_ByProject = Literal["hash", "set", "sorted set"]


class _Key:
    """A key of the queue. With `by_project`, it is such a collection whose fields or members are uids of projects."""

    def __init__(self, name: str, *, by_project: _ByProject | None = None) -> None:
        self.name = name
        self.by_project = by_project

    def __get__(self, keys: "Keys", owner: type | None = None) -> str:
        return keys.named(self.name)


class _ProjectKey:
    """A key of each project, by the project's uid. `forgotten` tells whether `JobStore.forget` removes it."""

    def __init__(self, name: str, *, forgotten: bool = True) -> None:
        self.name = name
        self.forgotten = forgotten

    def __get__(self, keys: "Keys", owner: type | None = None) -> Callable[[str], str]:
        return partial(keys.named, self.name)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the backend that owns `queue`. The table at the beginning of this module says what they hold."""

    queue: str

    backend = _Key("backend")
    servers = _Key("servers")
    dirty = _Key("dirty", by_project="set")
    policy = _Key("policy")
    outcomes = _Key("outcomes")
    index_built = _Key("index_built")
    parked_at = _Key("parked_at", by_project="sorted set")
    parked_sets = _Key("parked_sets", by_project="hash")
    due_repredictions = _Key("afresh", by_project="hash")
    compared_versions = _Key("afresh_seen", by_project="hash")
    reports = _Key("reports")
    checks = _Key("checks")
    checking = _Key("checking")
    looked = _Key("looked")
    swept = _Key("swept")
    commands = _Key("commands")
    errors = _Key("errors")
    errors_order = _Key("errors_order")
    titles = _Key("titles", by_project="hash")

    mailbox = _ProjectKey("mailbox")
    payloads = _ProjectKey("payloads")
    untrusted = _ProjectKey("untrusted")
    folds = _ProjectKey("folds")
    waiting = _ProjectKey("waiting")
    postponement = _ProjectKey("hold")
    labelled = _ProjectKey("labelled")
    lease = _ProjectKey("lease", forgotten=False)  # a worker may still hold it; it expires
    fence = _ProjectKey("fence", forgotten=False)  # versions stored elsewhere may have its numbers
    attempts = _ProjectKey("attempts")
    parked = _ProjectKey("parked")
    project = _ProjectKey("project")
    delivered = _ProjectKey("delivered")
    jobs = _ProjectKey("jobs")
    sharded = _ProjectKey("sharded")
    journals = _ProjectKey("sending")
    reprediction = _ProjectKey("renewal")
    project_commands = _ProjectKey("commands")
    value_report = _ProjectKey("value")

    def named(self, *parts: str) -> str:
        """Return the key with this name, which may have several parts."""
        return ":".join(("lsml", quote(self.queue, safe=""), *parts))

    @property
    def wake_ups(self) -> str:
        """RQ's list of the ids of queued jobs that wake a worker for a training."""
        return f"rq:queue:{self.queue}"

    @property
    def predictions(self) -> str:
        """The name of RQ's queue of prediction jobs; workers take trainings first."""
        return f"{self.queue}:predict"

    @property
    def workers(self) -> str:
        """RQ's set of the keys of the queue's workers."""
        return f"rq:workers:{self.queue}"

    def figures(self, server: str) -> str:
        """Return the key of a server's counters over the last hour."""
        return self.named("figures", server)

    def token(self, token: str) -> str:
        """Return the key of the job of the event with this token."""
        return self.named("token", token)

    def job(self, job_id: str) -> str:
        """Return the key of a job's record."""
        return self.named("job", job_id)

    def index(self, state: str) -> str:
        """Return the key of the ids of the jobs in a state."""
        return self.named("index", state)

    def log(self, job_id: str) -> str:
        """Return the key of the last lines of a job's log."""
        return self.named("log", job_id)

    def points(self, job_id: str) -> str:
        """Return the key of a job's metrics over time."""
        return self.named("points", job_id)

    def command(self, command_id: str) -> str:
        """Return the key of a command's record."""
        return self.named("command", command_id)

    def command_server(self, server: str) -> str:
        """Return the key that exists while a server with commands is alive."""
        return self.named("command_server", server)

    def of_job(self, job_id: str) -> tuple[str, ...]:
        """Return all keys of a job."""
        return self.job(job_id), self.log(job_id), self.points(job_id)

    def of_project(self, project: str) -> list[str]:
        """Return the project's keys that `JobStore.forget` removes, except those of its jobs."""
        return [
            self.named(key.name, project)
            for key in vars(Keys).values()
            if isinstance(key, _ProjectKey) and key.forgotten
        ]

    def by_project(self, kind: _ByProject) -> list[str]:
        """Return the keys of this kind whose fields or members are uids of projects."""
        return [
            self.named(key.name)
            for key in vars(Keys).values()
            if isinstance(key, _Key) and key.by_project == kind
        ]
