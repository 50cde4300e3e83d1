"""RQ jobs that contain only data: nothing read from Redis is unpickled, imported by name or called.

RQ's standard jobs are pickles that name a function and callbacks, so that everyone with write access to Redis can run
code in the worker. Jobs of this package are JSON, and a worker looks up the function's name in its own table of
`Runnable` objects. All queues of this package are created with `Queue`.
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

#: Largest content of a job in bytes, decompressed. A prediction shard with many conditions has a few thousand.
MAX_CONTENT_BYTES = 1 << 20

#: The fields of a job's hash that are used. Fields that call functions (callbacks, webhooks) or name other jobs
#: (dependencies, groups, repetitions) are ignored, and so is the time limit, because trainings have their own.
FIELDS = frozenset(
    (
        *(b"data", b"created_at", b"origin", b"worker_name", b"description", b"enqueued_at", b"started_at"),
        *(b"ended_at", b"last_heartbeat", b"result_ttl", b"failure_ttl", b"status", b"meta"),
        *(b"number_of_retries", b"retries_left", b"retry_intervals", b"enqueue_at_front_on_retry"),
    )
)

#: The form of a member of RQ's registry of running jobs: a job's id and the id of its execution.
_MEMBER = re.compile(rb"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?")
#: Exceptions that RQ raises for invalid ids, times and states.
_INVALID_DATA_ERRORS = (ValueError, TypeError, KeyError, AttributeError)

#: Name of the entry in a job's metadata with the time in seconds after which a job without a heartbeat is abandoned.
_LIFE_ENTRY = "life"
#: Largest valid value of that entry: a larger one was not written by a worker of this package.
_MAX_LIFE = 86_400

UNREADABLE = (
    "its content is not JSON: an older version of this package has made it, or something else writes to this Redis. "
    "Trainings are started again by themselves; a `predict --shards` of an older version has to be run again"
)


class Runnable(NamedTuple):
    """A function that a worker may run for a job. `accepts` tells whether a list of arguments is valid for it."""

    function: Callable[..., Any]
    accepts: Callable[[list[Any]], bool]


def one_text(args: list[Any]) -> bool:
    """Tell whether the arguments are a single non-empty string, such as a project's uid."""
    return len(args) == 1 and isinstance(args[0], str) and bool(args[0])


class Job(RqJob):  # type: ignore[misc]
    """A job whose content is JSON, and whose function is not available before `admit` has accepted the job."""

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None) -> None:  # noqa: A002
        super().__init__(id, connection, JSONSerializer)
        self._admitted: Callable[..., Any] | None = None

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> "Job":  # noqa: A002
        """Return the job `id`. Raises NoSuchJobError if it does not exist or is unreadable, and redis.RedisError."""
        try:
            return super().fetch(id, connection)  # type: ignore[no-any-return]
        except NoSuchJobError:
            raise
        except redis.RedisError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            raise _unreadable(id, error) from error
        except Exception as error:  # RQ fails in many ways on a hash that it did not write
            raise _unreadable(id, error) from error

    @classmethod
    def fetch_many(
        cls, job_ids: Iterable[str], connection: Any, serializer: Any = None
    ) -> "list[Job | None]":
        """Return the jobs with these ids in order, with None for each that does not exist or is unreadable."""
        jobs: list[Job | None] = []
        for job_id in job_ids:
            try:
                jobs.append(cls.fetch(job_id, connection))
            except NoSuchJobError:
                jobs.append(None)
        return jobs

    def restore(self, raw_data: Mapping[bytes, bytes]) -> Any:
        """Set the job's attributes from its hash in Redis. Raises ValueError for content above MAX_CONTENT_BYTES."""
        fields = {name: value for name, value in raw_data.items() if name in FIELDS}
        content = _decompressed(fields[b"data"]) if b"data" in fields else None
        if content is not None:
            fields[b"data"] = b"[]"  # because RQ would decompress without a limit
        super().restore(fields)
        if content is not None:
            self.data = content
        meta: Any = self.meta
        self.meta: dict[str, Any] = meta if isinstance(meta, dict) and "unserialized" not in meta else {}
        self.timeout = -1

    def admit(self, functions: Mapping[str, Runnable]) -> str:
        """Admit the job if it names one of `functions`, with valid arguments; return why not, empty if admitted."""
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
        """The function to run. Raises ValueError if no worker has admitted the job."""
        if self._admitted is None:
            raise ValueError("no worker has admitted this job")
        return self._admitted

    def declare_life(self, seconds: float) -> None:
        """Store the time in seconds after which this job counts as abandoned without a heartbeat of its worker.

        Other workers use this value, whatever their own settings are. Raises redis.RedisError.
        """
        self.meta[_LIFE_ENTRY] = seconds
        self.save_meta()

    def declared_life(self, default: float) -> float:
        """Return the seconds that `declare_life` stored, `default` if there is no valid value."""
        seconds = self.meta.get(_LIFE_ENTRY)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            return default
        return seconds if 0 < seconds <= _MAX_LIFE else default

    def remove(self) -> None:
        """Remove the job from Redis, and leave the jobs that it names alone. Raises redis.RedisError."""
        self.connection.delete(
            self.key, self.dependents_key, self.dependencies_key, self.execution_registry.key
        )


class Queue(RqQueue):  # type: ignore[misc]
    """A queue whose jobs are of the class `Job`."""

    def __init__(self, name: str, connection: Any, **options: Any) -> None:
        super().__init__(name, connection, **{**options, "job_class": Job, "serializer": JSONSerializer})


def workers_of(queue: Queue) -> list[Any]:
    """Return RQ's records of the workers of a queue."""
    return list(RqWorker.all(queue=queue, job_class=Job, queue_class=Queue, serializer=JSONSerializer))


def started(queue: Queue) -> StartedJobRegistry:
    """Return RQ's registry of a queue's running jobs."""
    return StartedJobRegistry(queue=queue, job_class=Job)


def clean(queue: Queue) -> None:
    """Retry the jobs of a queue whose worker is gone, or mark them as failed, as RQ does; remove invalid job ids."""
    registry = started(queue)
    for member in queue.connection.zrange(registry.key, 0, -1):
        if not _MEMBER.fullmatch(member):
            logger.error("RQ's list of running jobs has %.100r, which is no job: it is removed", member)
            queue.connection.zrem(registry.key, member)
    try:
        registry.cleanup()
    except _INVALID_DATA_ERRORS as error:
        logger.error("RQ's list of running jobs holds what RQ did not write: %s", error)


def clean_all(worker: Any) -> None:
    """Do RQ's maintenance for a worker, except for groups: RQ would unpickle their jobs, and this package has none."""
    for queue in worker.queues:
        clean(queue)
    try:
        worker.clean_registries()
    except _INVALID_DATA_ERRORS as error:
        logger.error("RQ's lists hold what RQ did not write: %s", error)
        worker.last_cleaned_at = datetime.now(UTC)


def _unreadable(job_id: str, error: Exception) -> NoSuchJobError:
    text = f"RQ's job {job_id[:200]!r} cannot be read and is left alone ({type(error).__name__})"
    logger.error("%s", text)
    return NoSuchJobError(text)


def _decompressed(data: bytes) -> bytes:
    """Return a job's content, decompressed if it is compressed. Raises ValueError if it exceeds MAX_CONTENT_BYTES."""
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(data, MAX_CONTENT_BYTES + 1)
    except zlib.error:
        content = data
    if len(content) > MAX_CONTENT_BYTES:
        raise ValueError(f"its content has more than {MAX_CONTENT_BYTES} bytes")
    return content
