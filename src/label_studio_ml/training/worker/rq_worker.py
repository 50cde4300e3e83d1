"""The training worker: takes wake-ups from RQ and trains one project at a time, or runs prediction jobs when idle."""

import logging
import os
import signal
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import redis
from rq import SimpleWorker
from rq.exceptions import DequeueTimeout, StopRequested
from rq.serializers import JSONSerializer

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.storage.retries import pause_after
from label_studio_ml.trackers.run_trackers import wait_for_trackers
from label_studio_ml.training.records.job_logs import JobLogs
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.job_store_access import (
    MAX_WORKER_TTL,
    Holder,
    limit_worker_ttls,
    log_leftover_events,
    log_servers_elsewhere,
    open_job_store,
    worker_name,
)
from label_studio_ml.training.redis.queue_owner import ForeignQueue
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.redis.redis_errors import broker_errors, explain, wait_for
from label_studio_ml.training.redis.rq_jobs import Job, Queue, Runnable, clean_all, one_text
from label_studio_ml.training.redis.wake_ups import TRAIN
from label_studio_ml.training.scheduling.failure_notices import Notices, send_notice
from label_studio_ml.training.scheduling.sweeper import sweep_forever
from label_studio_ml.training.worker.trainer import Trainer
from label_studio_ml.training.worker.worker_stop import WorkerStop

logger = logging.getLogger(__name__)

#: Seconds that a worker that ends waits for the trackers of its last run; they go on for a minute without it.
TRACKERS_TIMEOUT = 5.0
#: Time after which a killed worker no longer counts as running: in intervals of the sweeper, and at least in seconds.
_TTL_SWEEPS, _MIN_TTL = 6, 5

#: The state of this process's stop, set by signals and other threads.
stopping = WorkerStop()


class IdleJobs(Protocol):
    """The jobs of a second RQ queue, `queue`, which a worker runs while no training is due.

    A job whose worker sends no heartbeat for `life` seconds is started again.
    """

    queue: str
    life: int

    @property
    def functions(self) -> Mapping[str, Runnable]:
        """The functions that the jobs may name, by name."""

    def begin(self, job_store: JobStore, stopping: threading.Event, beat: Callable[[Any], None]) -> None:
        """Prepare for jobs. `stopping` is set when the worker is to end; `beat(job)` sends a heartbeat for a job."""

    def observe_training(self, uid: str) -> AbstractContextManager[None]:
        """Return a context manager whose block is the training of project `uid`."""

    def make_room(self) -> None:
        """Free memory for a training that begins."""

    def sweep(self) -> None:
        """Find jobs whose worker is gone. Called every few seconds in another thread. Raises BrokerError."""

    def close(self) -> None:
        """Stop the threads and processes that were started."""


#: Seconds that RQ waits for a job in one call to Redis; the answer that there is none may take 10 s longer.
DEQUEUE_TIMEOUT = 10
#: Seconds between two tries to reach Redis while it is unavailable: the first pause, and the longest one.
_MIN_PAUSE, _MAX_PAUSE = 0.5, 5.0


