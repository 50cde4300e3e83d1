"""Training inside this process, at once: for tests of users' models (`app.config["TESTING"]`)."""

from typing import Any

from label_studio_ml.adapter import ModelSpec, reason
from label_studio_ml.errors import BackendError, FitError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.protocol import Event
from label_studio_ml.settings import Settings
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.events import grouped, labelled
from label_studio_ml.training.jobs import StoredEvent, new_job_id
from label_studio_ml.training.publish import publish
from label_studio_ml.training.run import RunRequest, perform
from label_studio_ml.versions.manifest import new_version_id
from label_studio_ml.versions.state import Projects
from label_studio_ml.versions.store import VersionStore


class LocalDesk:
    """Each event that trains is trained on before `hand_in` returns, together with what earlier events brought."""

    immediate = True
    spooled = 0

    def __init__(self, settings: Settings, model_class: type[LabelStudioMLBase]) -> None:
        self._settings = settings
        self._class = model_class
        self._store = VersionStore(settings.model_dir, pin=settings.model_version)
        self._projects = Projects(settings.model_dir)
        self._heard: dict[str, list[Event]] = {}
        self._jobs: dict[str, dict[str, Any]] = {}

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Train on `event`; return the job's id. Raises FitError with the cause if `fit` raises."""
        self._heard.setdefault(event.uid, []).append(event)
        if not train:
            return None
        job_id = new_job_id()
        version = self._train(job_id, event)
        self._jobs[job_id] = {"job_status": "finished", "job": job_id, "model_version": version}
        return job_id

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record, None if there is none."""
        return self._jobs.get(job_id)

    def figures(self) -> None:
        """Return None: nobody counts here."""

    def running_job(self, uid: str) -> str | None:
        """Return None: a job has ended before anyone can ask."""
        return None

    def forget(self, uid: str) -> None:
        """Forget what events of a project brought."""
        self._heard.pop(uid, None)

    def _tasks(self, event: Event) -> LabelledTasks:
        """Return the labelled tasks that came with a training request, else those that events brought so far."""
        given = event.data.get("annotations")
        if event.action == "START_TRAINING" and isinstance(given, list):
            return LabelledTasks(lambda: iter(given), "the training request")
        brought = list(grouped(pair for one in self._heard[event.uid] for pair in labelled(one)).values())
        return LabelledTasks(lambda: iter(brought), "the events themselves")

    def _train(self, job_id: str, event: Event) -> str:
        project = self._projects.update(event.uid)
        parent = self._store.served(event.uid)
        version_id = new_version_id()
        workdir = self._store.begin(event.uid, version_id)
        request = RunRequest(
            job=job_id,
            spec=ModelSpec.of(project, parent),
            events=[StoredEvent(event.action, event.data)],
            workdir=str(workdir),
        )
        try:
            outcome = perform(self._class, request, self._settings, tasks=self._tasks(event))
        except BackendError:
            self._store.discard(event.uid, version_id)
            raise
        except (Exception, SystemExit) as error:
            self._store.discard(event.uid, version_id)
            raise FitError(reason(error)) from error
        if not outcome.changed:
            self._store.discard(event.uid, version_id)
            if outcome.error:
                raise FitError(outcome.error)
            return parent.name if parent else ""
        fence = max(self._store.fence(event.uid), 0) + 1
        manifest = publish(self._store, self._settings, request, outcome, version_id=version_id, fence=fence)
        return manifest.name
