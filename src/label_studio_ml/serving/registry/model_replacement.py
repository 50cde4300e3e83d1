"""Load models, and replace older models by them.

Every replacement takes the same steps. The previous model answers until the fourth:

  1. `_choose_process`  the process of its label config, or a new one that imports the code on the disk
  2. `_drain`           only with `drain_first`: wait for the requests to older versions, which leave the memory
  3. `_build`           the process builds the model; if that fails, the previous model goes on serving
  4. `_install`         the model serves from now on; the previous one is withdrawn
  5. `_retire`          the replaced process, if any, ends after its requests in flight

`load` takes them for one model, at the first request for a new version, or for a project whose process was lost or
retires. `reload_models` builds all models of a process in a new one before it installs any.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable

from label_studio_ml.config.settings import DEFAULT_LABEL_CONFIGS
from label_studio_ml.errors import (
    BackendError,
    ModelLoadError,
    ModelProcessDied,
    NoLabelConfig,
    ParamsError,
)
from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.serving.registry.code_choice import CodeChoice
from label_studio_ml.serving.registry.held_models import HeldModels
from label_studio_ml.serving.registry.loaded_model import LoadedModel, ModelState, key_of, load_failure
from label_studio_ml.serving.registry.loaded_models import LoadedModels
from label_studio_ml.serving.registry.new_processes import NewProcesses
from label_studio_ml.serving.registry.process_assignment import ModelProcesses
from label_studio_ml.serving.registry.serving_process import ServingProcess
from label_studio_ml.serving.registry.version_selection import VersionSelection
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)

#: Seconds until loading a model that failed, or importing the model file, is retried.
RETRY_AFTER = 5.0


class ModelReplacement:
    """Loads models in `processes` and records them in `models`. Implements `process_assignment.ModelOwner`.

    `model_for(project)` returns the model to ask, after beginning to load it if there is none. `make_runner` returns a
    new runner, which runs `runners` times `concurrency` calls at a time. With `separate`, projects with different label
    configs share no runner, and at most `max_label_configs` label configs have one. With `drain_first`, a new version
    loads only after the old one has left the memory; requests wait. `code_on_disk` returns the identity of the current
    files.
    """

    def __init__(
        self,
        make_runner: Callable[[], ModelRunner],
        models: LoadedModels,
        selection: VersionSelection,
        model_for: Callable[[Project], Awaitable[LoadedModel]],
        counts: Callable[[], Counts],
        *,
        retry_after: float = RETRY_AFTER,
        runners: int = 1,
        drain_first: bool = False,
        separate: bool = False,
        max_label_configs: int = DEFAULT_LABEL_CONFIGS,
        code_on_disk: Callable[[], CodeIdentity] = CodeIdentity,
    ) -> None:
        self.models = models
        self.processes = ModelProcesses(
            make_runner,
            self,
            counts,
            retry_after=retry_after,
            separate=separate,
            max_label_configs=max_label_configs,
        )
        self.held = HeldModels(models)
        self._counts = counts
        self._selection = selection
        self._model_for = model_for
        self._runners = runners
        self._drain_first = drain_first
        self._code = CodeChoice(code_on_disk)
        self._new_processes = NewProcesses(self.processes, self._code)

    async def load(
        self, key: Hashable, project: Project, manifest: Manifest | None, *, retried: bool
    ) -> LoadedModel:
        """Begin to load a model. An event-generation class that replaces a version gets a new process."""
        process = await self.processes.process_for(
            project.label_config, manifest.code if manifest is not None else CodeIdentity()
        )
        loading = self.models.by_key.get(key)
        if loading is not None:
            return loading
        serving = self.models.serving.get(project.uid)
        other_versions = [*self._versions_in(process, project.uid), *([serving] if serving else [])]
        # The same version may load again, for another label config or because its process was replaced.
        is_event = self.processes.info is not None and self.processes.info.generation == "event"
        without_others = (
            is_event
            and manifest is not None
            and any(version.manifest != manifest for version in other_versions)
        )
        model = self.models.create(project, manifest, process, retried=retried)
        self.processes.spawn(self._finish_load(model, without_others=without_others))
        self.models.add(model)
        return model

    async def _finish_load(self, model: LoadedModel, *, without_others: bool) -> None:
        """Replace a project's model by `model`; with `without_others`, in a process without other versions."""
        previous = model.process
        try:
            await asyncio.shield(previous.runner.info)
            if await self._code.needs_process(model) or without_others:
                model.process = await self._choose_process(model, without_others=without_others)
            info = self.processes.info = await asyncio.shield(model.process.runner.info)
            self._set_limits(model.process, info)
            await self._build(model, await self._drain(model))
        except Exception as error:  # noqa: BLE001 (any error must reach the tasks that wait for it)
            self._load_failed(model, error)
            if model.process is not previous and not model.process.assigned and self._is_empty(model.process):
                self._new_processes.stop_sharing(model.process)
                await model.process.runner.close(0)
            return
        if model.process is not previous and not model.process.assigned:
            self._new_processes.stop_sharing(model.process)
            self._make_current(model.process, model.project.label_config)
        self._code.warn_if_other(model)
        self._install(model)

    async def _choose_process(self, model: LoadedModel, *, without_others: bool) -> ServingProcess:
        """Return a process to replace the model's own; with `without_others`, one without its other versions."""
        label_config, uid = model.project.label_config, model.project.uid
        if self._drain_first:
            return await self.processes.exchange(model.process, label_config)

        def has_others(process: ServingProcess) -> bool:
            return without_others and any(
                version.manifest != model.manifest for version in self._versions_in(process, uid)
            )

        return await self._new_processes.join(self.processes.group(label_config), model, has_others)

    async def _drain(self, model: LoadedModel) -> int:
        """With `drain_first`, wait until older versions are idle; return the number of the last one, else 0."""
        if not self._drain_first:
            return 0

        def older() -> list[LoadedModel]:
            versions = self._versions_in(model.process, model.project.uid)
            return [version for version in versions if version.number < model.number]

        while loading := [version.ready for version in older() if not version.ready.done()]:
            await asyncio.wait(loading)
        number = 0
        for version in older():
            self.models.withdraw(version, unload=False)  # from now on requests wait for the new version
            await version.wait_until_idle()
            number = version.number
        return number

    async def _build(self, model: LoadedModel, instead_of: int = 0) -> LoadedModel:
        """Build a model in its process, which removes number `instead_of` first, and return it. Raises its error."""
        spec = ModelSpec.of(model.project, model.manifest)
        model.succeed(await model.process.runner.load(model.number, spec, instead_of))
        return model

    def _load_failed(self, model: LoadedModel, error: Exception) -> None:
        model.fail(error := load_failure(model, error))
        kills = isinstance(error, ModelProcessDied) and model.retried
        blamed = isinstance(error, ModelLoadError) and not isinstance(error, NoLabelConfig | ParamsError)
        if model.manifest is not None and (kills or blamed):
            uid = model.project.uid
            name = model.manifest.name
            logger.error("Project %s: version %s does not load: %s", uid, name, error)
            if isinstance(error, BackendError):
                fix = error.fix or "See the server's log; another version is served"
                message = f"Version {name} does not load: {error.message}"
                self._counts().failures.add(
                    "model_load",
                    message,
                    fix=fix,
                    field=error.field,
                    code=error.code,
                    project=uid,
                    version=name,
                )
            self._selection.failed(uid, model.manifest, str(error))

    def _install(self, model: LoadedModel) -> None:
        """Let a model serve its project from now on, unless it was withdrawn or another version is to be served."""
        uid = model.project.uid
        if model.manifest is not None:
            self._selection.loaded(uid, model.manifest)
        if model.state not in (ModelState.LOADED, ModelState.SUPERSEDED):
            self.models.unload_if_idle(model)
            return
        previous = self.models.serving.get(uid)
        manifest = self._selection.manifest(uid)
        if previous is not None and key_of(model.project, manifest) != model.key:
            if model.manifest != manifest:  # a newer version was published meanwhile, and is loading
                self.models.withdraw(model)
            return
        if previous is not None and previous is not model:
            logger.info("Project %s: version %s is served now", uid, model.version)
        self.models.replace(previous, model)

    def _make_current(self, process: ServingProcess, label_config: str) -> None:
        """Make `process` the process for new loads of this label config.

        The previous one ends when it is idle, or, if its code differs, when its projects get a version or process of
        the new code.
        """
        previous = self.processes.replace(process, label_config)
        if previous is not None and previous.code.same(process.code):
            self.processes.spawn(self._retire(previous))

    async def _retire(self, process: ServingProcess) -> None:
        """End a process; its models answer until their successors are loaded, or until its queue is empty.

        Models that are held answer longer.
        """
        models = self.models.in_process(process)
        for model in models:
            self.models.supersede(model)
        await self.held.released(process)
        await process.batcher.drained()
        for model in models:
            self.models.withdraw(model, unload=False)
        await self.processes.retire(process)

    def _set_limits(self, process: ServingProcess, info: ClassInfo) -> None:
        process.batcher.max_batch = info.max_batch_size
        process.batcher.max_wait = info.max_wait
        process.batcher.slots = self._runners * info.concurrency
        self._selection.keep_first = info.generation == "event" and not process.runner.renewable

    def _versions_in(self, process: ServingProcess, uid: str) -> list[LoadedModel]:
        """Return the project's models that are loaded or loading in `process`."""
        models = self.models.in_process(process)
        return [model for model in models if model.project.uid == uid and model.failure is None]

    def _is_empty(self, process: ServingProcess) -> bool:
        return all(model.failure is not None for model in self.models.in_process(process))

    # Implementation of `process_assignment.ModelOwner`

    def models_in(self, process: ServingProcess) -> int:
        """Return the number of models that are loaded or loading in a process, or held there."""
        return len(self.models.in_process(process)) + self.held.count_in(process)

    def busy(self, process: ServingProcess) -> bool:
        """Return whether a request waits for a model in a process."""
        return any(model.in_flight or not model.ready.done() for model in self.models.in_process(process))

    def leave(self, process: ServingProcess) -> None:
        """Stop using the loaded models of a process."""
        for model in self.models.in_process(process):
            if model.loaded:
                self.models.withdraw(model, unload=False)

    async def empty(self, process: ServingProcess) -> None:
        """Stop using all models of a process; return when no request waits for them."""
        while loading := [model.ready for model in self.models.in_process(process) if not model.ready.done()]:
            await asyncio.wait(loading)
        models = self.models.in_process(process)
        for model in models:
            self.models.withdraw(model, unload=False)
        for model in models:
            await model.wait_until_idle()

    async def reload_models(self, process: ServingProcess) -> None:
        """Load the models of a process and of others for its label config in a new one, then end those.

        Raises the error of a model that fails to load, and changes nothing then. With `drain_first`, models load on
        demand.
        """
        new = await self.processes.new(quiet=True)
        try:
            self._set_limits(new, await asyncio.shield(new.runner.info))
            if self._drain_first and process.assigned:
                await new.runner.close(0)
                await self.processes.exchange(process, process.group)
                return
            successors = [
                (model, await self._build(self.models.create(model.project, model.manifest, new)))
                for model in self.models.all()
                if model.loaded and process.assigned and model.process.group == process.group
            ]
        except BaseException:
            await new.runner.close(0)
            raise
        previous = self.processes.take_over(new, process)
        for model, successor in successors:
            self.models.replace(model, successor)
        for old in previous:
            self.processes.spawn(self._retire(old))

    async def lost(self, process: ServingProcess, cause: str, *, current: bool) -> None:
        """Remove the models of a process that ended unexpectedly, and load them again."""
        models = [model for model in self.models.in_process(process) if model.failure is None]
        for model in models:
            self.models.withdraw(model, unload=False)
        to_reload = [model for model in models if current or model.loaded]
        if to_reload and not self.processes.closing:
            logger.error("%s; a new one is started", cause)
            for model in to_reload:
                await self._model_for(model.project)
