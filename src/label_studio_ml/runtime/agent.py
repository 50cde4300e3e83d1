"""`label-studio-ml agent`: a backend that polls Label Studio, for setups where Label Studio cannot reach it.

The agent polls for changed annotations and for tasks without a prediction of the served version. Annotations become
events and tasks are predicted by the same components as in a server: event queue, worker, versions, model process. The
agent listens on no port.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, DecisionError, ModelError, StoreError
from label_studio_ml.projects.annotation_watch import AnnotationWatch, Cursor
from label_studio_ml.projects.jobs.repredict import UNLABELLED
from label_studio_ml.projects.pipeline import Progress
from label_studio_ml.projects.prediction_run import UnpredictedTasks, predict_project, project_from_api
from label_studio_ml.projects.project_api import ProjectApi
from label_studio_ml.protocol.requests import Event
from label_studio_ml.protocol.webhook_actions import training_actions
from label_studio_ml.runtime.shared_services import SharedServices
from label_studio_ml.serving.offline_model import OfflineModel
from label_studio_ml.studio.transport.api_client import Interrupted
from label_studio_ml.support.texts import plural
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.project_state import Project, Projects

logger = logging.getLogger(__name__)

#: Seconds that the agent waits for the broker at its start.
_BROKER_TIMEOUT = 40.0

#: Seconds that tasks are predicted before annotations are polled again.
SLICE = 20.0
#: Seconds before tasks that the model failed on are tried again with the same version.
RETRY_FAILED = 300.0


class ProjectAgent:
    """Polls one project.

    With `everything`, labelled tasks are predicted as well; with `select`, annotators see the newest version's
    predictions.
    """

    def __init__(
        self,
        settings: Settings,
        api: ProjectApi,
        intake: RedisIntake,
        *,
        everything: bool = False,
        select: bool = True,
    ) -> None:
        self._settings = settings
        self._api = api
        self._intake = intake
        self._conditions = [] if everything else [UNLABELLED]
        self._select = select
        self._store = open_store(settings)
        self._model: OfflineModel | None = None
        self._loaded_key: object = None
        self._cursor: Cursor | None = None
        self._failed = ("", 0, 0.0)

    async def step(self) -> bool:
        """Poll once: hand in events for changed annotations, and predict unpredicted tasks for up to SLICE seconds.

        Return whether the time was used up, so that more may be left to do. Raises BackendError.
        """
        details = await asyncio.to_thread(self._api.read)
        project = project_from_api(details, self._settings)
        if self._cursor is None:
            self._cursor = Cursor(self._settings.model_dir / "agent" / f"{project.uid}.json")
            changes = {"label_config": project.label_config, "title": project.title}
            await asyncio.to_thread(Projects(self._settings.model_dir).update, project.uid, **changes)
        await asyncio.to_thread(self._synchronise, project.uid)
        hint = self._store.hint(project.uid)
        model = await self._current_model(project)
        changed = await asyncio.to_thread(
            AnnotationWatch(self._api, self._cursor).poll, details, self._hand_in
        )
        if changed:
            annotations = plural(changed, "annotation is", "annotations are")
            logger.info("Project %s: %s new, changed or gone", project.project_id, annotations)
        deadline = time.monotonic() + SLICE
        await self._predict(
            project,
            model,
            lambda: time.monotonic() > deadline or self._store.hint(project.uid) not in (hint, None),
        )
        await self._select_version(self._cursor, model.version, str(details.get("model_version") or ""))
        return time.monotonic() > deadline

    async def close(self) -> None:
        """End the model's process and close the cursor file."""
        if self._model is not None:
            await self._model.close()
        if self._cursor is not None:
            self._cursor.close()

    def _synchronise(self, uid: str) -> None:
        """Fetch the version to serve; if the store cannot be reached, go on with the versions on this machine."""
        try:
            self._store.synchronise(uid)
        except StoreError as error:
            if not self._store.servable_offline(uid):
                raise
            logger.warning("%s", error)

    def _hand_in(self, event: Event) -> None:
        info = self._model.info if self._model is not None else None
        learns = info is not None and info.generation != "none"
        train = learns and event.action in training_actions(info.train_events if info is not None else ())
        job = self._intake.hand_in(event, trusted=True, train=train)
        if job:
            logger.info("Project %s: %s, training job %s", event.uid, event.action, job)

    async def _current_model(self, project: Project) -> OfflineModel:
        """Return the model of the version to serve, or of the newest earlier one that loads. Raises ModelError."""
        while True:
            try:
                manifest = self._store.loadable(project.uid, self._store.failures(project.uid))
            except DecisionError as error:
                if (
                    self._model is None
                    or not isinstance(self._loaded_key, tuple)
                    or self._loaded_key[0] != project
                ):
                    raise
                logger.error(
                    "Project %s: version %s stays: %s", project.project_id, self._model.version, error
                )
                return self._model
            key = (project, manifest.id if manifest else "")
            if self._model is not None and self._loaded_key == key:
                return self._model
            model = OfflineModel(self._settings, project, manifest)
            try:
                await model.start()
            except ModelError as error:
                await model.close()
                if manifest is None:
                    raise
                logger.error("Version %s does not load: %s", manifest.name, error)
                self._store.record_failure(project.uid, manifest.id, str(error))
                await asyncio.to_thread(
                    self._synchronise, project.uid
                )  # the version before may have to be fetched
                continue
            if self._model is not None:
                await self._model.close()
            self._model, self._loaded_key = model, key
            logger.info("Project %s: version %s predicts now", project.project_id, model.version)
            return model

    async def _predict(self, project: Project, model: OfflineModel, until: Callable[[], bool]) -> None:
        """Store predictions of the served version for tasks without one, until `until` returns True."""
        version, failed, retry_at = self._failed
        missing = await asyncio.to_thread(
            lambda: UnpredictedTasks(self._api, model.version, self._conditions).count()
        )
        if not missing or (version == model.version and missing <= failed and time.monotonic() < retry_at):
            return
        progress = Progress()
        await predict_project(
            self._api, project, model, self._settings, progress, conditions=self._conditions, until=until
        )
        self._failed = (model.version, progress.failed, time.monotonic() + RETRY_FAILED)
        for cause, tasks in progress.causes.items():
            number = plural(tasks, "task has", "tasks have")
            logger.error("Project %s: %s no prediction: %s", project.project_id, number, cause)
        logger.info(
            "Project %s: stored %s of version %s (%.1f/s)",
            project.project_id,
            plural(progress.written, "prediction"),
            model.version,
            progress.rate,
        )

    async def _select_version(self, cursor: Cursor, version: str, shown: str) -> None:
        """Make Label Studio show this version's predictions, unless a user has selected another version."""
        if not self._select or shown == version or shown not in ("", cursor.selected):
            return
        if (await asyncio.to_thread(self._api.versions)).get(version):  # else Label Studio refuses it
            await asyncio.to_thread(self._api.change, model_version=version)
            cursor.selected = version
            cursor.write()


