"""A server's access to the job records: connect on demand, determine the backend's queue, and renew the claim on it."""

import logging
import threading
import time
from collections.abc import Callable

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_store_access import (
    claim_of,
    log_leftover_events,
    open_job_store,
    release,
)
from label_studio_ml.training.redis.queue_owner import Claim, ForeignQueue
from label_studio_ml.training.redis.redis_client import connect

logger = logging.getLogger(__name__)

#: Seconds after which a call of `get` renews the claim on the queue.
CLAIM_RENEWAL = 5.0
#: Seconds between two tries to determine the backend's queue, and between two calls of `get` without events.
RETRY_INTERVAL, CHECK_INTERVAL = 1.0, 15.0


class JobStoreConnection:
    """Job records on connections with the time-outs `timeouts` (to connect, to answer) in seconds.

    `url` returns the broker's URL, with the time-out `url_timeout` in seconds as its argument. `tries` is the number of
    connection attempts. `server` is the id of the server process. Safe to use from several threads.
    """

    def __init__(
        self,
        url: Callable[[float], str],
        settings: Settings,
        *,
        timeouts: tuple[float, float],
        tries: int,
        url_timeout: float,
        server: str = "",
    ) -> None:
        #: Whether the Redis may have queues of other backends.
        self.shared = bool(settings.redis_url)
        self._url = url
        self._settings = settings
        self._timeouts, self._tries, self._url_timeout = timeouts, tries, url_timeout
        self._lock = threading.Lock()
        self._job_store: JobStore | None = None
        self._job_store_url = ""
        self._claim: Claim | None = None
        self._server = server
        self._ended = False
        self._claimed_at = 0.0

    def get(self) -> JobStore:
        """Return the job records; connect if necessary, and renew the claim if that is due.

        Raises BrokerError, also after `end`, and ForeignQueue if the queue belongs to another backend now.
        """
        url = self._url(self._url_timeout)
        with self._lock:
            if self._ended:
                raise _shutting_down()
            if self._job_store is None or url != self._job_store_url:
                self._job_store = self._open(url)
                self._job_store_url = url
            elif self._claim is not None and time.monotonic() - self._claimed_at > CLAIM_RENEWAL:
                self._renew_claim(self._claim, self._job_store)
            if self._ended:  # `end` was called meanwhile: the claim may have been renewed after its release
                self._release()
                raise _shutting_down()
            return self._job_store

    def drop(self) -> None:
        """Forget the backend's queue, so that the next call of `get` determines it again."""
        with self._lock:
            self._job_store = None

    def end(self) -> None:
        """Make `get` raise from now on. A call of `get` in progress is not awaited; it releases the queue itself."""
        self._ended = True

    def release(self) -> None:
        """Release the queue if this server has claimed it, and make `get` raise from now on. Errors are ignored."""
        self.end()
        with self._lock:
            self._release()

    def log_leftover_events(self) -> None:
        """Log the events on queues that this backend does not use but may own. Raises BrokerError."""
        log_leftover_events(self.get())

    def _open(self, url: str) -> JobStore:
        embedded = not self.shared
        connection = connect(url, timeouts=self._timeouts, tries=self._tries)
        job_store = open_job_store(connection, self._settings, embedded=embedded, server=self._server)
        self._claim = None if embedded else claim_of(self._settings, self._server)
        self._claimed_at = time.monotonic()
        return job_store

    def _release(self) -> None:
        if self._job_store is not None and self._claim is not None:
            release(self._job_store, self._claim)

    def _renew_claim(self, claim: Claim, job_store: JobStore) -> None:
        new_owner = claim.take(job_store.redis, job_store.keys.queue)
        self._claimed_at = time.monotonic()
        if new_owner is not None:
            self._job_store = None
            raise ForeignQueue(
                f"The queue {job_store.keys.queue} belongs to another backend now ({new_owner})"
            )


def keep_claim_renewed(
    background: JobStoreConnection, webhooks: JobStoreConnection, stopping: threading.Event
) -> None:
    """Determine the backend's queue as soon as Redis is available; in a shared Redis, keep renewing the claim.

    `background` and `webhooks` are the connections of both kinds of calls. Returns when there is no more to do, or
    after `stopping` is set.
    """
    problem, reported = "", False
    while not stopping.is_set():
        try:
            if not reported:
                background.log_leftover_events()
                reported = True
            background.get()
            webhooks.get()
        except BrokerError as error:
            if str(error) != problem:
                logger.debug("The queue is not known yet: %s", error)
                problem = str(error)
            stopping.wait(RETRY_INTERVAL)
        except Exception:  # this thread must go on: no other one renews the claim of an idle server
            logger.exception("The claim on the queue could not be renewed")
            stopping.wait(CHECK_INTERVAL)
        else:
            if not background.shared:
                return
            stopping.wait(CHECK_INTERVAL)


def _shutting_down() -> BrokerError:
    return BrokerError("The backend is shutting down")
