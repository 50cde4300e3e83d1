"""Training inside this process, at once: for tests of users' models (`app.config["TESTING"]`)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from label_studio_ml.adapter import ModelSpec, reason
from label_studio_ml.errors import BackendError, FitError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.protocol import Event
from label_studio_ml.settings import Settings
from label_studio_ml.training.jobs import StoredEvent, new_job_id
from label_studio_ml.training.publish import publish
from label_studio_ml.training.run import RunRequest, perform
from label_studio_ml.versions.state import Project, Projects
from label_studio_ml.versions.store import VersionStore, new_version_id


class LocalDesk:
    """Each event that trains is trained on before `hand_in` returns.

    `served` is awaited after a new version is published, so that the next prediction comes from it.
    """

    def __init__(
        self,
        settings: Settings,
        model_class: type[LabelStudioMLBase],
        served: Callable[[Project], Awaitable[object]],
    ) -> None:
        self._settings = settings
        self._class = model_class
        self._served = served
        self._store = VersionStore(settings.model_dir)
        self._projects = Projects(settings.model_dir)
        self._fence = 0
        self._jobs: dict[str, dict[str, Any]] = {}

    async def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Train on `event`; return the job's id. Raises FitError with the cause if `fit` raises."""
        if not train:
            return None
        job_id = new_job_id()
        project, version = await asyncio.to_thread(self._train, job_id, event)
        self._jobs[job_id] = {"job_status": "finished", "job": job_id, "model_version": version}
        await self._served(project)
        return job_id

    async def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record, None if there is none."""
        return self._jobs.get(job_id)

    async def running_job(self, uid: str) -> str | None:
        """Return None: a job has ended before anyone can ask."""
        return None

    async def forget(self, uid: str) -> None:
        """Forget nothing: nothing is kept."""

    def _train(self, job_id: str, event: Event) -> tuple[Project, str]:
        project = self._projects.update(event.uid)
        parent = self._store.newest(event.uid)
        version_id = new_version_id()
        workdir = self._store.begin(event.uid, version_id)
        request = RunRequest(
            job=job_id,
            spec=ModelSpec(
                project=project,
                version=parent.name if parent else "",
                train_output=parent.train_output if parent else {},
            ),
            events=[StoredEvent(event.action, event.data)],
            workdir=str(workdir),
        )
        try:
            outcome = perform(self._class, request, self._settings, offline=True)
        except BackendError:
            raise
        except Exception as error:
            raise FitError(reason(error)) from error
        if not outcome.changed:
            self._store.discard(event.uid, version_id)
            return project, parent.name if parent else ""
        self._fence = max(self._fence, parent.fence if parent else 0) + 1
        manifest = publish(
            self._store, self._settings.model_dir, request, outcome, version_id=version_id, fence=self._fence
        )
        return project, manifest.name
