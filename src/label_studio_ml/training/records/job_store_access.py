"""Open the job records of this backend, and claim its queue in a Redis that several backends share."""

import contextlib
import logging
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.keys import DEFAULT_QUEUE
from label_studio_ml.training.redis.queue_owner import (
    CLAIM_SWEEPS,
    MIN_CLAIM_LIFE,
    Claim,
    ForeignQueue,
    Owner,
    identified,
    log_leftover_queues,
    log_served_elsewhere,
    own_queue,
    owner_of,
)
from label_studio_ml.training.redis.redis_errors import broker_errors

logger = logging.getLogger(__name__)

#: Longest time in seconds that RQ lists a worker without a heartbeat, if the sweeper's interval is a long one.
MAX_WORKER_TTL = 420


def open_job_store(
    connection: Any, settings: Settings, *, embedded: bool, server: str = "", claiming: bool = True
) -> JobStore:
    """Return the job records of the backend with these settings. Raises BrokerError.

    `embedded` tells whether the broker is the backend's own. `server` is the id of the server process that records
    events, empty for workers and commands. Without `claiming`, nothing is changed in Redis.
    """
    if embedded:
        return JobStore(connection, settings.queue or DEFAULT_QUEUE)
    claim = claim_of(settings, server)
    return JobStore(connection, own_queue(connection, settings, claim, claiming=claiming), claim.owner)


def claim_of(settings: Settings, server: str = "") -> Claim:
    """Return the claim of the backend with these settings on its queue. Raises BrokerError if its id is unknown."""
    return Claim(identified(settings), max(MIN_CLAIM_LIFE, CLAIM_SWEEPS * settings.sweep), server)


def log_leftover_events(job_store: JobStore) -> None:
    """Log the events that wait on queues that this backend does not use, but that may be its own."""
    if job_store.owner is not None:
        log_leftover_queues(job_store.redis, job_store.keys.queue, job_store.owner)


def log_servers_elsewhere(job_store: JobStore) -> None:
    """Log the queues that servers of the worker's class use, if no server uses the worker's queue."""
    if job_store.owner is not None:
        log_served_elsewhere(job_store.redis, job_store.keys.queue, job_store.owner)


class Holder:
    """A worker's claim on its queue, and the check that each job is meant for this backend."""

    def __init__(self, job_store: JobStore, settings: Settings) -> None:
        self._job_store = job_store
        self._claim = (
            None
            if job_store.owner is None
            else Claim(job_store.owner, max(MIN_CLAIM_LIFE, CLAIM_SWEEPS * settings.sweep))
        )
        self._refused: set[tuple[str, str]] = set()

    def check(self) -> None:
        """Renew the claim. Raises ForeignQueue if the queue belongs to another backend now, and BrokerError."""
        if self._claim is None:
            return
        new_owner = self._claim.take(self._job_store.redis, self._job_store.keys.queue)
        if new_owner is not None:
            raise ForeignQueue(
                f"The queue {self._job_store.keys.queue} belongs to another backend ({new_owner}); its jobs are not "
                f"for this one ({self._claim.owner})",
                fix="Give each backend another RQ_QUEUE_NAME, or leave it out",
            )

    def release(self) -> None:
        """Release the claim when the worker ends, unless another worker or a server of the backend is running."""
        if self._claim is not None:
            release(self._job_store, self._claim)

    def accepts(self, uid: str) -> bool:
        """Tell whether the project's next job is for this worker's class; if not, write the reason to its record.

        After a class was renamed, jobs for the former name are accepted once no worker has that class any more.
        Raises BrokerError.
        """
        owner, job = self._job_store.owner, self._job_store.waiting_job(uid)
        if owner is None or job is None or job.model_class in ("", owner.model_class):
            return True
        registered = owner_of(self._job_store.redis, self._job_store.keys.queue)
        renamed = registered is not None and registered.model_class == owner.model_class
        if renamed and job.model_class not in worker_classes(self._job_store):
            return True
        reason = f"it is for a worker with the class {job.model_class}; this one has {owner.model_class}"
        if (uid, reason) not in self._refused:
            self._refused.add((uid, reason))
            logger.error(
                "Project %s: job %s is refused: %s (%s). If they are two backends, one's MODEL_DIR is a copy of the "
                "other's: remove backend.json from the copy",
                uid,
                job.id,
                reason,
                owner.place,
            )
        self._job_store.update_job(job.id, message=f"waits: {reason}")
        return False


def release(job_store: JobStore, claim: Claim) -> None:
    """Release the queue if the process of `claim` was the backend's last one. Best effort: errors are ignored."""
    with contextlib.suppress(BrokerError):
        claim.release(job_store.redis, job_store.keys.queue, workers=worker_count(job_store))


def worker_name(owner: Owner | None, number: str) -> str:
    """Return the name under which RQ lists a worker: `CLASS.NUMBER`, or the number if there is no class."""
    return f"{owner.model_class}.{number}" if owner is not None and owner.model_class else number


@broker_errors()
def limit_worker_ttls(job_store: JobStore) -> None:
    """Limit the expiry of each worker's record to MAX_WORKER_TTL: it is too late after the clock was set back.

    Raises BrokerError.
    """
    for key in job_store.redis.smembers(job_store.keys.workers):
        if job_store.redis.ttl(key) > MAX_WORKER_TTL:
            job_store.redis.expire(key, MAX_WORKER_TTL)


def worker_classes(job_store: JobStore) -> set[str]:
    """Return the class names of the workers on the queue. Raises BrokerError."""
    return {name.partition(".")[0] for name in _worker_names(job_store) if "." in name}


def worker_count(job_store: JobStore) -> int:
    """Return the number of workers on the queue. Raises BrokerError."""
    return len(_worker_names(job_store))


@broker_errors()
def _worker_names(job_store: JobStore) -> list[str]:
    from label_studio_ml.training.redis.rq_jobs import Queue, workers_of

    return [str(worker.name) for worker in workers_of(Queue(job_store.keys.queue, job_store.redis))]
