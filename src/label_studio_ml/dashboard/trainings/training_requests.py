"""What people ask for on the dashboard: begin a training, cancel one."""

from typing import Any

from label_studio_ml.errors import UnknownProject
from label_studio_ml.protocol.requests import Event, project_uid
from label_studio_ml.protocol.webhook_actions import START_TRAINING
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.training.dataset import version_snapshot
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.threads import Threads


class TrainingRequests:
    """Hands in training requests and cancellations. Methods that are no coroutines block for a moment."""

    def __init__(
        self,
        intake: TrainingIntake,
        registry: ModelRegistry,
        projects: ProjectRegistry,
        store: VersionStore,
        threads: Threads,
    ) -> None:
        self._intake = intake
        self._registry = registry
        self._projects = projects
        self._store = store
        self._threads = threads

    async def known_uid(self, name: str) -> str:
        """Return the uid of the known project with this uid or plain id. Raises UnknownProject."""
        uid = project_uid(name, required=True)
        project = await self._projects.find(uid)
        if project is None:
            raise UnknownProject(
                f"Project {name[:100]} is not known here",
                fix="Connect it with Label Studio first",
                field="project",
            )
        return project.uid

    async def train(self, uid: str, caller: str, from_version: str = "") -> str | None:
        """Begin a training of a project as Label Studio's training button does, and return the job's id.

        The id is None if Redis cannot be reached: the request then waits on this server's disk. With `from_version`, it
        trains on the annotations that this version was trained on. Raises UnknownVersion, and FitError if the version
        has no such annotations or a synchronous training fails.
        """
        project = await self._projects.get(uid)
        data: dict[str, Any] = {"action": START_TRAINING, "project": {"id": uid.partition(".")[0]}}
        if project is not None:
            data["project"] = {"id": project.project_id}
        if from_version:
            await self._threads.run(version_snapshot, self._store, uid, from_version)
            data["from_version"] = from_version
        event = Event(
            action=START_TRAINING,
            uid=uid,
            label_config=project.label_config if project is not None else "",
            title=project.title if project is not None else "",
            data=data,
        ).sent_by(caller)
        job_id = await self._threads.run(self._intake.hand_in, event, trusted=True, train=True)
        if self._intake.immediate and project is not None:
            await self._registry.renew(project)
        return job_id

    def cancel(self, job_id: str) -> None:
        """Request the cancellation of a job. Raises UnknownJob, JobEnded and BrokerError."""
        self._intake.cancel_job(job_id)
