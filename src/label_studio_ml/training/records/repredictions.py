"""Redis records of the re-prediction after a training: the projects that are due, and the progress of each."""

import contextlib
import hashlib

import msgspec
import redis

from label_studio_ml.errors import DecisionError
from label_studio_ml.training.records.event_queue import broker_errors
from label_studio_ml.training.records.job_board import JobBoard
from label_studio_ml.training.redis.scripts import DONE
from label_studio_ml.versions.store.local_store import VersionStore

#: The name of the function that RQ calls in a worker.
FUNCTION = "label_studio_ml.projects.beside.afresh"


class Reprediction(msgspec.Struct):
    """Progress of a project's re-prediction with one version; `after` is the id of the last task processed."""

    version: str
    version_id: str
    state: str = "queued"
    began: str = ""
    after: int = 0
    total: int = 0
    written: int = 0
    failed: int = 0
    error: str = ""


class Repredictions:
    """The projects that are due for re-prediction, and their progress. Every method but `say` raises BrokerError."""

    def __init__(self, board: JobBoard) -> None:
        self._board = board
        self._done = board.redis.register_script(DONE)

    def before(self, store: VersionStore, uid: str) -> None:
        """Record the version that is served before a training, unless one is recorded already."""
        try:
            served = store.served(uid)
        except DecisionError:  # the training reports this error itself
            return
        with broker_errors():
            self._board.redis.hsetnx(self._board.keys.afresh_seen, uid, served.id if served else "")

    def after(self, store: VersionStore, uid: str) -> None:
        """Make a project due if another version is served than the recorded one, and record the new one.

        The record survives a killed worker: the comparison then happens after the project's next training.
        """
        try:
            served = store.served(uid)
        except DecisionError:
            return
        keys = self._board.keys
        with broker_errors():
            seen = self._board.redis.hget(keys.afresh_seen, uid)
            if served is None or (seen is not None and seen.decode() == served.id):
                return
            with self._board.redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.afresh, uid, served.id)
                pipe.hset(keys.afresh_seen, uid, served.id)
                pipe.execute()
        self.wake(uid)

    def due(self, uid: str) -> str | None:
        """Return the id of the version that made a project due, None if the project is not due."""
        with broker_errors():
            found = self._board.redis.hget(self._board.keys.afresh, uid)
        return found.decode() if found is not None else None

    def finish(self, uid: str, version_id: str) -> bool:
        """Mark a project as done for a version; return False if another version has made it due meanwhile."""
        with broker_errors():
            return bool(self._done(keys=[self._board.keys.afresh], args=[uid, version_id]))

    def projects(self) -> list[str]:
        """Return the uids of the projects that are due."""
        with broker_errors():
            return [uid.decode() for uid in self._board.redis.hkeys(self._board.keys.afresh)]

    def renewal(self, uid: str) -> Reprediction | None:
        """Return a project's progress; None if there is no record of it, or if the record is unreadable."""
        with broker_errors():
            text = self._board.redis.get(self._board.keys.renewal(uid))
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(text, type=Reprediction) if text else None
        return None

    def say(self, uid: str, renewal: Reprediction) -> None:
        """Store a project's progress. Best effort: errors of Redis are ignored."""
        with contextlib.suppress(redis.RedisError):
            self._board.redis.set(self._board.keys.renewal(uid), msgspec.json.encode(renewal))

    def figures(self) -> int:
        """Return the number of tasks that are still to be predicted in all due projects, as far as it is known."""
        found = [self.renewal(uid) for uid in self.projects()]
        return sum(max(one.total - one.written - one.failed, 0) for one in found if one is not None)

    def wake(self, uid: str) -> None:
        """Enqueue a job for a project, unless a job for the project is queued or running."""
        from rq.exceptions import InvalidJobOperation, NoSuchJobError

        from label_studio_ml.training.redis.rq_jobs import Job, Queue

        queue = Queue(self._board.keys.predictions, self._board.redis)
        with broker_errors():
            with contextlib.suppress(NoSuchJobError, InvalidJobOperation):
                job = Job.fetch(self._job_id(uid), connection=self._board.redis)
                status = job.get_status(refresh=False)
                if status == "started" or (status == "queued" and job.get_position() is not None):
                    return
                # RQ fails on the execution records that a killed worker has left
                self._board.redis.delete(job.execution_registry.key)
            queue.enqueue(
                FUNCTION,
                args=(uid,),
                job_id=self._job_id(uid),
                job_timeout=-1,
                result_ttl=0,
                failure_ttl=3600,
                description=f"predict tasks of project {uid} afresh",
            )

    def _job_id(self, uid: str) -> str:
        """Return the id of a project's RQ job. Ids must differ between queues: RQ has one namespace per Redis."""
        name = f"{self._board.keys.queue} {uid}"
        return f"afresh-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
