"""The last report of `label-studio-ml value` on each project, in Redis, so that every server can show it."""

from collections.abc import Callable

from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import raises_broker_errors

#: Seconds that a report is kept.
REPORT_TTL = 90 * 24 * 3600


@raises_broker_errors
class ValueReports:
    """Reports as JSON. `job_store` returns the access to the backend's keys. Methods raise BrokerError."""

    def __init__(self, job_store: Callable[[], JobStore]) -> None:
        self._job_store = job_store

    def put(self, uid: str, report: bytes) -> None:
        """Store the report on a project in place of the one before."""
        job_store = self._job_store()
        job_store.redis.set(job_store.keys.value_report(uid), report, ex=REPORT_TTL)

    def get(self, uid: str) -> bytes | None:
        """Return the report on a project, None if there is none."""
        job_store = self._job_store()
        report: bytes | None = job_store.redis.get(job_store.keys.value_report(uid))
        return report
