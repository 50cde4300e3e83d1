"""The server's event intake: store webhook events in Redis, or in the spool on the disk while Redis is unavailable.

The calls are short but block, so the server makes them in a thread. Label Studio waits one second for the answer to a
webhook, and Redis gets a small part of that time. An event that Redis has not stored by then is written to the spool
and delivered later with the same token, so that it counts once, whatever the result of the first try was.
"""

import contextlib
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BrokerError
from label_studio_ml.monitoring.prometheus import SpoolFigures, Training
from label_studio_ml.protocol.requests import Event
from label_studio_ml.protocol.webhook_actions import START_TRAINING
from label_studio_ml.storage.retries import retry
from label_studio_ml.training.intake.event_storage import BUDGET, EventStorage, storable
from label_studio_ml.training.intake.job_store_connection import JobStoreConnection, keep_claim_renewed
from label_studio_ml.training.intake.spool import Spool
from label_studio_ml.training.intake.spool_capacity import Spooled
from label_studio_ml.training.records import job_views
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.training_figures import figures
from label_studio_ml.training.redis.queue_owner import ForeignQueue
from label_studio_ml.training.scheduling.cancellation import request_cancel
from label_studio_ml.training.scheduling.stalled import Stall, StallWatch
from label_studio_ml.versions.state.project_state import Project, Projects

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that other calls wait for a starting broker, for a connection, and for an answer.
BROKER_TIMEOUT, CONNECT_TIMEOUT, ANSWER_TIMEOUT = 0.8, 1.0, 2.0
#: Seconds that a spooled training request waits for the id of its job, while Redis is slow.
JOB_ID_TIMEOUT = 1.0
#: Seconds without a stored event after which Redis counts as unavailable: `hand_in` then waits for no job's id.
OUTAGE_AFTER = 5.0
#: Seconds between two tries of a webhook within its budget.
RETRY_INTERVAL = 0.03
#: Seconds after a failed try during which events without login go directly to the spool: each would wait for `BUDGET`,
#: and delay events with login.
UNTRUSTED_PAUSE = 1.0
#: Number of threads that store events, and of locks that keep the events of one project in order.
STORE_THREADS, PROJECT_LOCKS = 8, 64


