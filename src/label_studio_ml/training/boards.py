"""The job records of this backend: on the queue of its own broker, or on the one that is its own in a shared Redis."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import redis

from label_studio_ml.errors import BrokerError
from label_studio_ml.settings import Settings
from label_studio_ml.training.jobs import JobBoard
from label_studio_ml.training.keys import DEFAULT_QUEUE
from label_studio_ml.training.mailbox import broker_errors
from label_studio_ml.training.owner import (
    ALIVE,
    LOOKS,
    Claim,
    ForeignQueue,
    Owner,
    identified,
    own_queue,
    owner_of,
    tell_left_behind,
    tell_served_elsewhere,
)

logger = logging.getLogger(__name__)

#: Seconds for which RQ counts a worker that it does not hear of, at most: one that has just begun a job.
LONGEST_PRESENCE = 420


def open_board(
    connection: Any, settings: Settings, *, embedded: bool, server: str = "", claiming: bool = True
) -> JobBoard:
    """Return the job records of the backend with these settings. Raises BrokerError.

    `embedded` tells whether the broker is the backend's own. `server` is the id of the server that hands events in,
    empty for others; without `claiming` nothing is changed in Redis.
    """
    if embedded:
        return JobBoard(connection, settings.queue or DEFAULT_QUEUE)
    claim = claim_of(settings, server)
    with broker_errors():
        queue = own_queue(connection, settings, claim, claiming=claiming)
    return JobBoard(connection, queue, claim.owner)


def claim_of(settings: Settings, server: str = "") -> Claim:
    """Return the hold of the backend with these settings on its queue. Raises BrokerError."""
    return Claim(identified(settings), max(ALIVE, LOOKS * settings.sweep), server)


def say_left_behind(board: JobBoard) -> None:
    """Log which events wait where this backend does not look."""
    if board.owner is not None:
        tell_left_behind(board.redis, board.keys.queue, board.owner)


def say_served_elsewhere(board: JobBoard) -> None:
    """Log where servers of a worker's class hand in their events, if none uses the worker's queue."""
    if board.owner is not None:
        tell_served_elsewhere(board.redis, board.keys.queue, board.owner)


class Holder:
    """A worker's hold on its queue: every job asks whether it is this backend's."""

    def __init__(self, board: JobBoard, settings: Settings) -> None:
        self._board = board
        self._claim = None if board.owner is None else Claim(board.owner, max(ALIVE, LOOKS * settings.sweep))
        self._refused: set[tuple[str, str]] = set()

    def check(self) -> None:
        """Say again that the queue is used. Raises ForeignQueue where another backend has it now, BrokerError."""
        if self._claim is None:
            return
        with broker_errors():
            other = self._claim.take(self._board.redis, self._board.keys.queue)
        if other is not None:
            raise ForeignQueue(
                f"The queue {self._board.keys.queue} belongs to another backend ({other}); its jobs are not for "
                f"this one ({self._claim.owner})",
                fix="Give each backend another RQ_QUEUE_NAME, or leave it out",
            )

    def release(self) -> None:
        """Say that a worker has ended. Nothing happens while another one, or a server, is there."""
        if self._claim is not None:
            release(self._board, self._claim)

    def takes(self, uid: str) -> bool:
        """Tell whether the project's next job is for this worker's class; say so in its record where it is not.

        A class that was renamed takes over what waits for the former one, once no worker has that class any more.
        Raises BrokerError.
        """
        owner, job = self._board.owner, self._board.waiting_job(uid)
        if owner is None or job is None or job.model_class in ("", owner.model_class):
            return True
        with broker_errors():
            known = owner_of(self._board.redis, self._board.keys.queue)
        renamed = known is not None and known.model_class == owner.model_class
        if renamed and job.model_class not in worker_classes(self._board):
            return True
        why = f"it is for a worker with the class {job.model_class}; this one has {owner.model_class}"
        if (uid, why) not in self._refused:
            self._refused.add((uid, why))
            logger.error(
                "Project %s: job %s is refused: %s (%s). If they are two backends, one's MODEL_DIR is a copy of the "
                "other's: remove backend.json from the copy",
                uid,
                job.id,
                why,
                owner.place,
            )
        self._board.update_job(job.id, message=f"waits: {why}")
        return False


def release(board: JobBoard, claim: Claim) -> None:
    """Give the queue free if what `claim` names was the backend's last process. Best effort: errors are ignored."""
    with contextlib.suppress(redis.RedisError, BrokerError):
        claim.release(board.redis, board.keys.queue, workers=worker_count(board))


def worker_name(owner: Owner | None, number: str) -> str:
    """Return the name under which RQ lists a worker: it says which class it has."""
    return f"{owner.model_class}.{number}" if owner is not None and owner.model_class else number


def shorten_workers(board: JobBoard) -> None:
    """Let no worker be counted for longer than RQ does, as one would be after the clock was set back.

    Raises BrokerError.
    """
    with broker_errors():
        for key in board.redis.smembers(f"rq:workers:{board.keys.queue}"):
            if board.redis.ttl(key) > LONGEST_PRESENCE:
                board.redis.expire(key, LONGEST_PRESENCE)


def worker_classes(board: JobBoard) -> set[str]:
    """Return the classes of the workers that are there. Raises BrokerError."""
    return {name.partition(".")[0] for name in _workers(board) if "." in name}


def worker_count(board: JobBoard) -> int:
    """Return how many workers are there. Raises BrokerError."""
    return len(list(_workers(board)))


def _workers(board: JobBoard) -> Iterator[str]:
    from label_studio_ml.training.rq_jobs import Queue, workers_of

    with broker_errors():
        yield from (str(one.name) for one in workers_of(Queue(board.keys.queue, board.redis)))
