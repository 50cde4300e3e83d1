"""RQ jobs that hold data only: nothing that is read from Redis is unpickled, imported by its name or called.

RQ's own jobs are pickles that name any function, and callbacks beside it: whoever can write to Redis runs code in the
worker. Here a job is JSON, and a worker looks the function's name up in a table of its own (`Runnable`). All queues of
this package are made by `Queue`.
"""

import logging
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis
from rq import Queue as RqQueue
from rq import Worker as RqWorker
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job as RqJob
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

logger = logging.getLogger(__name__)

#: Bytes that a job's content may have, decompressed: a shard with many conditions has some thousands.
MAX_CONTENT = 1 << 20

#: The fields of a job's hash that are used. Left out are those that call something (callbacks, webhooks), that name
#: other jobs (dependencies, groups, repetitions), and the time limit: trainings have one of their own.
FIELDS = frozenset(
    (
        *(b"data", b"created_at", b"origin", b"worker_name", b"description", b"enqueued_at", b"started_at"),
        *(b"ended_at", b"last_heartbeat", b"result_ttl", b"failure_ttl", b"status", b"meta"),
        *(b"number_of_retries", b"retries_left", b"retry_intervals", b"enqueue_at_front_on_retry"),
    )
)

#: A member of RQ's list of running jobs: a job's id and the id of its execution.
_MEMBER = re.compile(rb"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?")
#: What RQ raises at ids, times and states that are none.
_FOREIGN = (ValueError, TypeError, KeyError, AttributeError)

#: The entry of a job's meta data that says for how many seconds its worker is believed without being heard.
_LIFE = "life"
#: Seconds that such a figure has at most: what is above was not written by a worker of this package.
_LONGEST_LIFE = 86_400

UNREADABLE = (
    "its content is not JSON: an older version of this package has made it, or something else writes to this Redis. "
    "Trainings are started again by themselves; a `predict --shards` of an older version has to be run again"
)


class Runnable(NamedTuple):
    """A function that a worker runs. `accepts` tells whether it takes these arguments."""

    function: Callable[..., Any]
    accepts: Callable[[list[Any]], bool]


def one_text(args: list[Any]) -> bool:
    """Tell whether the arguments are one text that is not empty: a project's uid."""
    return len(args) == 1 and isinstance(args[0], str) and bool(args[0])


