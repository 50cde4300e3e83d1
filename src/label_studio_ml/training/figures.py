"""What Redis knows of all trainings, in numbers."""

import redis

from label_studio_ml.metrics.exposition import Training
from label_studio_ml.training import keys
from label_studio_ml.training.jobs import JobBoard
from label_studio_ml.training.refusals import explain


def figures(board: JobBoard, queue: str) -> Training:
    """Return the numbers of one Redis. Raises BrokerError."""
    try:
        projects = board.dirty()
        with board.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.OUTCOMES)
            pipe.llen(f"rq:queue:{queue}")
            pipe.scard(f"rq:workers:{queue}")
            for project in projects:
                pipe.xlen(keys.mailbox(project))
            outcomes, queued, workers, *lengths = pipe.execute()
        parked = sum(board.redis.xlen(key) for key in board.redis.scan_iter(keys.parked("*"), count=1000))
    except redis.RedisError as error:
        raise explain(error) from error
    return Training(
        backlog=sum(lengths),
        parked=parked,
        queued=queued,
        workers=workers,
        runs={name.decode(): int(count) for name, count in outcomes.items()},
    )


def count(board: JobBoard, outcome: str) -> None:
    """Count a run's outcome; a Redis that is away is not worth failing for."""
    try:
        board.redis.hincrby(keys.OUTCOMES, outcome, 1)
    except redis.RedisError:
        return
