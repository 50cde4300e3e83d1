"""Training figures of all servers and workers in one Redis, for the metrics endpoint."""

import redis

from label_studio_ml.monitoring.prometheus import Training
from label_studio_ml.training.records.job_board import JobBoard
from label_studio_ml.training.records.repredictions import Repredictions
from label_studio_ml.training.redis.redis_errors import explain


def figures(board: JobBoard) -> Training:
    """Return the training figures of the board's queue. Raises BrokerError."""
    try:
        projects = board.dirty()
        with board.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(board.keys.outcomes)
            pipe.llen(board.keys.wake_ups)
            pipe.scard(f"rq:workers:{board.keys.queue}")
            for project in projects:
                pipe.xlen(board.keys.mailbox(project))
            outcomes, queued, workers, *lengths = pipe.execute()
        found = board.redis.scan_iter(board.keys.parked("*"), count=1000)
        unpredicted = Repredictions(board).figures()
        parked = sum(board.redis.hlen(key) for key in found)
    except redis.RedisError as error:
        raise explain(error) from error
    return Training(
        backlog=sum(lengths),
        parked=parked,
        queued=queued,
        workers=workers,
        unpredicted=unpredicted,
        runs={name.decode(): int(count) for name, count in outcomes.items()},
    )


def count(board: JobBoard, outcome: str) -> None:
    """Count a run's outcome. Best effort: errors of Redis are ignored."""
    try:
        board.redis.hincrby(board.keys.outcomes, outcome, 1)
    except redis.RedisError:
        return
