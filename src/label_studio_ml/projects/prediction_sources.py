"""Predict tasks by the running backend while it serves the requested version, otherwise by a model in a process."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from label_studio_ml.config.backend_login import authorization, refused_login_fix
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, VersionError
from label_studio_ml.processes.guard import is_supported
from label_studio_ml.projects.running_backend import BackendGone, BackendSource
from label_studio_ml.serving.offline_model import OfflineModel, Outcome
from label_studio_ml.storage import server_address
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.operations import find
from label_studio_ml.versions.state.project_state import Project

logger = logging.getLogger(__name__)


class FallbackSource:
    """Asks the backend at `url` while it serves the requested version; otherwise builds the model in its own process.

    `url` is empty if there is no backend. `requested_version` is the name or id of a version, empty for the served
    one. `notify` is called with a message when the backend is no longer used.
    """

    def __init__(
        self,
        settings: Settings,
        project: Project,
        url: str = "",
        requested_version: str = "",
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._settings = settings
        self._project = project
        self._requested_version = requested_version
        self._notify = notify
        self._backend = (
            BackendSource(
                url,
                project,
                authorization(settings),
                fingerprint=server_address.fingerprint(settings.model_dir, url),
                login_fix=refused_login_fix(settings),
            )
            if url
            else None
        )
        self._offline_model: OfflineModel | None = None
        self.version = ""

    @property
    def batch(self) -> int:
        """The number of tasks that the next call should have."""
        return self._current.batch

    @property
    def at_once(self) -> int:
        """The number of concurrent calls that keep the model busy."""
        return self._current.at_once

    @property
    def location(self) -> str:
        """Where the model runs, as text for messages."""
        if self._backend is not None:
            return f"the backend at {self._backend.url}"
        return "a process of its own" if is_supported() else "this process"

    async def start(self) -> str:
        """Connect to the backend or build the model, and return the name of its version.

        Raises UnknownVersion for a `requested_version` that does not exist, and the errors of `BackendSource.start` and
        `OfflineModel.start`.
        """
        store, uid = open_store(self._settings), self._project.uid
        await asyncio.to_thread(store.synchronise, uid)
        manifest = find(store, uid, self._requested_version) if self._requested_version else store.served(uid)
        if self._backend is not None:
            try:
                self.version = await self._backend.start()
            except BackendGone as error:
                self._give_up_backend(error)
            else:
                if not self._requested_version or (manifest is not None and manifest.name == self.version):
                    return self.version
                self._backend = None
        if manifest is not None:
            await asyncio.to_thread(store.fetch, manifest)
        self._offline_model = OfflineModel(self._settings, self._project, manifest)
        self.version = await self._offline_model.start()
        return self.version

    async def ask(self, tasks: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Return one outcome for each task. Raises VersionError if only another version can be built by now."""
        if self._backend is not None:
            try:
                return await self._backend.ask(tasks)
            except BackendGone as error:
                self._give_up_backend(error)
        if self._offline_model is None:
            store = open_store(self._settings)
            manifest = next(
                (manifest for manifest in store.versions(self._project.uid) if manifest.name == self.version),
                None,
            )
            if manifest is not None:
                await asyncio.to_thread(store.fetch, manifest)
            self._offline_model = OfflineModel(self._settings, self._project, manifest)
        offline_model = self._offline_model
        if (name := await offline_model.start()) != self.version:
            raise VersionError(
                f"Version {self.version} is not available any more, only {name}",
                fix="Run the command again to use it",
            )
        outcomes: list[Outcome] = []
        while len(outcomes) < len(tasks):  # batch may change after each call
            outcomes += await offline_model.ask(tasks[len(outcomes) : len(outcomes) + offline_model.batch])
        return outcomes

    async def close(self) -> None:
        """Close the backend's client and the model's process."""
        for source in (self._backend, self._offline_model):
            if source is not None:
                await source.close()

    @property
    def _current(self) -> BackendSource | OfflineModel:
        source = self._backend or self._offline_model
        if source is None:
            raise BackendError("The model was not started")
        return source

    def _give_up_backend(self, error: BackendGone) -> None:
        """Go on without the backend, and report why."""
        if self._backend is not None:
            advice = f". To use the backend: {error.fix[0].lower()}{error.fix[1:]}" if error.fix else ""
            self._notify(f"{error.message}: the model is built in a process of its own{advice}")
            self._backend = None
