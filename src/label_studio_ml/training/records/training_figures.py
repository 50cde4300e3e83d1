"""Training figures of all servers and workers in one Redis, for the metrics endpoint."""

import redis

from label_studio_ml.monitoring.prometheus import Training
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import Repredictions
from label_studio_ml.training.redis.redis_errors import broker_errors


@broker_errors()
def figures(job_store: JobStore) -> Training:
    """Return the training figures of the queue of `job_store`. Raises BrokerError."""
    projects = job_store.queues.dirty()
    with job_store.redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(job_store.keys.outcomes)
        pipe.llen(job_store.keys.wake_ups)
        pipe.scard(job_store.keys.workers)
        for project in projects:
            pipe.xlen(job_store.keys.mailbox(project))
        outcomes, queued, workers, *lengths = pipe.execute()
    parked = job_store.redis.scan_iter(job_store.keys.parked("*"), count=1000)
    return Training(
        backlog=sum(lengths),
        parked=sum(job_store.redis.hlen(key) for key in parked),
        queued=queued,
        workers=workers,
        unpredicted=Repredictions(job_store).unpredicted(),
        runs={name.decode(): int(count) for name, count in outcomes.items()},
    )


def count(job_store: JobStore, outcome: str) -> None:
    """Count a run's outcome. Best effort: errors of Redis are ignored."""
    try:
        job_store.redis.hincrby(job_store.keys.outcomes, outcome, 1)
    except redis.RedisError:
        return
