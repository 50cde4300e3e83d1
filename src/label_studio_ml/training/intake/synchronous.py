"""Train synchronously in this process: for tests of users' models (`app.config["TESTING"]`)."""

from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, FitError, JobEnded, UnknownJob
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, reason
from label_studio_ml.monitoring.prometheus import SpoolFigures
from label_studio_ml.protocol.requests import Event
from label_studio_ml.protocol.webhook_payload import grouped, labelled
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import PreviousVersion, Report, TrainingJob
from label_studio_ml.training.process.publish import publish
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.training.process.training_process import perform
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_record import new_job_id
from label_studio_ml.user_code.model_source import settled_code
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.project_state import Projects


class SynchronousIntake:
    """Event intake without a queue: `hand_in` trains on the event at once, and returns after the training."""

    immediate = True
    spool = SpoolFigures()
    stall = None
    spool_problem = ""

    def start(self) -> None:
        """Do nothing: no events are queued."""

    def stop(self) -> None:
        """Do nothing."""

    def __init__(self, settings: Settings, model_class: type[LabelStudioMLBase]) -> None:
        self._settings = settings
        self._class = model_class
        self._store = open_store(settings)
        self._projects = Projects(settings.model_dir)
        self._events: dict[str, list[Event]] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._points: dict[str, list[dict[str, Any]]] = {}

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Train on `event` and return the job's id, or None without `train`. Raises FitError if `fit` raises."""
        self._events.setdefault(event.uid, []).append(event)
        if not train:
            return None
        job_id = new_job_id()
        self._jobs[job_id] = self._train(job_id, event)
        return job_id

    def simulate_hand_in(self, event: Event) -> None:
        """Do nothing: an event that is not kept starts no training."""

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record, None if there is none."""
        return self._jobs.get(job_id)

    def jobs(self, uid: str, limit: int) -> list[dict[str, Any]]:
        """Return the records of a project's jobs, newest first."""
        return [job for job in reversed(self._jobs.values()) if job["project"] == uid][:limit]

    def reprediction(self, uid: str) -> None:
        """Return None: there is no re-prediction after these trainings."""

    def job_log(self, job_id: str, after: int) -> dict[str, Any] | None:
        """Return an empty log, None if there is no such job: `fit` prints to this process's standard output."""
        return {"job": job_id, "lines": [], "next": 0} if job_id in self._jobs else None

    def job_metrics(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's metrics over time, None if there is no such job."""
        points = self._points.get(job_id)
        return None if points is None else {"job": job_id, "points": points}

    def cancel_job(self, job_id: str) -> dict[str, Any]:
        """Raise JobEnded, because each job has ended before its id is known, or UnknownJob if there is no such job."""
        if job_id not in self._jobs:
            raise UnknownJob(f"There is no job {job_id}", field="job")
        raise JobEnded(f"Job {job_id} has ended already", field="job")

    def figures(self) -> None:
        """Return None: these trainings are not counted."""

    def running_job(self, uid: str) -> str | None:
        """Return None: each job has ended before `hand_in` returns."""
        return None

    def forget(self, uid: str) -> None:
        """Forget the events of a project."""
        self._events.pop(uid, None)

    def _tasks(self, event: Event) -> LabelledTasks:
        """Return the labelled tasks in a training request, or else those of all events of the project so far."""
        annotations = event.data.get("annotations")
        if event.action == "START_TRAINING" and isinstance(annotations, list):
            return LabelledTasks(lambda: iter(annotations), "the training request")
        events = self._events[event.uid]
        tasks = list(grouped(pair for earlier in events for pair in labelled(earlier)).values())
        return LabelledTasks(lambda: iter(tasks), "the events themselves")

    def _train(self, job_id: str, event: Event) -> dict[str, Any]:
        """Train, publish the version if there is one, and return the job's record. Raises FitError if `fit` raises."""
        project = self._projects.update(event.uid)
        parent = self._store.served(event.uid)
        version_id = self._store.new_id(event.uid)
        workdir = self._store.begin(event.uid, version_id)
        request = RunRequest(
            job=job_id,
            spec=ModelSpec.of(project, parent),
            events=[StoredEvent(event.action, event.data)],
            workdir=str(workdir),
            previous=PreviousVersion.of(parent, self._store.folder(event.uid, parent.id)) if parent else None,
        )
        reports: list[Report] = []
        job = TrainingJob(job_id, workdir, request.previous, report=reports.append)
        try:
            outcome = perform(self._class, request, self._settings, tasks=self._tasks(event), job=job)
        except BackendError:
            self._store.discard(event.uid, version_id)
            raise
        except (Exception, SystemExit) as error:
            self._store.discard(event.uid, version_id)
            raise FitError(reason(error)) from error
        record: dict[str, Any] = {"job_status": "finished", "job": job_id, "project": event.uid}
        record |= {"metrics": job.metrics} if job.metrics else {}
        for report in reports:
            if report.point is None:
                said = {"progress": report.progress, "message": report.message}
                record |= {name: value for name, value in said.items() if value is not None}
        self._points[job_id] = job.history.points()
        if not outcome.changed:
            self._store.discard(event.uid, version_id)
            if outcome.error:
                raise FitError(outcome.error)
            return record | ({"message": outcome.message} if outcome.message else {})
        fence = max(self._store.fence(event.uid), 0) + 1
        settings = self._settings
        code = settled_code(settings.backend_dir, settings.script, settings.class_name)
        outcome = msgspec.structs.replace(outcome, code=code)
        manifest = publish(
            self._store, settings, request, outcome, version_id=version_id, fence=fence, unique_events=False
        )
        record |= {"held_back": manifest.gate} if manifest.gate else {}
        return {**record, "model_version": manifest.name}


class UntrainedIntake(SynchronousIntake):
    """Event intake that refuses events that start a training, because no process can build the model (`cause`)."""

    immediate = False

    def __init__(self, settings: Settings, model_class: type[LabelStudioMLBase], cause: str) -> None:
        super().__init__(settings, model_class)
        self._cause = cause

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Return None for an event that starts no training. Raises FitError for one that does."""
        if train:
            raise FitError(f"This model is not trained: {self._cause}")
        return None
