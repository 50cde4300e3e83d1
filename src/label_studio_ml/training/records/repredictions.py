"""Redis records of the re-prediction after a training: the projects that are due, and the progress of each."""

import contextlib
import hashlib

import msgspec
import redis

from label_studio_ml.errors import DecisionError
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import raises_broker_errors
from label_studio_ml.training.redis.scripts import FINISH_REPREDICTION
from label_studio_ml.versions.store.local_store import VersionStore

#: The name by which a job asks for the re-prediction of a project. Jobs in Redis hold it, so it stays
#: the same in all releases; it is no import path.
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


@raises_broker_errors
class Repredictions:
    """The projects that are due for re-prediction, and their progress. Every method but `store` raises BrokerError."""

    def __init__(self, job_store: JobStore) -> None:
        self._redis = job_store.redis
        self._keys = job_store.keys
        self._done = job_store.redis.register_script(FINISH_REPREDICTION)

    def note_served(self, store: VersionStore, uid: str) -> None:
        """Record the version that is served before a training, unless one is recorded already."""
        try:
            served = store.served(uid)
        except DecisionError:  # the training reports this error itself
            return
        self._redis.hsetnx(self._keys.compared_versions, uid, served.id if served else "")

    def compare_served(self, store: VersionStore, uid: str) -> None:
        """Make a project due if another version is served than the recorded one, and record the new one.

        The record survives a killed worker: the comparison then happens after the project's next training.
        """
        try:
            served = store.served(uid)
        except DecisionError:
            return
        recorded = self._redis.hget(self._keys.compared_versions, uid)
        if served is None or (recorded is not None and recorded.decode() == served.id):
            return
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(self._keys.due_repredictions, uid, served.id)
            pipe.hset(self._keys.compared_versions, uid, served.id)
            pipe.execute()
        self.wake(uid)

    def due(self, uid: str) -> str | None:
        """Return the id of the version that made a project due, None if the project is not due."""
        version_id = self._redis.hget(self._keys.due_repredictions, uid)
        return version_id.decode() if version_id is not None else None

    def finish(self, uid: str, version_id: str) -> bool:
        """Mark a project as done for a version; return False if another version has made it due meanwhile."""
        return bool(self._done(keys=[self._keys.due_repredictions], args=[uid, version_id]))

    def projects(self) -> list[str]:
        """Return the uids of the projects that are due."""
        return [uid.decode() for uid in self._redis.hkeys(self._keys.due_repredictions)]

    def get(self, uid: str) -> Reprediction | None:
        """Return a project's progress; None if there is no record of it, or if the record is unreadable."""
        text = self._redis.get(self._keys.reprediction(uid))
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(text, type=Reprediction) if text else None
        return None

    def store(self, uid: str, reprediction: Reprediction) -> None:
        """Store a project's progress. Best effort: errors of Redis are ignored."""
        with contextlib.suppress(redis.RedisError):
            self._redis.set(self._keys.reprediction(uid), msgspec.json.encode(reprediction))

    def unpredicted(self) -> int:
        """Return the number of tasks that are still to be predicted in all due projects, as far as it is known."""
        due = [record for uid in self.projects() if (record := self.get(uid)) is not None]
        return sum(max(record.total - record.written - record.failed, 0) for record in due)

    def wake(self, uid: str) -> None:
        """Enqueue a job for a project, unless a job for the project is queued or running."""
        from rq.exceptions import InvalidJobOperation, NoSuchJobError

        from label_studio_ml.training.redis.rq_jobs import Job, Queue

        with contextlib.suppress(NoSuchJobError, InvalidJobOperation):
            job = Job.fetch(self._job_id(uid), connection=self._redis)
            status = job.get_status(refresh=False)
            if status == "started" or (status == "queued" and job.get_position() is not None):
                return
            # RQ fails on the execution records that a killed worker has left
            self._redis.delete(job.execution_registry.key)
        Queue(self._keys.predictions, self._redis).enqueue(
            FUNCTION,
            args=(uid,),
            job_id=self._job_id(uid),
            job_timeout=-1,
            result_ttl=0,
            failure_ttl=3600,
            description=f"predict tasks of project {uid} again",
        )

    def _job_id(self, uid: str) -> str:
        """Return the id of a project's RQ job. Ids must differ between queues: RQ has one namespace per Redis."""
        name = f"{self._keys.queue} {uid}"
        return f"afresh-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
