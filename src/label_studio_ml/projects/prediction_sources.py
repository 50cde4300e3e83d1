"""Predict tasks by the running backend while it serves the wanted version, otherwise by a model in its own process."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from label_studio_ml.config.backend_login import authorization
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


class EitherSource:
    """Asks the backend at `url` while it serves the wanted version; otherwise builds the model in its own process.

    `url` is empty if there is no backend. `wanted` is the name or id of a version, empty for the served one. `told`
    is called with a message when the backend is given up.
    """

    def __init__(
        self,
        settings: Settings,
        project: Project,
        url: str = "",
        wanted: str = "",
        told: Callable[[str], None] = lambda what: None,
    ) -> None:
        self._settings = settings
        self._project = project
        self._wanted = wanted
        self._told = told
        self._backend = (
            BackendSource(
                url,
                project,
                authorization(settings),
                fingerprint=server_address.fingerprint(settings.model_dir, url),
            )
            if url
            else None
        )
        self._apart: OfflineModel | None = None
        self.version = ""

    @property
    def batch(self) -> int:
        """The number of tasks that the next call should have."""
        return self._now.batch

    @property
    def at_once(self) -> int:
        """The number of concurrent calls that keep the model busy."""
        return self._now.at_once

    @property
    def way(self) -> str:
        """Where the model runs, as text for messages."""
        if self._backend is not None:
            return f"the backend at {self._backend.url}"
        return "a process of its own" if is_supported() else "this process"

    async def start(self) -> str:
        """Connect to the backend or build the model, and return the name of its version.

        Raises UnknownVersion for a `wanted` that does not exist, and the errors of `BackendSource.start` and
        `OfflineModel.start`.
        """
        store, uid = open_store(self._settings), self._project.uid
        await asyncio.to_thread(store.synchronise, uid)
        manifest = find(store, uid, self._wanted) if self._wanted else store.served(uid)
        if self._backend is not None:
            try:
                self.version = await self._backend.start()
            except BackendGone as error:
                self._leave(error)
            else:
                if not self._wanted or (manifest is not None and manifest.name == self.version):
                    return self.version
                self._backend = None
        if manifest is not None:
            await asyncio.to_thread(store.fetch, manifest)
        self._apart = OfflineModel(self._settings, self._project, manifest)
        self.version = await self._apart.start()
        return self.version

    async def ask(self, tasks: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Return one outcome for each task. Raises VersionError if only another version can be built by now."""
        if self._backend is not None:
            try:
                return await self._backend.ask(tasks)
            except BackendGone as error:
                self._leave(error)
        if self._apart is None:
            store = open_store(self._settings)
            manifest = next(
                (one for one in store.versions(self._project.uid) if one.name == self.version), None
            )
            if manifest is not None:
                await asyncio.to_thread(store.fetch, manifest)
            self._apart = OfflineModel(self._settings, self._project, manifest)
        apart = self._apart
        if (name := await apart.start()) != self.version:
            raise VersionError(
                f"Version {self.version} cannot be had any more, only {name}", fix="Run it again for that one"
            )
        found: list[Outcome] = []
        while len(found) < len(tasks):  # batch may change after each call
            found += await apart.ask(tasks[len(found) : len(found) + apart.batch])
        return found

    async def close(self) -> None:
        """Close the backend's client and the model's process."""
        for one in (self._backend, self._apart):
            if one is not None:
                await one.close()

    @property
    def _now(self) -> BackendSource | OfflineModel:
        one = self._backend or self._apart
        if one is None:
            raise BackendError("The model was not started")
        return one

    def _leave(self, error: BackendGone) -> None:
        """Go on without the backend, and report why."""
        if self._backend is not None:
            self._told(f"{error.message}: the model is built in a process of its own")
            self._backend = None
