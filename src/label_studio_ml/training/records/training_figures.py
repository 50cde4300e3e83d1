"""Training figures of all servers and workers in one Redis, for the metrics endpoint."""

import redis

from label_studio_ml.monitoring.prometheus import Training
from label_studio_ml.training.records.job_board import JobBoard
from label_studio_ml.training.records.repredictions import Repredictions
from label_studio_ml.training.redis.redis_errors import broker_errors


@broker_errors()
def figures(board: JobBoard) -> Training:
    """Return the training figures of the board's queue. Raises BrokerError."""
    projects = board.queues.dirty()
    with board.redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(board.keys.outcomes)
        pipe.llen(board.keys.wake_ups)
        pipe.scard(board.keys.workers)
        for project in projects:
            pipe.xlen(board.keys.mailbox(project))
        outcomes, queued, workers, *lengths = pipe.execute()
    parked = board.redis.scan_iter(board.keys.parked("*"), count=1000)
    return Training(
        backlog=sum(lengths),
        parked=sum(board.redis.hlen(key) for key in parked),
        queued=queued,
        workers=workers,
        unpredicted=Repredictions(board).unpredicted(),
        runs={name.decode(): int(count) for name, count in outcomes.items()},
    )


def count(board: JobBoard, outcome: str) -> None:
    """Count a run's outcome. Best effort: errors of Redis are ignored."""
    try:
        board.redis.hincrby(board.keys.outcomes, outcome, 1)
    except redis.RedisError:
        return
