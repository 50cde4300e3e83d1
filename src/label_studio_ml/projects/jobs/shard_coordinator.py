"""Coordinate a project's prediction over several workers: enqueue its shards, monitor them, add up their results."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from label_studio_ml.errors import BrokerError, SettingsError
from label_studio_ml.projects.jobs.journal_copy import JournalCopy
from label_studio_ml.projects.jobs.shards import FUNCTION, MAX_STARTS, Run, Shard, ShardProgress, split
from label_studio_ml.projects.journal import Journal
from label_studio_ml.projects.pipeline import MAX_CAUSES, Progress
from label_studio_ml.projects.prediction_run import Report, UnpredictedTasks
from label_studio_ml.projects.prediction_store import PredictionStore
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.support.texts import plural
from label_studio_ml.training.records.job_record import new_job_id
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_errors import raises_broker_errors
from label_studio_ml.versions.state.project_state import Project

if TYPE_CHECKING:
    from label_studio_ml.training.redis.rq_jobs import Job

#: Seconds between two checks of the shards, and checks after which a job that is in no queue counts as lost.
CHECK_INTERVAL = 0.5
MAX_MISSED_CHECKS = 4
#: Seconds to wait until another run releases the journal.
JOURNAL_WAIT = 60.0
#: Seconds for which RQ keeps a shard's job after its end.
JOB_LIFE = 7 * 24 * 3600
#: RQ's states of jobs that have not ended.
_UNFINISHED_STATES = ("queued", "started", "scheduled", "deferred")


@raises_broker_errors
class ShardCoordinator:
    """Coordinates the shards of one project for one command. `notify` is called with messages for the user."""

    def __init__(
        self,
        job_store: JobStore,
        api: ProjectApi,
        project: Project,
        folder: Path,
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        from label_studio_ml.training.redis.rq_jobs import Queue

        self._job_store = job_store
        self._api = api
        self._project = project
        self._folder = folder
        self._notify = notify
        self._queue = Queue(job_store.keys.predictions, job_store.redis)
        self._key = job_store.keys.sharded(project.uid)
        self._missed: dict[str, int] = {}
        self._next_worker_check, self._no_worker = 0.0, False

    def check_workers(self) -> int:
        """Return the number of workers. Raises BrokerError if there is none."""
        from label_studio_ml.training.redis.rq_jobs import workers_of

        workers = len(workers_of(self._queue))
        if not workers:
            raise BrokerError(
                "No worker is running that could predict",
                fix="Start some with: label-studio-ml worker DIR (or start), or leave out --shards",
            )
        return workers

    def begin(self, all_tasks: Shard, count: int) -> Run | None:
        """Enqueue the shards, or continue those of an interrupted run. Returns None if there is nothing to predict.

        `all_tasks` describes the work as one shard. Raises SettingsError while a run with another version or conditions
        is active.
        """
        run = self._stored_run()
        if run is not None and self._is_unfinished(run):
            if not run.same(all_tasks):
                raise SettingsError(
                    f"A run with version {run.version} is under way in this project, maybe for other tasks",
                    fix="Wait for its end, or give the same --version and --where to follow it",
                )
            self._notify(f"an earlier run is continued, in {plural(len(run.shards), 'shard')}")
            for shard, job in zip(run.shards, self._jobs(run), strict=True):
                if job is None or job.get_status(refresh=False) in ("canceled", "failed", "stopped"):
                    self._enqueue(run, shard)
            return run
        if run is not None:
            self.forget(run)
        self._recover(all_tasks)
        tasks = UnpredictedTasks(self._api, all_tasks.version, all_tasks.conditions)
        number = tasks.count()
        if not number:
            return None
        run = Run(new_job_id(), split(self._api, all_tasks, tasks.conditions, number, count))
        self._job_store.redis.set(self._key, msgspec.json.encode(run))
        for shard in run.shards:
            self._enqueue(run, shard)
        return run

    async def follow(self, run: Run, progress: Progress) -> list[ShardProgress]:
        """Wait for the end of all shards and return their progress. If cancelled, cancel the queued shards."""
        base: int | None = None
        try:
            while True:
                shards, unfinished = await asyncio.to_thread(self._check, run)
                done = sum(shard.written + shard.failed for shard in shards)
                base = done if base is None else base
                progress.total = sum(shard.total for shard in shards) - base
                progress.failed = sum(shard.failed for shard in shards)
                progress.written = done - base - progress.failed
                if not unfinished:
                    return shards
                await asyncio.sleep(CHECK_INTERVAL)
        except asyncio.CancelledError:
            stopped, predicting = self.stop(run)
            self._notify(
                f"{stopped} of {plural(len(run.shards), 'shard')} cancelled before the start; still being predicted: "
                f"{predicting}. The same command continues all of them"
            )
            raise

    def finish(self, run: Run, shards: Sequence[ShardProgress], progress: Progress) -> Report:
        """Settle interrupted uploads, remove the run from Redis, and return the report."""
        report = Report(run.version, progress, removed=sum(shard.removed for shard in shards))
        progress.failed, progress.causes = 0, {}
        for shard, shard_progress in zip(run.shards, shards, strict=True):
            for cause, tasks in shard_progress.causes.items():
                progress.failed += tasks
                if cause in progress.causes or len(progress.causes) < MAX_CAUSES:
                    progress.causes[cause] = progress.causes.get(cause, 0) + tasks
            if shard_progress.error:
                remaining = max(shard_progress.total - shard_progress.written - shard_progress.failed, 1)
                progress.failed += remaining
                progress.causes[f"shard {shard.number + 1}: {shard_progress.error}"] = remaining
        report.removed += self._recover(run.shards[0])
        self.forget(run)
        return report

    def stop(self, run: Run) -> tuple[int, int]:
        """Cancel the queued shards; return how many, and how many are being predicted."""
        stopped = predicting = 0
        for job in self._jobs(run):
            status = job.get_status(refresh=False) if job is not None else None
            if job is not None and status == "queued":
                job.cancel()
                stopped += 1
            else:
                predicting += status == "started"
        return stopped, predicting

    def forget(self, run: Run) -> None:
        """Remove a run and its jobs from Redis. Raises BrokerError."""
        for job in self._jobs(run):
            if job is not None:
                # RQ fails on the execution registry of a job whose worker was killed
                self._job_store.redis.delete(job.execution_registry.key)
                job.delete()
        self._job_store.redis.delete(self._key)

    def _stored_run(self) -> Run | None:
        text = self._job_store.redis.get(self._key)
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(text, type=Run) if text else None
        return None

    def _is_unfinished(self, run: Run) -> bool:
        return any(
            job is not None and job.get_status(refresh=False) in _UNFINISHED_STATES for job in self._jobs(run)
        )

    def _jobs(self, run: Run) -> "list[Job | None]":
        from label_studio_ml.training.redis.rq_jobs import Job

        return Job.fetch_many(run.jobs, self._job_store.redis)

    def _enqueue(self, run: Run, shard: Shard) -> None:
        from rq import Retry

        self._queue.enqueue(
            FUNCTION,
            args=(msgspec.to_builtins(shard),),
            job_id=run.jobs[shard.number],
            job_timeout=-1,
            result_ttl=JOB_LIFE,
            failure_ttl=JOB_LIFE,
            retry=Retry(max=MAX_STARTS),
            description=f"predict shard {shard.number + 1} of project {shard.uid}",
        )

    def _check(self, run: Run) -> tuple[list[ShardProgress], int]:
        """Return the progress of each shard and how many have not ended."""
        shards, unfinished = [], 0
        is_waiting = False
        for shard, job in zip(run.shards, self._jobs(run), strict=True):
            status = job.get_status(refresh=False) if job is not None else None
            progress = ShardProgress.of(job.meta) if job is not None else None
            progress = progress or ShardProgress(total=shard.tasks)
            shards.append(progress)
            if status in _UNFINISHED_STATES:
                unfinished += 1
                is_waiting = is_waiting or status == "queued"
                self._requeue_if_lost(job)
            elif job is None and self._stored_run() is None:
                progress.error = "another command has completed this run"
            elif status == "canceled":
                progress.error = "it was stopped by another command"
            elif status != "finished":
                progress.error = (
                    progress.error or "its worker was killed each time, or it was removed from Redis"
                )
        self._report_missing_workers(is_waiting and unfinished > 0)
        return shards, unfinished

    def _requeue_if_lost(self, job: Any) -> None:
        """Enqueue a shard again that is in no queue: its worker was killed between taking and starting it."""
        if job.get_status(refresh=False) != "queued" or job.get_position() is not None:
            self._missed.pop(job.id, None)
            return
        self._missed[job.id] = self._missed.get(job.id, 0) + 1
        if (
            self._missed[job.id] >= MAX_MISSED_CHECKS
            and job.get_status() == "queued"
            and job.get_position() is None
        ):
            self._missed.pop(job.id)
            self._queue.enqueue_job(job)

    def _report_missing_workers(self, needed: bool) -> None:
        """Report once if shards wait and no worker is left."""
        now = time.monotonic()
        if not needed or now < self._next_worker_check:
            return
        self._next_worker_check = now + 5.0
        try:
            self.check_workers()
            self._no_worker = False
        except BrokerError as error:
            if not self._no_worker:
                self._notify(f"{error.message}: the shards wait until one is started")
            self._no_worker = True

    def _recover(self, shard: Shard) -> int:
        """Settle interrupted uploads of earlier runs; return the number of duplicate predictions deleted."""
        journal_copy = JournalCopy(self._job_store, shard.uid, shard.version)
        journal = Journal(self._folder, shard.uid, shard.version, patience=JOURNAL_WAIT, copy=journal_copy)
        with contextlib.closing(journal):
            if not journal.sending and not journal.doubtful:
                return 0
            store = PredictionStore(self._api, journal, shard.version, self._project.label_config)
            store.recover()
            return store.reconcile()
