"""Access to a backend's job records, starting its embedded broker if the backend is not running."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from label_studio_ml.config.settings import Settings

if TYPE_CHECKING:
    from label_studio_ml.training.records.job_store import JobStore

#: Seconds to wait for the broker to start.
_BROKER_TIMEOUT = 40.0


@dataclass(frozen=True, slots=True)
class OpenJobStore:
    """A backend's job records.

    `alone` is True if this process runs the broker or the workers, because no other process on the model folder does;
    it is always False with REDIS_URL and without `work`.
    """

    job_store: "JobStore"
    alone: bool

    def idle(self) -> str:
        """Return why no process would run jobs: "No backend is running", "No worker is running", or "" if one does.

        Raises BrokerError.
        """
        from label_studio_ml.training.records.job_store_access import worker_count

        if self.alone:
            return "No backend is running"
        shared = self.job_store.owner is not None
        return "No worker is running" if shared and not worker_count(self.job_store) else ""


@contextlib.contextmanager
def opened_job_store(settings: Settings, *, work: bool = False) -> Iterator[OpenJobStore]:
    """Open the job records of a backend for the `with` block, starting its embedded broker if none runs.

    With `work`, workers are started, too, if no other process has them. Raises BrokerError when the broker does not
    start or cannot be reached.
    """
    from label_studio_ml.runtime.shared_services import SharedServices
    from label_studio_ml.training.records.job_store_access import open_job_store
    from label_studio_ml.training.redis.redis_client import connect

    if not work:
        settings = replace(settings, workers=0)
    services = SharedServices(settings, worker_delay=0, workers=work or not settings.redis_url)
    services.start()
    try:
        connection = connect(services.url(_BROKER_TIMEOUT))
        job_store = open_job_store(connection, settings, embedded=not settings.redis_url, claiming=work)
        yield OpenJobStore(job_store, services.owner)
        connection.close()
    finally:
        services.skip_grace()
        services.stop()
