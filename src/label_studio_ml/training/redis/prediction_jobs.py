"""Find the prediction jobs that workers run for a project, in RQ's records."""

import time
from typing import TYPE_CHECKING, Any

from label_studio_ml.training.redis.keys import Keys

if TYPE_CHECKING:
    from label_studio_ml.training.redis.rq_jobs import Job


def running_prediction(connection: Any, keys: Keys, project: str) -> str:
    """Return the id of a prediction job that a worker runs for the project, empty if there is none.

    A job whose worker was killed counts until its entry in RQ's registry expires. Raises redis.RedisError.
    """
    from label_studio_ml.training.redis.rq_jobs import Job, Queue, started

    registry = started(Queue(keys.predictions, connection))
    members = connection.zrangebyscore(registry.key, time.time(), "+inf")
    job_ids = [member.partition(b":")[0].decode(errors="replace") for member in members]
    jobs = Job.fetch_many(job_ids, connection)
    return next((job.id for job in jobs if job is not None and _project_of(job) == project), "")


def _project_of(job: "Job") -> str:
    """Return the uid of the project that a prediction job is for, empty if its content is not that of such a job."""
    from rq.exceptions import DeserializationError

    try:
        args = job.args
    except DeserializationError:
        return ""
    first = args[0] if isinstance(args, list) and args else ""
    if isinstance(first, dict):  # a shard
        first = first.get("uid", "")
    return first if isinstance(first, str) else ""
