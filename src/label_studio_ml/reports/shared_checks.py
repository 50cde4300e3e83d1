"""The findings of `doctor` that the servers of a backend share, so that one run serves all viewers of all servers."""

from collections.abc import Callable
from typing import Any

import msgspec

from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import raises_broker_errors

#: Seconds after which findings are forgotten, and after which a run that has not ended is given up.
LIFETIME, LONGEST_RUN = 3600, 120


class Finding(msgspec.Struct, frozen=True):
    """The result of a check: `status` is "ok", "warn", "fail" or "skip"; `project` is the id of the checked project."""

    name: str
    status: str
    what: str
    fix: str = ""
    project: str = ""


class Checks(msgspec.Struct, frozen=True):
    """The findings of one run that ended at the Unix time `at` on `host`; `error` says why there are none."""

    at: float = 0.0
    host: str = ""
    findings: tuple[Finding, ...] = ()
    error: str = ""


@raises_broker_errors
class SharedChecks:
    """The last findings. `job_store` returns the job records; every method blocks, and raises BrokerError."""

    def __init__(self, job_store: Callable[[], JobStore]) -> None:
        self._job_store = job_store

    def read(self) -> Checks | None:
        """Return the last findings, None if there are none."""
        job_store = self._job_store()
        text: Any = job_store.redis.get(job_store.keys.checks)
        if not text:
            return None
        try:
            return msgspec.json.decode(text, type=Checks)
        except msgspec.MsgspecError:  # of another release
            return None

    def claim(self, server: str) -> bool:
        """Claim the next run for a server, and return whether it may begin: not while another one runs."""
        job_store = self._job_store()
        return bool(job_store.redis.set(job_store.keys.checking, server, nx=True, ex=LONGEST_RUN))

    def store(self, checks: Checks) -> None:
        """Store the findings of a run, and release its claim."""
        job_store = self._job_store()
        with job_store.redis.pipeline(transaction=True) as pipe:
            pipe.set(job_store.keys.checks, msgspec.json.encode(checks), ex=LIFETIME)
            pipe.delete(job_store.keys.checking)
            pipe.execute()


class OwnChecks:
    """The findings of a server without Redis; has the methods of `SharedChecks`."""

    def __init__(self) -> None:
        self._checks: Checks | None = None
        self._running = False

    def read(self) -> Checks | None:
        """Return the last findings, None if there are none."""
        return self._checks

    def claim(self, server: str) -> bool:
        """Return whether the next run may begin: not while one runs."""
        was_running, self._running = self._running, True
        return not was_running

    def store(self, checks: Checks) -> None:
        """Store the findings of a run."""
        self._checks, self._running = checks, False
