"""The hold of one worker on a project: nobody else trains it meanwhile."""

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

logger = logging.getLogger(__name__)

#: Part of the lease's life between two renewals.
RENEW = 1 / 6


class LeaseLost(BackendError):
    """Another worker may have taken the project over."""


class Lease:
    """An expiring hold on a project, kept in Redis under `key` for `seconds` after each renewal.

    Its value says how long it lives, for workers whose leases live longer or shorter (`scripts.HELD`).
    The holder counts those seconds, too: cut off from Redis, it knows when it may have lost the project.
    """

    def __init__(self, connection: Any, key: str, seconds: float) -> None:
        self.seconds = seconds
        self._until = 0.0
        self._lock = Lock(connection, key, timeout=seconds, blocking=False, thread_local=False)
        self._job = get_current_job()  # asked here: another thread has none

    def take(self) -> bool:
        """Take the project; return False if somebody else holds it."""
        asked = time.monotonic()
        token = f"{secrets.token_hex(16)}:{max(1, round(1000 * self.seconds))}"
        taken = bool(self._lock.acquire(token=token))
        self._until = asked + self.seconds if taken else 0.0
        return taken

    def renew(self) -> bool:
        """Keep the lease; tell whether Redis took it. Raises LeaseLost if it is somebody else's by now."""
        asked = time.monotonic()
        try:
            seconds: Any = self.seconds  # redis-py takes fractions, older versions' types say it does not
            self._lock.extend(seconds, replace_ttl=True)
            if self._job is not None:
                self._job.heartbeat(datetime.now(UTC), 120)
        except redis.exceptions.LockError as error:
            raise LeaseLost(
                f"the lease on the project was lost ({error}); another worker trains it"
            ) from error
        except redis.RedisError as error:
            # Redis is away: the lease runs on without us until it expires.
            logger.warning("The lease cannot be renewed: %s", error)
            return False
        self._until = asked + self.seconds
        return True

    def check(self) -> None:
        """Raise LeaseLost if the lease was not renewed in time, and may be somebody else's by now."""
        if time.monotonic() >= self._until:
            raise LeaseLost("the lease on the project ran out while Redis was away; another worker trains it")

    @contextlib.contextmanager
    def kept(self) -> Iterator[Callable[[], None]]:
        """Renew the lease in a thread while the block runs; yield what raises LeaseLost when it may be lost.

        For what may take longer than the lease: a store that is slow or away.
        """
        done, lost = threading.Event(), list[LeaseLost]()

        def renew() -> None:
            while not done.wait(self.seconds * RENEW):
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
        """Let the project go, if we still hold it."""
        with contextlib.suppress(redis.RedisError):
            self._lock.release()
