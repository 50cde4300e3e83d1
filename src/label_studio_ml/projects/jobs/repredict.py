"""Predict a project's tasks again after a training, as an RQ job in a worker.

The projects that are due are kept in Redis until they are done, so they survive a restart; RQ only wakes a worker. At
most one job per project runs at a time. It works for at most `SLICE` seconds, each time with the version that is served
then.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from label_studio_ml.config.backend_login import authorization, refused_login_fix
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import (
    BackendError,
    BrokerError,
    DecisionError,
    SettingsError,
    StoreError,
    StudioUnavailable,
)
from label_studio_ml.projects.jobs.journal_copy import JournalCopy, versions_with_entries
from label_studio_ml.projects.jobs.preemption import Preemption, in_background
from label_studio_ml.projects.journal import Busy, Journal, unfinished
from label_studio_ml.projects.pipeline import Predicted, PredictionSource, Progress, Task
from label_studio_ml.projects.prediction_run import StoreWriter, predict_project, project_of, settle
from label_studio_ml.projects.prediction_store import PredictionStore
from label_studio_ml.projects.project_api import ProjectApi, project_api
from label_studio_ml.projects.running_backend import MAX_TASKS, BackendGone, BackendSource
from label_studio_ml.reports.worker_errors import WorkerErrors
from label_studio_ml.storage.server_address import address, fingerprint
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.task_filters import Filter
from label_studio_ml.studio.transport.api_client import Interrupted
from label_studio_ml.support.texts import plural
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.records.repredictions import Reprediction, Repredictions
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)

#: The tasks that get predictions with `predict_after_training=unlabelled`.
UNLABELLED = task_filters.parse("total_annotations = 0")
#: Seconds that one job works, and the pause before each slice, in which a manual `predict` of the project can start.
SLICE = 30.0
START_PAUSE = 0.5
#: Seconds between two tries when something is not available, and seconds that a running backend has to serve
#: the new version.
RETRY_INTERVAL = 5.0
SERVE_TIMEOUT = 60.0
#: Target duration in seconds of one request to the running backend: a training may have to wait for that long.
REQUEST_DURATION = 5.0

#: The part that the journal's copy in Redis has for re-predictions; other releases read it.
_PART = "afresh"

#: Function that returns the model of a project at a version (name and id), built if necessary.
Build = Callable[[Project, str, str], Awaitable[PredictionSource]]


class Repredictor:
    """Predicts the tasks of a project with the served version, at most `predict_rate` tasks per second."""

    def __init__(
        self,
        settings: Settings,
        store: VersionStore,
        job_store: JobStore,
        build: Build,
        errors: WorkerErrors | None = None,
    ) -> None:
        self._settings = settings
        self._errors = errors
        self._store = store
        self._job_store = job_store
        self._repredictions = Repredictions(job_store)
        self._build = build
        self._conditions: list[Filter] = (
            [UNLABELLED] if settings.predict_after_training == "unlabelled" else []
        )

    async def work(self, uid: str, preemption: Preemption) -> bool:
        """Predict the project's tasks until all are done or the job must end.

        Returns True when nothing is left to do, also after a failure that a retry would not cure; False if the job
        must run again. Raises Interrupted if the job must end while a request waits for Label Studio, and BrokerError;
        after both, the job must run again, too.
        """
        due = self._repredictions.due(uid)
        try:
            await asyncio.to_thread(self._store.synchronise, uid)  # another machine may have trained
            manifest = await asyncio.to_thread(self._store.served, uid)
        except (StoreError, DecisionError) as error:
            logger.warning("Project %s: its tasks get predictions later: %s", uid, error)
            await preemption.wait(RETRY_INTERVAL)
            return False
        if due is None or manifest is None:
            self._repredictions.finish(uid, due or "")
            return True
        reprediction = self._repredictions.get(uid)
        if reprediction is None or reprediction.version_id != manifest.id:
            reprediction = Reprediction(version=manifest.name, version_id=manifest.id, began=_now())
            logger.info("Project %s: tasks get predictions of version %s", uid, manifest.name)
        reprediction.state, reprediction.error = "started", ""
        self._repredictions.store(uid, reprediction)
        preemption.other_reason = _EndConditions(
            self._store, manifest, partial(self._is_due, uid, due)
        ).reason_to_end
        await asyncio.sleep(START_PAUSE)
        try:
            await self._predict(uid, manifest, reprediction, preemption)
        except (Busy, BackendGone, StudioUnavailable) as error:
            reprediction.error = str(error)
            self._repredictions.store(uid, reprediction)
            await preemption.wait(RETRY_INTERVAL)
            return False
        except (Interrupted, BrokerError):
            raise
        except (BackendError, OSError) as error:
            reprediction.state, reprediction.error = "failed", str(error)
            logger.error("Project %s: tasks get no predictions of version %s: %s", uid, manifest.name, error)
            if self._errors is not None:
                self._errors.job(uid, manifest.name, error)
        else:
            if preemption.over():
                return False
            reprediction.state = "finished"
            logger.info(
                "Project %s: %s predictions of version %s",
                uid,
                plural(reprediction.written, "task got", "tasks got"),
                manifest.name,
            )
        self._repredictions.store(uid, reprediction)
        return self._repredictions.finish(uid, due)

    async def _predict(
        self, uid: str, manifest: Manifest, reprediction: Reprediction, preemption: Preemption
    ) -> None:
        api = project_api(self._settings, int(uid.partition(".")[0]), patience=SLICE)
        async with in_background(preemption.watch(api), api.stop):
            project = await asyncio.to_thread(project_of, api, self._settings)
            if project.uid != uid:
                raise SettingsError(
                    f"Label Studio has another project {project.project_id} than the one that was trained",
                    fix="Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY where the worker runs",
                    field="LABEL_STUDIO_URL",
                )
            await asyncio.to_thread(self._settle_others, api, project, manifest.name)
            prediction_source = await self._prediction_source(project, manifest, preemption)
            progress = Progress()
            try:
                await predict_project(
                    api,
                    project,
                    prediction_source,
                    self._settings,
                    progress,
                    conditions=self._conditions,
                    until=preemption.over,
                    span=[task_filters.above(reprediction.after)],
                    journal_of=partial(
                        Journal, copy=JournalCopy(self._job_store, uid, manifest.name, part=_PART)
                    ),
                    paced=lambda tasks: paced(tasks, self._settings.predict_rate, preemption.over),
                    writer=lambda store: _Writer(
                        store, uid, reprediction, progress, self._repredictions, preemption
                    ),
                )
            finally:
                if self._errors is not None:
                    self._errors.tasks(uid, manifest.name, progress.causes, progress.failed_tasks)
                if isinstance(prediction_source, BackendSource):
                    await prediction_source.close()

    def _is_due(self, uid: str, due: str) -> bool:
        """Return whether the project is still due because of the same version; True if Redis fails."""
        with contextlib.suppress(BrokerError):
            return self._repredictions.due(uid) == due
        return True

    def _settle_others(self, api: ProjectApi, project: Project, version: str) -> None:
        """Settle interrupted uploads of other versions: Label Studio must store none of them after this run."""
        folder, uid = self._settings.model_dir / "predict", project.uid
        for other_version in {*unfinished(folder, uid), *versions_with_entries(self._job_store, uid)} - {
            version
        }:
            journal = Journal(
                folder, uid, other_version, copy=JournalCopy(self._job_store, uid, other_version)
            )
            settle(api, project, journal, other_version)

    async def _prediction_source(
        self, project: Project, manifest: Manifest, preemption: Preemption
    ) -> PredictionSource:
        """Return the backend that runs on this machine, because it answers annotators first, or else a model.

        Raises BackendError if the backend does not serve the version within `SERVE_TIMEOUT` seconds, and BackendGone if
        the job must end before.
        """
        url = address(self._settings.model_dir)
        if not url:
            return await self._build(project, manifest.name, manifest.id)
        settings = self._settings
        max_tasks = round(settings.predict_rate * REQUEST_DURATION) or MAX_TASKS
        prediction_source = BackendSource(
            url,
            project,
            authorization(settings),
            goal=REQUEST_DURATION,
            max_tasks=max_tasks,
            fingerprint=fingerprint(settings.model_dir, url),
            login_fix=refused_login_fix(settings),
        )
        deadline = time.monotonic() + SERVE_TIMEOUT
        while (serves := await prediction_source.start()) != manifest.name:
            if time.monotonic() > deadline:
                raise BackendError(f"The backend at {url} serves version {serves}, not {manifest.name}")
            if preemption.over():
                raise BackendGone(f"The backend at {url} still serves version {serves}")
            await preemption.wait(START_PAUSE)
        return prediction_source


class _EndConditions:
    """Checks whether a job must end: another version is served, or its time slice is used up.

    `is_due` returns False if a training on another machine has published a version.
    """

    def __init__(self, store: VersionStore, manifest: Manifest, is_due: Callable[[], bool]) -> None:
        self._store = store
        self._manifest = manifest
        self._is_due = is_due
        self._hint = store.hint(manifest.project)
        self._end = time.monotonic() + SLICE

    def reason_to_end(self) -> str:
        """Return why the job must end, or an empty string if it may go on."""
        uid = self._manifest.project
        hint = self._store.hint(uid)
        served: Manifest | None = self._manifest
        if hint is not None and hint != self._hint:
            self._hint = hint
            with contextlib.suppress(DecisionError):  # the server reports this error
                served = self._store.served(uid)
        if served is None or served.id != self._manifest.id or not self._is_due():
            logger.info("Project %s: another version is served than %s", uid, self._manifest.name)
            return "another version is served"
        return "its time slice is used up" if time.monotonic() > self._end else ""


class _Writer(StoreWriter):
    """Stores predictions as long as their version is served, and writes the progress to Redis."""

    def __init__(
        self,
        store: PredictionStore,
        uid: str,
        reprediction: Reprediction,
        progress: Progress,
        repredictions: Repredictions,
        preemption: Preemption,
    ) -> None:
        super().__init__(store)
        self._uid, self._reprediction, self._progress = uid, reprediction, progress
        self._repredictions, self._preemption = repredictions, preemption
        self._failed = 0

    def write(self, predicted: Sequence[Predicted]) -> int:
        """Store the predictions and return for how many tasks; 0 if another version is served by now."""
        self._preemption.check()
        if self._preemption.reason == "another version is served":
            return 0
        stored = super().write(predicted)
        reprediction, progress = self._reprediction, self._progress
        reprediction.total = max(
            reprediction.total, reprediction.written + reprediction.failed + (progress.total or 0)
        )
        reprediction.written += stored
        reprediction.failed += len(predicted) - stored
        reprediction.after = int(predicted[-1][0]["id"])
        self._repredictions.store(self._uid, reprediction)
        return stored


def paced(tasks: Iterator[Task], rate: float, over: Callable[[], bool]) -> Iterator[Task]:
    """Yield the tasks, at most `rate` per second (0: no limit), until `over` returns True."""
    following = time.monotonic()
    for task in tasks:
        yield task
        if rate:
            following = max(following, time.monotonic()) + 1 / rate
            while (pause := following - time.monotonic()) > 0 and not over():
                time.sleep(min(pause, 0.2))
        if over():
            return


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