class RedisIntake:
    """Event intake that stores events in Redis. `url` returns the broker's URL; its argument is a time-out in seconds.

    While Redis is unavailable, events are kept in the folder `spool` and delivered later. With `projects`, the
    description of an event's project is stored too, because the worker may run on another machine.
    """

    immediate = False

    def __init__(
        self, url: Callable[[float], str], settings: Settings, spool: Path, projects: Projects | None = None
    ) -> None:
        self._storage = EventStorage(projects)
        #: Says in messages which Redis it is, for people who have set up none.
        self._which = "" if settings.redis_url else " (the backend's own Redis, as REDIS_URL is not set)"
        self._spool = Spool(
            spool, self._deliver, events=settings.spool_events, max_bytes=settings.spool_bytes
        )
        server = secrets.token_hex(8)
        self._background = JobStoreConnection(
            url,
            settings,
            timeouts=(CONNECT_TIMEOUT, ANSWER_TIMEOUT),
            tries=2,
            url_timeout=BROKER_TIMEOUT,
            server=server,
        )
        self._webhooks = JobStoreConnection(
            url, settings, timeouts=(BUDGET, BUDGET), tries=1, url_timeout=BUDGET, server=server
        )
        self._project_locks = [threading.Lock() for _ in range(PROJECT_LOCKS)]
        self._executor = ThreadPoolExecutor(STORE_THREADS, "hand-in")
        self._stopping = threading.Event()
        self._stalls = StallWatch(self.job_store)
        #: Monotonic time since which Redis has stored no event, None while it works.
        self._outage_since: float | None = None
        #: Monotonic time of the last failed try to store an event.
        self._failed_at = -math.inf

    @classmethod
    def of(cls, settings: Settings, url: Callable[[float], str]) -> "RedisIntake":
        """Return the event intake for these settings."""
        projects = Projects(settings.model_dir) if settings.store_url else None
        return cls(url, settings, settings.model_dir / "spool", projects)

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Store an event; return the id of the job that will process it.

        `trusted` tells whether the event has the required login, `train` whether it starts a training. Returns None if
        it starts none, or if the event is in the spool and its job is not known yet. Raises BrokerError if neither
        Redis nor the disk takes the event, and BodyTooLarge for a training request above LARGE.
        """
        deadline = time.monotonic() + BUDGET
        spooled = storable(event, trusted=trusted, train=train)
        if spooled is None:
            return None
        with self._project_locks[
            hash(event.uid) % PROJECT_LOCKS
        ]:  # each holder keeps the lock for its BUDGET at most
            if self._tries_redis(trusted=trusted):
                try:
                    job = self._call_within(spooled, deadline, self._store_with_retries)
                except BrokerError as error:
                    log = logger.warning if self._outage_since is None else logger.debug
                    log("%s%s; events are kept on the disk", error, self._which)
                    self._failed_at = time.monotonic()
                    self._outage_since = self._outage_since or self._failed_at
                else:
                    self._outage_since = None
                    self._failed_at = -math.inf
                    return job
            name = self._spool.reserve()
        self._spool.keep(spooled, name)
        if event.action != START_TRAINING or self._is_outage():
            return None
        return self._job_of(spooled.token)

    def _is_outage(self) -> bool:
        """Tell whether Redis has stored no event for longer than OUTAGE_AFTER."""
        outage_since = self._outage_since
        return outage_since is not None and time.monotonic() - outage_since > OUTAGE_AFTER

    def simulate_hand_in(self, event: Event) -> None:
        """Do nothing with an event without login, but take as long and raise the same errors as `hand_in` would.

        So callers without login cannot tell whether a project is known.
        """
        deadline = time.monotonic() + BUDGET
        spooled = storable(event, trusted=False, train=True)
        if spooled is None:
            return
        with self._project_locks[hash(event.uid) % PROJECT_LOCKS]:
            if self._tries_redis(trusted=False):
                try:
                    self._call_within(spooled, deadline, self._make_stand_in_call)
                except BrokerError as error:
                    logger.debug("%s", error)
                    self._failed_at = time.monotonic()
                else:
                    return
        self._spool.capacity.check()

    def _tries_redis(self, *, trusted: bool) -> bool:
        """Tell whether to try Redis for an event: not while the spool has events, which keeps events in order."""
        return self._spool.empty() and (trusted or time.monotonic() - self._failed_at > UNTRUSTED_PAUSE)

    def _make_stand_in_call(self, spooled: Spooled, deadline: float) -> None:
        """Make a call to Redis that finds nothing, as a stand-in for storing an event."""
        self._webhooks.get().job_of(spooled.token)

    def _job_of(self, token: str) -> str | None:
        """Return the job of a spooled event once it is in Redis, None if that takes longer than JOB_ID_TIMEOUT."""
        deadline = time.monotonic() + JOB_ID_TIMEOUT
        while time.monotonic() < deadline and not self._stopping.wait(RETRY_INTERVAL):
            with contextlib.suppress(BrokerError):
                if job := self._webhooks.get().job_of(token):
                    return job
        return None

    def _call_within(self, spooled: Spooled, deadline: float, call: Callable[[Spooled, float], T]) -> T:
        """Run `call` in a thread and return its result. Raises BrokerError if it has not returned by `deadline`."""
        try:
            future = self._executor.submit(call, spooled, deadline)
            return future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            future.cancel()
            raise BrokerError(f"Redis has not answered within {BUDGET:g} s") from None
        except (CancelledError, RuntimeError):  # the server or the interpreter is ending
            raise BrokerError("The backend is shutting down") from None

    def _store_with_retries(self, spooled: Spooled, deadline: float) -> str | None:
        """Store an event, with retries until `deadline`, because Redis may be starting. Raises BrokerError."""
        seconds = deadline - time.monotonic()
        return retry(
            lambda: self._store(spooled, self._webhooks, deadline),
            on=BrokerError,
            seconds=seconds,
            first=RETRY_INTERVAL,
        )

    def _deliver(self, spooled: Spooled) -> None:
        """Store an event from the spool in Redis. Raises BrokerError."""
        self._store(spooled, self._background)
        self._outage_since = None

    def start(self) -> None:
        """Start the threads that deliver spooled events of an earlier server, claim the queue and watch for stalls.

        Logs a warning if the spool cannot keep events.
        """
        if problem := self._spool.problem:
            logger.warning("%s", problem)
        if self._spool.events:
            self._spool.start()
        claims = (self._background, self._webhooks, self._stopping)
        threading.Thread(target=keep_claim_renewed, args=claims, daemon=True, name="queue").start()
        self._stalls.start(self._stopping)

    def stop(self) -> None:
        """Stop the threads and release the queue; spooled events stay on the disk."""
        self._stopping.set()
        self._spool.stop()
        self._background.end()
        self._webhooks.release()
        self._executor.shutdown(wait=False, cancel_futures=True)

    @property
    def stall(self) -> Stall | None:
        """The projects whose events have waited for too long, None if there are none."""
        return self._stalls.stall

    @property
    def spool(self) -> SpoolFigures:
        """The figures of this server's spool."""
        capacity = self._spool.capacity
        return SpoolFigures(self._spool.events, capacity.size, self._spool.kept, capacity.refused)

    @property
    def spool_problem(self) -> str:
        """Why the spool takes no more events, empty if it does."""
        return self._spool.problem

    def figures(self) -> Training | None:
        """Return the training figures for the metrics. Raises BrokerError."""
        return figures(self.job_store())

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record with the last lines of its log, None if there is none. Raises BrokerError."""
        return job_views.job(self.job_store(), job_id)

    def jobs(self, uid: str, limit: int) -> list[dict[str, Any]]:
        """Return the project's job records, newest first, at most `limit` of them. Raises BrokerError."""
        return job_views.jobs(self.job_store(), uid, limit)

    def reprediction(self, uid: str) -> dict[str, Any] | None:
        """Return the progress of a project's re-prediction, None if there was none. Raises BrokerError."""
        return job_views.reprediction(self.job_store(), uid)

    def job_log(self, job_id: str, after: int) -> dict[str, Any] | None:
        """Return the lines of a job's log from number `after` on, None if there is no such job. Raises BrokerError."""
        return job_views.log(self.job_store(), job_id, after)

    def job_metrics(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's metrics over time, None if there is no such job. Raises BrokerError."""
        return job_views.metrics(self.job_store(), job_id)

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Request a job's cancellation, and return its record. Raises UnknownJob, JobEnded and BrokerError."""
        return job_views.describe(request_cancel(self.job_store(), job_id))

    def running_job(self, uid: str) -> str | None:
        """Return the id of the project's newest job that runs or waits only for a worker, None if there is none.

        Raises BrokerError.
        """
        return next(
            (job.id for job in self.job_store().jobs.of(uid) if job.running and not job.postponed),
            None,
        )

    def forget(self, uid: str) -> None:
        """Remove a project's jobs and events from Redis. Raises BrokerError, and ProjectBusy while it is predicted."""
        self.job_store().forget(uid)

    def described(self, uid: str) -> Project | None:
        """Return the description of a project that any server has stored, None if there is none. Raises BrokerError."""
        return self.job_store().descriptions.get(uid)

    def titles(self) -> dict[str, str]:
        """Return the titles of the projects that any server has described, by uid. Raises BrokerError."""
        return self.job_store().descriptions.titles()

    def describe(self, project: Project) -> None:
        """Store the description of a project from `/setup` for all servers and workers. Raises BrokerError."""
        self.job_store().descriptions.store(project, setup=True)

    def job_store(self) -> JobStore:
        """Return the job records, for calls that may take seconds. Raises BrokerError."""
        return self._background.get()

    def _store(
        self, spooled: Spooled, connection: JobStoreConnection, deadline: float = math.inf
    ) -> str | None:
        """Call `EventStorage.store`. If the queue was taken, the next call determines the backend's queue again."""
        job_store = connection.get()
        try:
            return self._storage.store(job_store, spooled, deadline)
        except ForeignQueue:
            self._webhooks.drop()
            self._background.drop()
            raise
