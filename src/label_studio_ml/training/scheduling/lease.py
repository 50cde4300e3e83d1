"""The lease of one worker on a project: an expiring lock in Redis, so that only one worker trains the project."""

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import redis
from redis.lock import Lock
from rq import get_current_job

from label_studio_ml.errors import BackendError
from label_studio_ml.training.redis.redis_errors import raises_broker_errors

logger = logging.getLogger(__name__)

#: Fraction of the lease's duration between two renewals.
RENEWAL_FRACTION = 1 / 6


class LeaseLost(BackendError):
    """The lease expired or was taken: another worker may train the project."""

    code = "LSML-E640"


@raises_broker_errors
class Lease:
    """An expiring lock on a project, kept in Redis under `key` for `seconds` after each renewal.

    The stored value contains its duration, for workers with other durations (`scripts.IS_LEASED`). The holder measures
    the time itself as well, so that it knows when the lease may have expired while Redis is unreachable.
    """

    def __init__(self, connection: Any, key: str, seconds: float) -> None:
        self.seconds = seconds
        self._until = 0.0
        self._lock = Lock(connection, key, timeout=seconds, blocking=False, thread_local=False)
        self._job = get_current_job()  # RQ knows the current job in this thread only

    def acquire(self) -> bool:
        """Acquire the lease; return False if another worker holds it. Raises BrokerError."""
        requested_at = time.monotonic()
        token = f"{secrets.token_hex(16)}:{max(1, round(1000 * self.seconds))}"
        acquired = bool(self._lock.acquire(token=token))
        self._until = requested_at + self.seconds if acquired else 0.0
        return acquired

    def renew(self) -> bool:
        """Renew the lease; return False if Redis fails. Raises LeaseLost if it has expired or another worker has it."""
        requested_at = time.monotonic()
        try:
            seconds: Any = self.seconds  # redis-py accepts floats, but older versions declare int
            self._lock.extend(seconds, replace_ttl=True)
            if self._job is not None:
                self._job.heartbeat(datetime.now(UTC), 120)
        except redis.exceptions.LockError as error:
            raise LeaseLost(
                f"the lease on the project was lost ({error}); another worker trains it"
            ) from error
        except redis.RedisError as error:
            # Redis is unreachable: the lease stays valid until it expires.
            logger.warning("The lease cannot be renewed: %s", error)
            return False
        self._until = requested_at + self.seconds
        return True

    def check(self) -> None:
        """Raise LeaseLost if the lease was not renewed in time, so that another worker may have it."""
        if time.monotonic() >= self._until:
            raise LeaseLost(
                "the lease on the project expired while Redis was unavailable; another worker trains it"
            )

    @contextlib.contextmanager
    def renewing(self) -> Iterator[Callable[[], None]]:
        """Renew the lease in a thread during the block; yield a function that raises LeaseLost if it may be lost.

        For steps that may take longer than the lease, such as transfers to a slow or unreachable store.
        """
        done, lost = threading.Event(), list[LeaseLost]()

        def renew() -> None:
            while not done.wait(self.seconds * RENEWAL_FRACTION):
                try:
                    self.renew()
                except LeaseLost as error:
                    lost.append(error)
                    return

        def check() -> None:
            if lost:
                raise lost[0]
            self.check()

        thread = threading.Thread(target=renew, daemon=True, name="lease")
        thread.start()
        try:
            yield check
        finally:
            done.set()
            thread.join()

    def release(self) -> None:
        """Release the lease if this worker still holds it. Best effort: errors of Redis are ignored."""
        with contextlib.suppress(redis.RedisError):
            self._lock.release()
