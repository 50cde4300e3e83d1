"""The parts of a backend that all ways of serving share: endpoints, models, version store, event intake."""

import asyncio
import functools
import logging
from collections.abc import Callable

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.dashboard_parts import build_dashboard
from label_studio_ml.errors import BackendError, VersionError
from label_studio_ml.openapi.api_document import api_document
from label_studio_ml.reports.server_reporting import ServerReporting
from label_studio_ml.reports.shared_reports import SharedReports
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.serving.prewarming import Prewarming, unlabelled_tasks
from label_studio_ml.serving.registry.code_watch import CodeWatch
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.storage import private_files
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.user_code.model_source import code_on_disk, locate
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import Projects
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes.endpoints import Endpoints

logger = logging.getLogger(__name__)

#: Seconds between two checks for new versions.
REFRESH_INTERVAL = 0.3


class Application:
    """Endpoints and models of one model folder, on one event loop.

    With `reload`, all models are reloaded whenever the model's files change. `streams`: whether the HTTP server can
    send events to the dashboard; otherwise the page asks for news.
    """

    def __init__(
        self,
        settings: Settings,
        make_runner: Callable[[], ModelRunner],
        intake: TrainingIntake,
        *,
        runners: int = 1,
        reload: bool = False,
        streams: bool = True,
    ) -> None:
        self._intake = intake
        self._source = (settings.backend_dir, settings.script, settings.class_name)
        self._folders = (settings.model_dir, settings.log_dir, settings.backend_dir)
        store = self._store = open_store(settings)
        state = StoredState(settings.model_dir, "")
        self.registry = ModelRegistry(
            make_runner,
            store,
            runners=runners,
            drain_first=settings.drain_first,
            separate=settings.separate,
            max_label_configs=settings.max_label_configs,
            code_on_disk=lambda: code_on_disk(*self._source),
            remembered=lambda uid: _stored_version_name(state, uid),
        )
        self.pool = PredictionService(self.registry, log_request_ids=settings.log_json)
        if settings.prewarm:
            next_tasks = functools.partial(unlabelled_tasks, settings)
            self.pool.prewarming = Prewarming(self.registry, settings.prewarm, next_tasks)
        shared_descriptions = intake if settings.store_url and isinstance(intake, RedisIntake) else None
        projects = ProjectRegistry(Projects(settings.model_dir), shared_descriptions)
        self.endpoints = Endpoints(settings, self.pool, store, projects, intake, api_document)
        self.registry.counts = self.endpoints.counts
        self.reporting = _reporting(self.registry, intake)
        self._dashboard = build_dashboard(
            settings,
            self.endpoints,
            self.pool,
            reporting=self.reporting,
            store=store,
            projects=projects,
            intake=intake,
            streams=streams,
        )
        self.endpoints.dashboard = self._dashboard.respond
        self._refreshing: asyncio.Task[None] | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._reload = reload
        self._code_watch: CodeWatch | None = None

    async def start(self) -> None:
        """Start event intake, version store and models, and the checks for new versions."""
        await asyncio.to_thread(private_files.restrict_permissions, *self._folders)
        await asyncio.to_thread(self._intake.start)
        await asyncio.to_thread(self._store.start)
        if self._reload:  # before a process reads the files, so that any edit from then on is noticed
            self._code_watch = await asyncio.to_thread(self._watch)
        await self.registry.start()
        self._dashboard.start()
        self._refreshing = asyncio.create_task(self._refresh())
        self.reporting.start()

    def drain(self) -> None:
        """Report this server as not ready from now on, and close connections after their responses."""
        self.endpoints.health.draining = True

    async def close(self) -> None:
        """Stop the checks, event intake, version store and models, after the writes that are in progress."""
        for task in (self._refreshing, self._reloading):
            if task is not None:
                task.cancel()
        if self.pool.prewarming is not None:
            await self.pool.prewarming.close()
        await self._dashboard.close()
        await self.endpoints.receipts.close()
        await self.reporting.stop()
        await asyncio.to_thread(self._intake.stop)
        await asyncio.to_thread(self._store.stop)
        await self.registry.close()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_INTERVAL)
            try:
                if self._code_watch is not None and await asyncio.to_thread(self._code_watch.changed):
                    await self._begin_reload()
                await self.registry.refresh()
            except Exception:
                logger.exception("The check for new versions failed")

    def _watch(self) -> CodeWatch:
        return CodeWatch(locate(*self._source).script, lambda: code_on_disk(*self._source))

    async def _begin_reload(self) -> None:
        """Begin to reload all models, after cancelling a reload in progress: code that hangs would not let it end."""
        if self._reloading is not None and not self._reloading.done():
            self._reloading.cancel()
            await asyncio.wait([self._reloading])
        self._reloading = asyncio.create_task(self._load_again())

    async def _load_again(self) -> None:
        """Reload all models with the edited code; if that fails, log why and keep the models with the previous code."""
        logger.info("The model's files have changed: they are loaded again")
        try:
            await self.registry.reload()
        except BackendError as error:
            logger.error(
                "The edited code is not used: %s. The previous code stays in use; edit it again", error
            )
        except Exception:
            logger.exception("The edited code cannot be loaded")
        else:
            logger.info("The edited code is used from now on")


def _reporting(registry: ModelRegistry, intake: TrainingIntake) -> ServerReporting:
    """Return what reports this server to the others: in Redis, where there is one."""
    shared = SharedReports(intake.job_store) if isinstance(intake, RedisIntake) else None
    return ServerReporting(registry, shared, lambda: registry.counts, lambda: intake.spool)


def _stored_version_name(state: StoredState, uid: str) -> str | None:
    """Return the version name that an untrained class has set; None if it set none or its state cannot be read."""
    try:
        return state.of(uid).get("model_version")
    except VersionError as error:
        logger.debug("%s", error)
        return None
