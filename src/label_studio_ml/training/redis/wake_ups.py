"""RQ jobs that wake a worker for a training. They may get lost: the event queues are the source of truth."""

from typing import Any

from label_studio_ml.training.redis.keys import Keys
from label_studio_ml.training.redis.queue_owner import Owner
from label_studio_ml.training.redis.redis_errors import raises_broker_errors
from label_studio_ml.training.redis.scripts import TAKE_TURN

#: The name by which an RQ job asks for a training. Jobs in Redis hold it, so it stays the same in all
#: releases; it is no import path.
TRAIN = "label_studio_ml.training.worker.train"


@raises_broker_errors
class WakeUps:
    """The wake-ups of one queue, and the turns of its workers. `owner` is the backend that owns the queue.

    Every method raises BrokerError when Redis fails.
    """

    def __init__(self, connection: Any, keys: Keys, owner: Owner | None) -> None:
        self._redis = connection
        self._keys = keys
        self._owner = owner

    def enqueue(self, project: str, job_id: str) -> None:
        """Wake a worker for a training job of a project."""
        from label_studio_ml.training.redis.rq_jobs import Queue

        Queue(self._keys.queue, self._redis).enqueue(
            TRAIN,
            project,
            job_id=_rq_id(job_id),
            job_timeout=-1,
            result_ttl=0,
            failure_ttl=3600,
            description=f"train project {project}{f' for {self._owner}' if self._owner is not None else ''}",
        )

    def queued(self, job_id: str) -> bool:
        """Tell whether a wake-up for a training job is in the queue."""
        return self._redis.lpos(self._keys.wake_ups, _rq_id(job_id)) is not None

    def take_sweep_turn(self, pause: float) -> bool:
        """Tell whether this worker is to look for lost wake-ups: one of all workers does, every `pause` seconds."""
        return self.take_turn(self._keys.looked, pause)

    def take_turn(self, key: str, pause: float) -> bool:
        """Return True for one process every `pause` seconds (less 10 %); `key` marks that the turn is taken."""
        return bool(self._redis.eval(TAKE_TURN, 1, key, max(1, round(900 * pause))))


def _rq_id(job_id: str) -> str:
    """Return the id of the RQ job that wakes a worker for the training job `job_id`."""
    return f"train-{job_id}"
