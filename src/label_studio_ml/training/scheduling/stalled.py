"""Detect stalled projects: their events are queued, no worker trains them, and no postponement explains it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from label_studio_ml.errors import BrokerError
from label_studio_ml.support.texts import plural
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import broker_errors

logger = logging.getLogger(__name__)

#: Seconds after which a project counts as stalled, enough to recover from any killed process; seconds between checks.
STALLED_AFTER, CHECK_INTERVAL = 60.0, 5.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Projects that wait at one moment, with their numbers of queued events, and the number of workers."""

    projects: dict[str, int]
    workers: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Stalled projects: `seconds` is the longest of their waiting times, `events` the number of all their events."""

    projects: tuple[str, ...]
    events: int
    seconds: float
    workers: int

    @property
    def message(self) -> str:
        """A message that names the projects and the number of workers."""
        shown = ", ".join(self.projects[:5]) + (", …" if len(self.projects) > 5 else "")
        cause = (
            f"{plural(self.workers, 'training worker is', 'training workers are')} running"
            if self.workers
            else "no training worker is running"
        )
        return (
            f"{plural(self.events, 'event waits', 'events wait')} (project {shown}) and no training has begun for "
            f"{self.seconds:.0f} s: {cause}"
        )


@broker_errors()
def waiting(job_store: JobStore) -> Waiting:
    """Return the projects with queued events that are due but not being trained. Raises BrokerError.

    While all workers train projects, the other projects have to wait: then the result has no projects.
    """
    projects, now = job_store.queues.dirty(), job_store.queues.clock()
    keys = job_store.keys
    with job_store.redis.pipeline(transaction=False) as pipe:
        pipe.smembers(keys.workers)
        for uid in projects:
            pipe.xlen(keys.mailbox(uid))
            pipe.exists(keys.lease(uid))
        listed, *answers = pipe.execute()
    workers = sum(job_store.redis.exists(key) for key in listed)
    events = dict(zip(projects, answers[::2], strict=True))
    leased = {uid for uid, has_lease in zip(projects, answers[1::2], strict=True) if has_lease}
    if leased and len(leased) >= workers:
        return Waiting({}, workers)
    untrained = [uid for uid in projects if events[uid] and uid not in leased]
    postponements = {uid: job_store.postponement(uid) for uid in untrained}
    postponed = {
        uid for uid, postponement in postponements.items() if postponement and postponement.waits(now)
    }
    return Waiting({uid: int(events[uid]) for uid in untrained if uid not in postponed}, workers)


class StallWatch:
    """Checks for stalled projects in a thread, and logs them. `stall` has those of the last check, None for none.

    `job_store` returns the job records; while it raises BrokerError, `stall` does not change.
    """

    def __init__(self, job_store: Callable[[], JobStore]) -> None:
        self._job_store = job_store
        self._since: dict[str, float] = {}
        self._logged: tuple[str, ...] = ()
        self.stall: Stall | None = None

    def start(self, stopping: threading.Event) -> None:
        """Start the thread, which checks until `stopping` is set."""
        threading.Thread(target=self._check_regularly, args=(stopping,), daemon=True, name="stalls").start()

    def _check_regularly(self, stopping: threading.Event) -> None:
        while not stopping.wait(CHECK_INTERVAL):
            try:
                self.update(waiting(self._job_store()), time.monotonic())
            except BrokerError as error:
                logger.debug("The projects that wait cannot be read: %s", error)
            except Exception:
                logger.exception("The check for stalled projects failed")

    def update(self, waiting_projects: Waiting, now: float) -> None:
        """Update `stall` with the projects that wait at the time `now` of the monotonic clock, and log changes."""
        self._since = {uid: self._since.get(uid, now) for uid in waiting_projects.projects}
        stalled = tuple(uid for uid, since in self._since.items() if now - since > STALLED_AFTER)
        if stalled:
            longest_wait = max(now - self._since[uid] for uid in stalled)
            self.stall = Stall(
                stalled,
                sum(waiting_projects.projects[uid] for uid in stalled),
                longest_wait,
                waiting_projects.workers,
            )
        else:
            self.stall = None
        if self.stall is not None and not set(stalled) <= set(self._logged):
            logger.error("%s; see logs/rq.log", self.stall.message)
        elif self._logged and not stalled:
            logger.info("The events that waited are being trained on")
        self._logged = stalled