class Job(RqJob):  # type: ignore[misc]
    """A job whose content is JSON, and which runs nothing before a worker has admitted it."""

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None) -> None:  # noqa: A002
        super().__init__(id, connection, JSONSerializer)
        self._admitted: Callable[..., Any] | None = None

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> "Job":  # noqa: A002
        """Return the job `id`. Raises NoSuchJobError where there is none, or none that can be read."""
        try:
            return super().fetch(id, connection)  # type: ignore[no-any-return]
        except NoSuchJobError:
            raise
        except redis.RedisError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            raise _unreadable(id, error) from error
        except Exception as error:  # whatever RQ trips over in a hash that it did not write
            raise _unreadable(id, error) from error

    @classmethod
    def fetch_many(
        cls, job_ids: Iterable[str], connection: Any, serializer: Any = None
    ) -> "list[Job | None]":
        """Return the jobs with these ids, None for each that is not there or cannot be read."""
        jobs: list[Job | None] = []
        for job_id in job_ids:
            try:
                jobs.append(cls.fetch(job_id, connection))
            except NoSuchJobError:
                jobs.append(None)
        return jobs

    def restore(self, raw_data: Mapping[bytes, bytes]) -> Any:
        """Take over what Redis has of the job. Raises ValueError for content that is too large."""
        fields = {name: value for name, value in raw_data.items() if name in FIELDS}
        content = _decompressed(fields[b"data"]) if b"data" in fields else None
        if content is not None:
            fields[b"data"] = b"[]"  # RQ decompresses without a limit
        super().restore(fields)
        if content is not None:
            self.data = content
        meta: Any = self.meta
        self.meta: dict[str, Any] = meta if isinstance(meta, dict) and "unserialized" not in meta else {}
        self.timeout = -1

    def admit(self, functions: Mapping[str, Runnable]) -> str:
        """Let the job run the one of `functions` that it names; return why it may not, nothing if it may."""
        try:
            name, instance, args, keywords = self.func_name, self.instance, self.args, self.kwargs
        except DeserializationError:
            return UNREADABLE
        if not isinstance(name, str) or name not in functions:
            return f"it asks for the function {str(name)[:200]!r}, which is none of this worker's"
        if (
            instance is not None
            or keywords
            or not isinstance(args, list)
            or not functions[name].accepts(args)
        ):
            return f"its arguments are not those of {name}"
        self._admitted = functions[name].function
        return ""

    @property
    def func(self) -> Callable[..., Any]:
        """The function that a worker has admitted. Raises ValueError if none has."""
        if self._admitted is None:
            raise ValueError("no worker has admitted this job")
        return self._admitted

    def declare_life(self, seconds: float) -> None:
        """Store for how many seconds the worker that begins this job is believed without being heard.

        Other workers may be set differently: they go by this figure. Raises redis.RedisError.
        """
        self.meta[_LIFE] = seconds
        self.save_meta()

    def declared_life(self, default: float) -> float:
        """Return the seconds that `declare_life` stored, `default` if none are stored that can be meant."""
        seconds = self.meta.get(_LIFE)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            return default
        return seconds if 0 < seconds <= _LONGEST_LIFE else default

    def remove(self) -> None:
        """Remove the job from Redis, without looking at what it says of other jobs."""
        self.connection.delete(
            self.key, self.dependents_key, self.dependencies_key, self.execution_registry.key
        )


class Queue(RqQueue):  # type: ignore[misc]
    """A queue of such jobs."""

    def __init__(self, name: str, connection: Any, **options: Any) -> None:
        super().__init__(name, connection, **{**options, "job_class": Job, "serializer": JSONSerializer})


def workers_of(queue: Queue) -> list[Any]:
    """Return RQ's records of the workers that listen to a queue."""
    return list(RqWorker.all(queue=queue, job_class=Job, queue_class=Queue, serializer=JSONSerializer))


def started(queue: Queue) -> StartedJobRegistry:
    """Return RQ's list of the jobs of a queue that workers are at."""
    return StartedJobRegistry(queue=queue, job_class=Job)


def clean(queue: Queue) -> None:
    """Begin those jobs of a queue again whose worker is gone, leaving out what is no job's id."""
    registry = started(queue)
    for member in queue.connection.zrange(registry.key, 0, -1):
        if not _MEMBER.fullmatch(member):
            logger.error("RQ's list of running jobs has %.100r, which is no job: it is removed", member)
            queue.connection.zrem(registry.key, member)
    try:
        registry.cleanup()
    except _FOREIGN as error:
        logger.error("RQ's list of running jobs holds what RQ did not write: %s", error)


def clean_all(worker: Any) -> None:
    """Do RQ's maintenance for a worker, but for its groups: their jobs would be read as pickles, and ours have none."""
    for queue in worker.queues:
        clean(queue)
    try:
        worker.clean_registries()
    except _FOREIGN as error:
        logger.error("RQ's lists hold what RQ did not write: %s", error)
        worker.last_cleaned_at = datetime.now(UTC)


def _unreadable(job_id: str, error: Exception) -> NoSuchJobError:
    text = f"RQ's job {job_id[:200]!r} cannot be read and is left alone ({type(error).__name__})"
    logger.error("%s", text)
    return NoSuchJobError(text)


def _decompressed(data: bytes) -> bytes:
    """Return a job's content, which RQ compresses. Raises ValueError if it is too large."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(data, MAX_CONTENT + 1)
    except zlib.error:
        content = data
    if len(content) > MAX_CONTENT:
        raise ValueError(f"its content has more than {MAX_CONTENT} bytes")
    return content
