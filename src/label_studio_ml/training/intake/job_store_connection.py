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
    open_job_store,
    release,
    say_left_behind,
)
from label_studio_ml.training.redis.queue_owner import Claim, ForeignQueue
from label_studio_ml.training.redis.redis_client import connect

logger = logging.getLogger(__name__)

#: Seconds after which a call of `get` renews the claim on the queue.
AGAIN = 5.0
#: Seconds between two tries to determine the backend's queue, and between two calls of `get` without events.
RETRY, IDLE = 1.0, 15.0


class JobStoreConnection:
    """Job records on connections with the time-outs `patience` (to connect, to answer) in seconds.

    `url` returns the broker's URL, with a time-out in seconds as its argument; `wait` is that time-out. `tries` is the
    number of connection attempts. `server` is the id of the server process. Safe to use from several threads.
    """

    def __init__(
        self,
        url: Callable[[float], str],
        settings: Settings,
        *,
        patience: tuple[float, float],
        tries: int,
        wait: float,
        server: str = "",
    ) -> None:
        #: Whether the Redis may have queues of other backends.
        self.shared = bool(settings.redis_url)
        self._url = url
        self._settings = settings
        self._patience, self._tries, self._wait = patience, tries, wait
        self._lock = threading.Lock()
        self._job_store: JobStore | None = None
        self._job_store_url = ""
        self._claim: Claim | None = None
        self._server = server
        self._ended = False
        self._claimed = 0.0

    def get(self) -> JobStore:
        """Return the job records; connect if necessary, and renew the claim if that is due.

        Raises BrokerError, also after `end`, and ForeignQueue if the queue belongs to another backend now.
        """
        url = self._url(self._wait)
        with self._lock:
            if self._ended:
                raise _shutting_down()
            if self._job_store is None or url != self._job_store_url:
                self._job_store = self._open(url)
                self._job_store_url = url
            elif self._claim is not None and time.monotonic() - self._claimed > AGAIN:
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

    def say_left_behind(self) -> None:
        """Log the events on queues that this backend does not use but may own. Raises BrokerError."""
        say_left_behind(self.get())

    def _open(self, url: str) -> JobStore:
        embedded = not self.shared
        connection = connect(url, patience=self._patience, tries=self._tries)
        job_store = open_job_store(connection, self._settings, embedded=embedded, server=self._server)
        self._claim = None if embedded else claim_of(self._settings, self._server)
        self._claimed = time.monotonic()
        return job_store

    def _release(self) -> None:
        if self._job_store is not None and self._claim is not None:
            release(self._job_store, self._claim)

    def _renew_claim(self, claim: Claim, job_store: JobStore) -> None:
        other = claim.take(job_store.redis, job_store.keys.queue)
        self._claimed = time.monotonic()
        if other is not None:
            self._job_store = None
            raise ForeignQueue(f"The queue {job_store.keys.queue} has become another backend's ({other})")


def keep_claimed(patient: JobStoreConnection, quick: JobStoreConnection, stopping: threading.Event) -> None:
    """Determine the backend's queue as soon as Redis is available; in a shared Redis, keep renewing the claim.

    Returns when there is no more to do, or after `stopping` is set.
    """
    problem, reported = "", False
    while not stopping.is_set():
        try:
            if not reported:
                patient.say_left_behind()
                reported = True
            patient.get()
            quick.get()
        except BrokerError as error:
            if str(error) != problem:
                logger.debug("The queue is not known yet: %s", error)
                problem = str(error)
            stopping.wait(RETRY)
        except Exception:  # this thread must go on: no other one renews the claim of an idle server
            logger.exception("Looking for the queue failed")
            stopping.wait(IDLE)
        else:
            if not patient.shared:
                return
            stopping.wait(IDLE)


def _shutting_down() -> BrokerError:
    return BrokerError("The backend is shutting down")