class Worker(SimpleWorker):  # type: ignore[misc]
    """An RQ worker that runs jobs in its own process; a training starts a child process.

    The worker ends at once on SIGINT, and on SIGTERM when the running training has ended or the grace period (see
    `WorkerStop`) is over. `functions` are those that jobs in Redis may name, besides those of `idle_jobs`; `holder` is
    the claim on the queue. `abandoned` tells whether the server that started the worker is gone; then it
    takes no job. `refused` is called after a job was refused. `max_ttl` is the longest time in seconds that RQ lists
    the worker without a heartbeat; the sweeper sends one more often than that.
    """

    functions: Mapping[str, Runnable] = {}
    idle_jobs: IdleJobs | None = None
    holder: Holder | None = None
    abandoned: Callable[[], bool] = staticmethod(lambda: False)
    refused: Callable[[], None] = staticmethod(lambda: None)
    max_ttl = MAX_WORKER_TTL

    @property
    def _stop_requested(self) -> bool:
        """Whether the worker is to stop. RQ's own loops check this attribute."""
        return stopping.requested

    @_stop_requested.setter
    def _stop_requested(self, value: bool) -> None:
        stopping.requested = stopping.requested or value

    def execute_job(self, job: Any, queue: Any) -> Any:
        """Run a job. A job that names an unknown function or is not JSON is removed instead.

        Raises StopRequested if the worker is to stop, and SystemExit if its queue belongs to another backend now; in
        both cases the job goes back to the queue first.
        """
        if stopping.requested or self.abandoned():
            queue.enqueue_job(job, at_front=True)
            raise StopRequested
        try:
            if self.holder is not None:
                self.holder.check()
        except ForeignQueue as error:  # the next worker determines the backend's queue again
            logger.error("%s", error)
            queue.enqueue_job(job, at_front=True)
            raise SystemExit(1) from None
        except BackendError as error:  # Redis is unavailable: RQ's next call fails too
            logger.warning("%s", error)
        idle_functions = self.idle_jobs.functions if self.idle_jobs is not None else {}
        if refusal := job.admit({**self.functions, **idle_functions}):
            logger.error("RQ's job %s on queue %s is refused and removed: %s", job.id, queue.name, refusal)
            job.remove()
            self.refused()
            return False
        if self.idle_jobs is not None and job.origin == self.idle_jobs.queue:
            job.declare_life(self.idle_jobs.life)
        return super().execute_job(job, queue)

    def get_heartbeat_ttl(self, job: Any) -> int:
        """Return the time in seconds after which RQ takes a job without a heartbeat for abandoned."""
        if self.idle_jobs is not None and job.origin == self.idle_jobs.queue:
            return self.idle_jobs.life
        return int(super().get_heartbeat_ttl(job))

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Set the expiry of RQ's record of this worker to `timeout` seconds, at most to `max_ttl`.

        RQ asks for 420 s when a job begins, for which time a killed worker would still be listed.
        """
        super().heartbeat(min(timeout or self.worker_ttl + 60, self.max_ttl), pipeline)

    def extend_ttl(self) -> None:
        """Set the expiry of RQ's record of this worker to `max_ttl`, if there is a record."""
        self.connection.expire(self.key, self.max_ttl)

    def subscribe(self) -> None:
        """Do nothing, so that RQ's commands are ignored: a training is cancelled through its record."""

    def run_maintenance_tasks(self) -> None:
        """Clean RQ's registries, but not its groups."""
        clean_all(self)

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        """Wait for a job and return it with its queue; return None when the worker is to stop.

        Connection errors are logged and retried. This replaces RQ's own loop, which can miss a signal: here, no job is
        taken from a queue before a check that the worker may go on.
        """
        failures = 0
        while not stopping.requested and not self.abandoned():
            try:
                if self.get_state() != "idle":
                    self.set_state("idle")
                self.heartbeat()
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                job = self._dequeue(timeout)
            except DequeueTimeout:
                failures = 0
            except UnicodeDecodeError:
                logger.error("A job's id in RQ's queue is no text: it is left out")
            except redis.exceptions.TimeoutError as error:
                logger.warning("%s", explain(error))
            except redis.exceptions.ConnectionError as error:
                failures += 1
                pause = pause_after(failures, first=_MIN_PAUSE, longest=_MAX_PAUSE)
                logger.warning("%s; trying again in %g s", explain(error), pause)
                stopping.begun.wait(pause)
            else:
                return job
        return None

    def _dequeue(self, timeout: int | None) -> Any:
        """Take a job from the queues. A signal during the wait raises SystemExit; see `WorkerStop`."""
        stopping.idle = True
        try:
            if stopping.requested:
                return None
            job_and_queue = self.queue_class.dequeue_any(
                self._ordered_queues,
                timeout,
                connection=self.connection,
                job_class=self.job_class,
                serializer=self.serializer,
                death_penalty_class=self.death_penalty_class,
            )
        finally:
            stopping.idle = False
        if job_and_queue is not None:
            job_and_queue[0].redis_server_version = self.get_redis_server_version()
        return job_and_queue

    def _install_signal_handlers(self) -> None:
        """Do nothing, so that the handlers that `work` has installed stay."""


def make_worker(url: str, *queues: str, name: str | None = None) -> Worker:
    """Return a worker for `queues` with a separate connection, because RQ changes the connection's time-outs."""
    connection = connect(url)
    return Worker(
        [Queue(queue, connection=connection) for queue in queues],
        name=name,
        connection=connection,
        job_class=Job,
        queue_class=Queue,
        serializer=JSONSerializer,
        worker_ttl=DEQUEUE_TIMEOUT + 15,
    )


