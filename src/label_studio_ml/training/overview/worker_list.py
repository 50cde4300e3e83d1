"""The training workers of a backend, on all machines, as RQ lists them in Redis."""

import msgspec

from label_studio_ml.support.texts import whole_number
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import broker_errors

#: The fields of RQ's record of a worker that are read.
_FIELDS = ("hostname", "pid", "state", "current_job", "birth", "last_heartbeat")


class WorkerReport(msgspec.Struct, frozen=True):
    """A worker: `state` is RQ's word, such as "idle" or "busy"; `job` is the id of the job that it runs, if any.

    `started` and `heard` are the times of its start and of its last heartbeat, ISO 8601 in UTC.
    """

    name: str
    host: str
    pid: int
    state: str
    job: str = ""
    started: str = ""
    heard: str = ""


@broker_errors()
def workers(job_store: JobStore) -> list[WorkerReport]:
    """Return the workers whose records have not expired, sorted by host and process. Raises BrokerError."""
    listed = sorted(job_store.redis.smembers(job_store.keys.workers))
    with job_store.redis.pipeline(transaction=False) as pipe:
        for key in listed:
            pipe.hmget(key, _FIELDS)
        records = pipe.execute(raise_on_error=False)
    found = [
        _report(key, record)
        for key, record in zip(listed, records, strict=True)
        if isinstance(record, list) and record[_FIELDS.index("birth")] is not None
    ]
    return sorted(found, key=lambda worker: (worker.host, worker.pid, worker.name))


def _report(key: bytes, record: list[bytes | None]) -> WorkerReport:
    host, pid, state, job, started, heard = (
        value.decode(errors="replace") if value is not None else "" for value in record
    )
    return WorkerReport(
        name=key.decode(errors="replace").rpartition(":")[2],
        host=host,
        pid=whole_number(pid) or 0,
        state=state,
        job=job,
        started=started,
        heard=heard,
    )
