"""Prediction jobs that an idle worker runs: shards of `predict --shards`, and re-prediction after a training.

Trainings pre-empt them: the job stores the predictions already requested and goes back to the end of its queue.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import redis

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, BrokerError, SettingsError, VersionError
from label_studio_ml.projects.jobs.journal_copy import JournalCopy
from label_studio_ml.projects.jobs.preemption import GRACE, Preemption, in_background
from label_studio_ml.projects.jobs.repredict import Repredictor
from label_studio_ml.projects.jobs.shards import FUNCTION as SHARD
from label_studio_ml.projects.jobs.shards import Shard, ShardProgress
from label_studio_ml.projects.journal import Busy, Journal
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.projects.prediction_run import predict_project, project_of
from label_studio_ml.projects.project_api import project_api
from label_studio_ml.reports.worker_errors import WorkerErrors
from label_studio_ml.serving.offline_model import OfflineModel
from label_studio_ml.studio.transport.api_client import Interrupted
from label_studio_ml.support.texts import plural
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import FUNCTION as REPREDICT
from label_studio_ml.training.records.repredictions import Repredictions
from label_studio_ml.training.redis.redis_errors import broker_errors
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.project_state import Project, Projects
from label_studio_ml.versions.store.manifest import Manifest

if TYPE_CHECKING:
    from rq import Retry
    from rq.registry import StartedJobRegistry

    from label_studio_ml.training.redis.rq_jobs import Job, Runnable

logger = logging.getLogger(__name__)

#: Target duration of one model call in seconds: a training that waits for the worker waits for the call's end.
CALL_DURATION = 5.0
#: Seconds between two progress reports of a shard.
REPORT = 1.0
#: Number of retries for a pre-empted job: RQ needs a limit.
_UNLIMITED_RETRIES = 10**9


class PredictionWorker:
    """Runs the prediction jobs of one worker. The model stays in memory for the next job, until a training begins."""

    def __init__(self, settings: Settings) -> None:
        self._settings = replace(settings, model_workers=1)
        self._store = open_store(settings)
        self._runner = asyncio.Runner()
        self._model: OfflineModel | None = None
        self._built_for: object = None
        self._job_store: JobStore | None = None
        self._repredictions: Repredictions | None = None
        self._errors: WorkerErrors | None = None
        self._stopping = threading.Event()
        self._beat: Callable[[Any], None] = lambda job: None
        self.queue = ""
        self.functions = self._functions()
        self.life = max(2, round(settings.lease))

    def _functions(self) -> "dict[str, Runnable]":
        """Return the functions for jobs of the prediction queue, by the names that the jobs use."""
        from label_studio_ml.training.redis.rq_jobs import Runnable, one_text

        return {
            SHARD: Runnable(self.run_shard, Shard.is_only_argument),
            REPREDICT: Runnable(self.run_repredict, one_text),
        }

    def run_shard(self, fields: dict[str, Any]) -> "Retry | None":
        """Predict a shard: the function of the jobs SHARD. The result tells RQ to run the job again."""
        from rq import get_current_job

        return self._retry_unless(self.predict(msgspec.convert(fields, Shard), get_current_job()))

    def run_repredict(self, uid: str) -> "Retry | None":
        """Predict a project's tasks with the served version: the function of the jobs REPREDICT."""
        from rq import get_current_job

        return self._retry_unless(self.repredict(uid, get_current_job()))

    @staticmethod
    def _retry_unless(done: bool) -> "Retry | None":
        from rq import Retry

        return None if done else Retry(max=_UNLIMITED_RETRIES)

    # Interface for training.worker

    def begin(self, job_store: JobStore, stopping: threading.Event, beat: Callable[[Any], None]) -> None:
        """Connect to the worker. `beat(job)` marks a job as alive; `stopping` is set when the worker is to end."""
        self._job_store, self._stopping, self._beat = job_store, stopping, beat
        self._errors = WorkerErrors(job_store)
        job_store.on_failure = self._errors.after(job_store.on_failure)
        job_store.on_login = self._errors.after_login(job_store.on_login)
        self._repredictions = Repredictions(job_store) if self._settings.predict_after_training else None
        self.queue = job_store.keys.predictions

    @contextlib.contextmanager
    def observe_training(self, uid: str) -> Iterator[None]:
        """Make the project due for re-prediction if the training in this block publishes a version.

        Raises BrokerError.
        """
        if self._repredictions is not None:
            self._repredictions.note_served(self._store, uid)
        yield
        if self._repredictions is not None:
            self._repredictions.compare_served(self._store, uid)

    def make_room(self) -> None:
        """Close the model, which frees its memory."""
        if self._model is not None:
            self._runner.run(self._close_model())

    def sweep(self) -> None:
        """Restart shards whose workers are gone, and wake workers for projects that are due. Raises BrokerError."""
        from label_studio_ml.training.redis.rq_jobs import Queue, clean, started

        job_store = self._connected_job_store
        with broker_errors():
            # One worker at a time sweeps.
            if job_store.wake_ups.take_turn(job_store.keys.swept, self._settings.sweep):
                queue = Queue(self.queue, job_store.redis)
                self._shorten(started(queue))
                clean(queue)
                if self._repredictions is not None:
                    for uid in self._repredictions.projects():
                        self._repredictions.wake(uid)

    def _shorten(self, started: "StartedJobRegistry") -> None:
        """Limit each job's expiry to its worker's lease: expiries are too late after a clock was set back.

        The worker has stored the length of its lease in the job; without it, this worker's setting is used.
        """
        connection, now = self._connected_job_store.redis, time.time()
        for member, expiry in connection.zrange(started.key, 0, -1, withscores=True):
            if expiry <= now + 1:
                continue
            job_id = member.partition(b":")[0].decode(errors="replace")
            (job,) = started.job_class.fetch_many([job_id], connection)
            latest = now + (job.declared_life(self.life) if job is not None else self.life)
            if expiry > latest + 1:
                connection.zadd(started.key, {member: latest}, xx=True)

    def close(self) -> None:
        """End the model's process and the event loop."""
        self.make_room()
        self._runner.close()

    # Jobs

    def predict(self, shard: Shard, job: "Job") -> bool:
        """Predict a shard; return True when it needs no other run: it is done, or failed for good."""
        shard_progress = ShardProgress.of(job.meta) or ShardProgress(total=shard.tasks)
        shard_progress.error = ""
        preemption = Preemption(self._connected_job_store, self._stopping)
        logger.info("Project %s: shard %d, version %s", shard.uid, shard.number + 1, shard.version)
        with self._heartbeats(job):
            try:
                self._check_owner(shard)
                self._store_description(shard.uid)
                self._runner.run(
                    self._shard(shard, shard_progress, preemption, lambda: shard_progress.save(job))
                )
            except (Interrupted, BrokerError) as error:
                preemption.reason = preemption.reason or error.message
            except Busy:  # a worker whose lease expired still runs it
                preemption.reason = preemption.reason or "another worker runs it"
            except (BackendError, OSError) as error:
                shard_progress.error = str(error)
                if self._errors is not None:
                    self._errors.job(shard.uid, shard.version, error)
                logger.error("Project %s: shard %d: %s", shard.uid, shard.number + 1, error)
            if preemption.over() and not shard_progress.error:
                logger.info(
                    "Project %s: shard %d is continued later: %s",
                    shard.uid,
                    shard.number + 1,
                    preemption.reason,
                )
            if not shard_progress.error and not preemption.over():
                logger.info(
                    "Project %s: shard %d: predictions of %s are stored",
                    shard.uid,
                    shard.number + 1,
                    plural(shard_progress.written, "task"),
                )
            shard_progress.save(job)
            if not preemption.over() and not self._more_jobs_wait():
                self.make_room()
        return bool(shard_progress.error) or not preemption.over()

    def _check_owner(self, shard: Shard) -> None:
        """Raise SettingsError if a shard belongs to another backend or model class."""
        owner = self._connected_job_store.owner
        if owner is None or (
            shard.backend in ("", owner.id) and shard.model_class in ("", owner.model_class)
        ):
            return
        raise SettingsError(
            f"This shard is for another backend (class {shard.model_class}), not for {owner}",
            fix="Give each backend another RQ_QUEUE_NAME, or leave it out",
            field="RQ_QUEUE_NAME",
        )

    def repredict(self, uid: str, job: "Job") -> bool:
        """Predict a project's tasks with the served version; return whether the job needs no other run."""
        if self._repredictions is None:
            return True
        preemption = Preemption(self._connected_job_store, self._stopping)
        repredictor = Repredictor(
            self._settings, self._store, self._connected_job_store, self._built_model, self._errors
        )
        done = False
        with self._heartbeats(job), contextlib.suppress(Interrupted, BrokerError):
            self._store_description(uid)
            done = self._runner.run(repredictor.work(uid, preemption))
        if done and not self._more_jobs_wait():
            self.make_room()
        return done

    def _store_description(self, uid: str) -> None:
        """Copy what a server on another machine got from `/setup` of the project to this machine."""
        if (
            self._settings.store_url
            and (project := self._connected_job_store.descriptions.get(uid)) is not None
        ):
            Projects(self._settings.model_dir).put(project)

    async def _shard(
        self, shard: Shard, shard_progress: ShardProgress, preemption: Preemption, save: Callable[[], None]
    ) -> None:
        api = project_api(self._settings, shard.project)
        async with in_background(preemption.watch(api), api.stop):
            project = await asyncio.to_thread(project_of, api, self._settings)
            if project.uid != shard.uid:
                raise BackendError(
                    f"The worker's Label Studio has another project {shard.project}",
                    fix="Give the worker the LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY that the command has",
                    field="LABEL_STUDIO_URL",
                )
            model = await self._built_model(project, shard.version, shard.version_id)
            progress = Progress()

            async def save_regularly() -> None:
                while True:
                    await asyncio.sleep(REPORT)
                    shard_progress.update(progress)
                    await asyncio.to_thread(save)

            part = str(shard.number)
            journal_copy = JournalCopy(self._connected_job_store, shard.uid, shard.version, part)
            async with in_background(save_regularly()):
                report = await predict_project(
                    api,
                    project,
                    model,
                    self._settings,
                    progress,
                    conditions=shard.conditions,
                    until=preemption.over,
                    span=shard.span,
                    journal_of=partial(Journal, part=part, patience=GRACE, copy=journal_copy),
                )
            shard_progress.update(progress)
            shard_progress.removed += report.removed
            if self._errors is not None:
                self._errors.tasks(shard.uid, shard.version, progress.causes, progress.failed_tasks)

    async def _built_model(self, project: Project, version: str, version_id: str) -> OfflineModel:
        """Return the built model of a version. Raises VersionError if the version does not exist, and ModelError."""
        if self._model is None or self._built_for != (project, version_id):
            await self._close_model()
            manifest = await asyncio.to_thread(self._local_version, project.uid, version, version_id)
            self._model = OfflineModel(self._settings, project, manifest, call_duration=CALL_DURATION)
            self._built_for = (project, version_id)
        if (name := await self._model.start()) != version:
            raise VersionError(
                f"The model calls itself version {name}, not {version}",
                fix="Install the same model file on the machines of the worker and of the command",
            )
        return self._model

    def _local_version(self, uid: str, version: str, version_id: str) -> Manifest | None:
        """Return a version whose files are on this machine, None for the untrained model.

        Raises VersionError if it is gone, and StoreError.
        """
        if not version_id:
            return None
        for is_fetched in (False, True):
            if is_fetched:  # another machine may have trained
                self._store.synchronise(uid)
            for manifest in self._store.versions(uid):
                if manifest.id == version_id:
                    self._store.fetch(manifest)
                    return manifest
        raise VersionError(
            f"Version {version} is not in {self._settings.store_url or self._settings.model_dir} any more",
            fix="Run the command again with the version that is served now",
        )

    async def _close_model(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            await model.close()

    @property
    def _connected_job_store(self) -> JobStore:
        if self._job_store is None:
            raise BrokerError("The worker has not begun")
        return self._job_store

    def _more_jobs_wait(self) -> bool:
        """Return whether further prediction jobs wait; False if Redis fails."""
        from label_studio_ml.training.redis.rq_jobs import Queue

        with contextlib.suppress(redis.RedisError):
            return bool(Queue(self.queue, self._connected_job_store.redis).count)
        return False

    @contextlib.contextmanager
    def _heartbeats(self, job: "Job") -> Iterator[None]:
        """Mark the job as alive in a thread while the block runs."""
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(self.life / 6):
                with contextlib.suppress(redis.RedisError):
                    self._beat(job)

        thread = threading.Thread(target=beat, daemon=True, name="heartbeats")
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