async def serve(
    settings: Settings,
    apis: Sequence[ProjectApi],
    *,
    every: float,
    everything: bool = False,
    select: bool = True,
) -> int:
    """Poll the projects every `every` seconds until SIGINT or SIGTERM; return the exit status."""
    services = SharedServices(
        replace(settings, predict_after_training=""), worker_delay=0
    )  # the agent predicts
    services.start()
    intake = RedisIntake.of(settings, services.url)
    intake.start()
    agents = [ProjectAgent(settings, api, intake, everything=everything, select=select) for api in apis]
    stop = asyncio.Event()
    work = asyncio.create_task(_poll_forever(agents, apis, every, stop))
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        for api in apis:
            api.stop()
        work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        await asyncio.to_thread(services.url, _BROKER_TIMEOUT)
        await work
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    finally:
        for agent in agents:
            await agent.close()
        await asyncio.to_thread(intake.stop)
        await asyncio.to_thread(services.stop)
    return 0


async def _poll_forever(
    agents: Sequence[ProjectAgent],
    apis: Sequence[ProjectApi],
    every: float,
    stop: asyncio.Event,
) -> None:
    logged: dict[int, str] = {}
    while not stop.is_set():
        has_more = False
        for agent, api in zip(agents, apis, strict=True):
            try:
                has_more = await agent.step() or has_more
                logged.pop(api.project, None)
            except Interrupted:
                return
            except BackendError as error:
                if logged.get(api.project) != str(error):
                    logger.error("Project %d: %s", api.project, error)
                logged[api.project] = str(error)
        await _pause(stop, 0 if has_more else every)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    stop_waiter = asyncio.create_task(stop.wait())
    await asyncio.wait([stop_waiter], timeout=seconds)
    stop_waiter.cancel()