class WorkerProcess:
    """The parts of one worker process: its claim on the queue, RQ's worker, the trainer, and the jobs for idle time.

    `reports_failures` means that a server reads the worker's output: then failed trainings are reported there
    (`notices`).
    """

    def __init__(
        self,
        settings: Settings,
        job_store: JobStore,
        idle_jobs: IdleJobs | None,
        *,
        reports_failures: bool,
        abandoned: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._job_store = job_store
        self._idle_jobs = idle_jobs
        self._holder = Holder(job_store, settings)
        queues = [job_store.keys.queue, *([job_store.keys.predictions] if idle_jobs is not None else [])]
        name = worker_name(job_store.owner, uuid.uuid4().hex)
        self._worker = make_worker(settings.redis_url, *queues, name=name)
        self._worker.max_ttl = max(_MIN_TTL, round(_TTL_SWEEPS * settings.sweep))
        notices = Notices(
            settings, stopping.begun, send_notice if reports_failures else lambda text, level: None
        )
        job_store.on_failure, job_store.on_login = notices.failed, notices.login
        make_room = idle_jobs.make_room if idle_jobs is not None else lambda: None
        self._trainer = Trainer(settings, job_store, stopping.interrupting, make_room=make_room)
        self._trainer.policies.forget()
        self._job_logs = JobLogs(settings.log_dir / "jobs", settings.keep_job_logs)
        self._worker.holder, self._worker.idle_jobs, self._worker.abandoned = (
            self._holder,
            idle_jobs,
            abandoned,
        )
        self._worker.functions = {TRAIN: Runnable(self.train, one_text)}
        self._worker.refused = self._trainer.postponed.set  # runs the sweeper: the events are still queued
        if idle_jobs is not None:
            idle_jobs.begin(job_store, stopping.begun, self._worker.maintain_heartbeats)

    def run(self) -> None:
        """Run jobs until the worker is told to stop."""
        job_store, settings, trainer = self._job_store, self._settings, self._trainer
        swept = (
            job_store,
            trainer.policies,
            settings.lease,
            settings.sweep,
            trainer.postponed,
            stopping.begun,
        )
        sweeper = threading.Thread(
            target=sweep_forever, args=(*swept, self.maintain), daemon=True, name="sweeper"
        )
        sweeper.start()
        logger.info("Worker %d waits for training jobs on queue %s", os.getpid(), job_store.keys.queue)
        try:
            self._worker.work(logging_level="WARNING")
        finally:
            self._holder.release()
            wait_for_trackers(TRACKERS_TIMEOUT)
            if self._idle_jobs is not None:
                self._idle_jobs.close()

    def train(self, uid: str) -> None:
        """Train project `uid`: the function of the jobs TRAIN. Backend and Redis errors are logged."""
        try:
            if not self._holder.accepts(uid):
                return
            with self._idle_jobs.observe_training(uid) if self._idle_jobs is not None else nullcontext():
                self._trainer.train(uid)
        except BackendError as error:
            logger.error("Project %s: %s", uid, error)
        except redis.RedisError as error:
            logger.error("Project %s: %s", uid, explain(error))

    def maintain(self) -> None:
        """Renew the claim and the worker's record, and clean up; called every few seconds in the sweeper's thread.

        If the queue belongs to another backend now, the worker ends: the next one determines the backend's queue again.
        Raises BrokerError.
        """
        try:
            self._holder.check()
        except ForeignQueue as error:
            logger.error("%s", error)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        with broker_errors():
            self._worker.extend_ttl()
        limit_worker_ttls(self._job_store)
        self._job_logs.clear_regularly(self._job_store)
        if self._idle_jobs is not None:
            self._idle_jobs.sweep()


def work(
    settings: Settings,
    idle_jobs: IdleJobs | None = None,
    *,
    embedded: bool = False,
    reports_failures: bool = False,
    abandoned: Callable[[], bool] = lambda: False,
) -> None:
    """Run one worker until SIGTERM or SIGINT, or until `abandoned` returns True because its server is gone.

    `embedded` tells whether the broker is the backend's own, `reports_failures` whether a server reads the
    worker's output.
    """
    logging.getLogger("rq").setLevel(logging.WARNING)
    stopping.grace = settings.grace
    stopping.install()
    connection = connect(settings.redis_url)
    if not wait_for(connection, stopping.begun):
        return
    job_store = _job_store(connection, settings, embedded=embedded)
    if job_store is not None:
        WorkerProcess(
            settings, job_store, idle_jobs, reports_failures=reports_failures, abandoned=abandoned
        ).run()


def _job_store(connection: Any, settings: Settings, *, embedded: bool) -> JobStore | None:
    """Return this backend's job records; retry until its queue can be determined. None if told to stop meanwhile."""
    message = ""
    while not stopping.begun.is_set():
        try:
            job_store = open_job_store(connection, settings, embedded=embedded)
        except BackendError as error:
            if str(error) != message:
                message = str(error)
                logger.error("%s", message)
            stopping.begun.wait(2.0)
        else:
            log_leftover_events(job_store)
            log_servers_elsewhere(job_store)
            return job_store
    return None
