"""Registry of the models of one backend: which version serves each project, and the model to ask for a request.

A model is identified by project, version, label config, extra params and Label Studio host.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from label_studio_ml.errors import (
    ModelLoadError,
    ModelProcessDied,
    NoLabelConfig,
    ParamsError,
    VersionError,
)
from label_studio_ml.model_calls.adapter import INITIAL, ClassInfo
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.serving.registry.loaded_model import LoadedModel, ModelState, key_of, shutting_down
from label_studio_ml.serving.registry.loaded_models import LoadedModels
from label_studio_ml.serving.registry.model_replacement import RETRY_AFTER, ModelReplacement
from label_studio_ml.serving.registry.version_fetch import VersionFetch
from label_studio_ml.serving.registry.version_selection import VersionSelection
from label_studio_ml.serving.requests.queue_item import RunnerClosed
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore

#: Seconds that /setup waits for a remote store to name the version to serve; Label Studio waits 3 s.
SETUP_STORE_WAIT = 2.0


class ModelRegistry:
    """Models of all projects of one backend. Everything but the runners' work runs on one event loop.

    `remembered(uid)` returns the name that an untrained class gave its version earlier, or None. `make_runner` and
    `options` are those of `ModelReplacement`.
    """

    def __init__(
        self,
        make_runner: Callable[[], ModelRunner],
        store: VersionStore,
        *,
        retry_after: float = RETRY_AFTER,
        remembered: Callable[[str], str | None] = lambda uid: None,
        **options: Any,
    ) -> None:
        self.counts = Counts()
        self.models = LoadedModels()
        self._retry_after = retry_after
        self._remembered = remembered
        self._selection = VersionSelection(store)
        self._fetches = VersionFetch(store, self._selection)
        self._replacement = ModelReplacement(
            make_runner,
            self.models,
            self._selection,
            self.model_for,
            lambda: self.counts,
            retry_after=retry_after,
            **options,
        )
        self.processes = self._replacement.processes
        self.held = self._replacement.held

    async def start(self) -> None:
        """Start the first process, which begins to import the model file."""
        await self.processes.start()

    async def close(self) -> None:
        """End the processes."""
        for model in self.models.by_key.values():
            model.fail(RunnerClosed("The backend is shutting down"))
        await self.processes.close()

    @property
    def info(self) -> ClassInfo | None:
        """The class as the process that was asked last describes it; None before any has imported it."""
        return self.processes.info

    @property
    def waiting(self) -> int:
        """The number of prediction requests that are queued."""
        return sum(len(process.batcher) for process in self.processes.all)

    @property
    def in_flight(self) -> int:
        """The number of prediction requests in flight, including queued ones."""
        return sum(model.in_flight for model in {*self.models.all(), *self.held.models()})

    def expect(self, info: ClassInfo) -> None:
        """Use `info` until a process has imported the class."""
        self.processes.info = info

    # Which versions serve

    def version(self, uid: str) -> str:
        """Return the name of the version that serves the project, or will."""
        serving = self.models.serving_now(uid)
        if serving is not None:
            return serving.version
        manifest = self._selection.manifest(uid)
        if manifest is not None:
            return manifest.name
        initial = self.info.initial_version if self.info is not None else INITIAL
        return self._remembered(uid) or initial

    def version_if_known(self, uid: str) -> str | None:
        """Return the name of the version that serves the project; None if it is not known."""
        try:
            return self.version(uid)
        except (VersionError, OSError):
            return None

    def served_versions(self) -> list[tuple[str, str]]:
        """Return the uid and the name of the serving version of each project."""
        return [(uid, self.version(uid)) for uid in self.models.serving]

    def problem(self) -> str:
        """Return why no prediction can be answered now; empty if the model file is imported and its runner runs."""
        processes = self.processes.current
        infos = [process.runner.info for process in processes]
        if any(
            info.done() and info.exception() is None and not process.runner.ended.done()
            for process, info in zip(processes, infos, strict=True)
        ):
            return ""
        failures = [failure for info in infos if info.done() and (failure := info.exception()) is not None]
        return str(failures[-1]) if failures else "the model's process is starting"

    def failures(self, uid: str) -> dict[str, str]:
        """Return the causes of the project's load failures by version id."""
        return self._selection.failures(uid)

    # The model for a request

    def current_model(self, project: Project) -> LoadedModel | None:
        """Return the project's serving model if it is still the wanted one, else None. A fast path for `model_for`."""
        model = self.models.serving.get(project.uid)
        if (
            model is None
            or model.project is not project
            or model.state is not ModelState.LOADED
            or self.models.by_key.get(model.key) is not model
            or not model.process.usable
        ):
            return None
        manifest = self._selection.manifest(project.uid)
        if manifest is not model.manifest and manifest != model.manifest:
            return None
        self.models.by_key.move_to_end(model.key)
        return model

    async def model_for(self, project: Project) -> LoadedModel:
        """Return the model to ask for `project`: the serving one until the wanted one is ready.

        Raises the errors of starting a process, and of the version store if it names no version.
        """
        await self._fetches.fetch(project.uid)
        manifest = self._selection.manifest(project.uid)
        key = key_of(project, manifest)
        model = self.models.by_key.get(key)
        retried = False
        if model is not None and model.to_retry(self._retry_after):
            retried = isinstance(model.failure, ModelProcessDied)
            self.models.withdraw(model)
            model = None
        if model is None:
            model = await self._replacement.load(key, project, manifest, retried=retried)
        self.models.by_key.move_to_end(key)
        if model.loaded:
            self.models.serving[project.uid] = model
            return model
        serving = self.models.serving_now(project.uid)
        return (
            serving if serving is not None and serving.project.label_config == project.label_config else model
        )

    async def ready_model(self, project: Project) -> LoadedModel:
        """Return a loaded model for the project. Raises the error that keeps it from loading."""
        while True:
            model = await self.model_for(project)
            try:
                await asyncio.shield(model.ready)
            except ModelLoadError as error:
                if model.manifest is None or isinstance(error, NoLabelConfig | ParamsError):
                    raise
            except (RunnerClosed, ModelProcessDied) as error:
                if self.processes.closing:
                    raise shutting_down() from error
                if not model.lost_its_process:
                    raise
                await asyncio.sleep(0)
            else:
                return model

    async def touch(self, project: Project, wait: float = 0.0) -> str:
        """Start loading the project's model, wait up to `wait` seconds for it, and return the version's name.

        Raises the load error if no version can serve, ParamsError also if a model with other parameters serves, and
        Overloaded during the shutdown.
        """

        async def loaded_or_failed() -> LoadedModel:
            while True:
                model = await self._model_with_params(project)
                await asyncio.wait([model.ready])
                if not model.lost_its_process:
                    break
            is_bad = model.failure is not None and not isinstance(model.failure, ParamsError)
            older_serves = is_bad and model.manifest is not None
            return await self.model_for(project) if older_serves else model

        await self._fetches.fetch(project.uid, patience=SETUP_STORE_WAIT)
        loading = self.processes.spawn(loaded_or_failed())
        await asyncio.wait([loading], timeout=wait)
        if loading.cancelled():
            raise shutting_down()
        failure = loading.result().failure if loading.done() else None
        if isinstance(failure, ParamsError):  # whatever serves has other values
            raise failure
        if failure is not None and self.models.serving_now(project.uid) is None:
            raise failure
        return self.version(project.uid)

    async def _model_with_params(self, project: Project) -> LoadedModel:
        """Return the model for `project`, the one that loads rather than a serving one with other extra params."""
        model = await self.model_for(project)
        if model.project.extra_params == project.extra_params:
            return model
        key = key_of(project, self._selection.manifest(project.uid))
        return self.models.by_key.get(key, model)

    # Reasons to replace a model, besides a request

    async def refresh(self) -> None:
        """Load new versions and apply new decisions for projects with loaded models; end unused processes."""
        for uid in self._selection.changed({model.project.uid for model in self.models.by_key.values()}):
            model = self.models.latest(uid)
            if model is not None:
                await self.model_for(model.project)
        self.processes.end_unused()

    async def renew(self, project: Project) -> None:
        """Load the project's new version, if any, and wait until it is ready or has failed."""
        self._selection.renew(project.uid)
        key = key_of(project, self._selection.manifest(project.uid))
        await self.model_for(project)
        model = self.models.by_key.get(key)
        if model is not None:
            await asyncio.wait([model.ready])

    async def reload(self) -> None:
        """Load all models again in new processes with the code on the disk. Raises the error of a failed load."""
        for process in self.processes.current:
            await self._replacement.reload_models(process)

    def forget(self, uid: str) -> None:
        """Remove all models of a project."""
        self.models.serving.pop(uid, None)
        self._selection.forget(uid)
        for model in list(self.models.by_key.values()):
            if model.project.uid == uid:
                self.models.withdraw(model)
