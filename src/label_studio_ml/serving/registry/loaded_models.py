"""Registry of the loaded models: which one serves each project, and in which process.

A live model is identified by project, version, label config, extra params and Label Studio host. A new one loads
beside the serving one and replaces it when it is ready. If it fails to load, the old one goes on serving.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from label_studio_ml.config.settings import DEFAULT_LABEL_CONFIGS
from label_studio_ml.errors import ModelLoadError, ModelProcessDied, NoLabelConfig
from label_studio_ml.model_calls.adapter import INITIAL, ClassInfo, ModelSpec
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.serving.registry.code_choice import CodeChoice
from label_studio_ml.serving.registry.loaded_model import (
    LoadedModel,
    ProcessGroup,
    key_of,
    load_failure,
    shutting_down,
)
from label_studio_ml.serving.registry.process_assignment import ModelProcesses
from label_studio_ml.serving.registry.replacements import Replacements
from label_studio_ml.serving.registry.version_fetch import VersionFetch
from label_studio_ml.serving.registry.version_selection import VersionSelection
from label_studio_ml.serving.requests.batching import RunnerClosed
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

logger = logging.getLogger(__name__)

#: The most live models; the least recently used one is evicted first.
MAX_LIVE = 32
#: Seconds until loading a model that failed is retried.
RETRY_AFTER = 5.0


class LoadedModels:
    """Live models of all projects of one backend. Everything but the runners' work runs on one event loop.

    `make_runner` returns a new runner, which runs `runners` times `concurrency` calls at a time. With `separate`,
    projects with different label configs share no runner, and at most `most` label configs have one. With
    `drain_first`, a new version loads only after the old one has left the memory; requests wait. `remembered(uid)`
    returns the name that an untrained class gave its version earlier, or None. `code_on_disk` returns the identity of
    the current files.
    """

    def __init__(
        self,
        make_runner: Callable[[], ModelRunner],
        store: VersionStore,
        *,
        retry_after: float = RETRY_AFTER,
        runners: int = 1,
        drain_first: bool = False,
        separate: bool = False,
        most: int = DEFAULT_LABEL_CONFIGS,
        remembered: Callable[[str], str | None] = lambda uid: None,
        code_on_disk: Callable[[], CodeIdentity] = CodeIdentity,
    ) -> None:
        self.counts = Counts()
        self._running = ModelProcesses(
            make_runner, self, lambda: self.counts, retry_after=retry_after, separate=separate, most=most
        )
        self._code = CodeChoice(code_on_disk)
        self._successors = Replacements(self._running, self._code)
        self._retry_after = retry_after
        self._runners = runners
        self._drain_first = drain_first
        self._remembered = remembered
        self._lives: OrderedDict[Hashable, LoadedModel] = OrderedDict()
        self._serving: dict[str, LoadedModel] = {}
        self._remote = store.remote
        self._wanted = VersionSelection(store)
        self._arrivals = VersionFetch(store, self._wanted)
        self._numbers = 0

    async def start(self) -> None:
        """Start the first process, which begins to import the model file."""
        await self._running.start()

    @property
    def info(self) -> ClassInfo | None:
        """The class as the process that was asked last describes it; None before any has imported it."""
        return self._running.info

    def expect(self, info: ClassInfo) -> None:
        """Use `info` until a process has imported the class."""
        self._running.info = info

    def version(self, uid: str) -> str:
        """Return the name of the version that serves the project, or will."""
        served = self._served(uid)
        if served is not None:
            return served.version
        manifest = self._wanted.manifest(uid)
        if manifest is not None:
            return manifest.name
        remembered = self._remembered(uid)
        if remembered:
            return remembered
        return self.info.initial_version if self.info is not None else INITIAL

    def failures(self, uid: str) -> dict[str, str]:
        """Return the causes of the project's load failures by version id."""
        return self._wanted.failures(uid)

    async def refresh(self) -> None:
        """Load new versions and apply new decisions for projects with live models; end unused processes."""
        for uid in self._wanted.changed({live.project.uid for live in self._lives.values()}):
            live = self._serving.get(uid) or self._any_live(uid)
            if live is not None:
                await self._live(live.project)
        self._running.end_unused()

    async def renew(self, project: Project) -> None:
        """Load the project's new version, if any, and wait until it is ready or has failed."""
        self._wanted.renew(project.uid)
        manifest = self._wanted.manifest(project.uid)
        key = key_of(project, manifest)
        await self._live(project)
        live = self._lives.get(key)
        if live is not None:
            await asyncio.wait([live.ready])

    async def reload(self) -> None:
        """Load all models again in new processes with the code on the disk. Raises the error of a failed load."""
        for old in self._running.current:
            await self.load_again(old)

    async def _again(self, live: LoadedModel, process_group: ProcessGroup) -> LoadedModel:
        """Load a model once more, in `process_group`, and return it."""
        self._numbers += 1
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        anew = LoadedModel(self._numbers, live.key, live.project, live.manifest, process_group, ready)
        ready.set_result(
            await process_group.runner.load(anew.number, ModelSpec.of(live.project, live.manifest))
        )
        return anew

    def forget(self, uid: str) -> None:
        """Remove all live models of a project."""
        self._serving.pop(uid, None)
        self._wanted.forget(uid)
        for live in [live for live in self._lives.values() if live.project.uid == uid]:
            self._drop(live)

    async def close(self) -> None:
        """End the processes."""
        for live in self._lives.values():
            live.fail(RunnerClosed("The backend is shutting down"))
        await self._running.close()

    async def _ready(self, project: Project) -> LoadedModel:
        """Return a loaded model for the project. Raises the error that keeps it from loading."""
        while True:
            live = await self._live(project)
            try:
                await asyncio.shield(live.ready)
            except ModelLoadError as error:
                if live.manifest is None or isinstance(error, NoLabelConfig):
                    raise
            except (RunnerClosed, ModelProcessDied) as error:
                if self._running.closing:
                    raise shutting_down() from error
                if live.again and isinstance(error, ModelProcessDied):
                    raise
                await asyncio.sleep(0)
            else:
                return live

    def _usable(self, live: LoadedModel) -> bool:
        return (
            live.loaded
            and not live.process_group.runner.ended.done()
            and live.process_group in self._running.all
            and not live.process_group.retired
        )

    async def _live(self, project: Project) -> LoadedModel:
        """Return the live model to ask for `project`: the serving one until the wanted one is ready."""
        if self._remote:
            await self._arrivals.bring(project.uid)
        manifest = self._wanted.manifest(project.uid)
        key = key_of(project, manifest)
        wanted = self._lives.get(key)
        again = False
        if wanted is not None and wanted.to_retry(self._retry_after):
            again = isinstance(wanted.failure, ModelProcessDied)
            self._drop(wanted)
            wanted = None
        if wanted is None:
            wanted = await self._load(key, project, manifest, again=again)
        self._lives.move_to_end(key)
        if wanted.loaded:
            self._serving[project.uid] = wanted
            return wanted
        served = self._served(project.uid)
        if served is not None and served.project.label_config == project.label_config:
            return served
        return wanted

    def _any_live(self, uid: str) -> LoadedModel | None:
        return next((live for live in reversed(self._lives.values()) if live.project.uid == uid), None)

    def _served(self, uid: str) -> LoadedModel | None:
        served = self._serving.get(uid)
        return (
            served
            if served is not None and served.loaded and not served.process_group.runner.ended.done()
            else None
        )

    async def _load(
        self, key: Hashable, project: Project, manifest: Manifest | None, *, again: bool
    ) -> LoadedModel:
        """Begin to load a model. An event-generation class that replaces a version gets a new process."""
        process_group = await self._running.process_group_for(
            project.label_config, manifest.code if manifest is not None else CodeIdentity()
        )
        if key in self._lives:
            return self._lives[key]
        served = self._serving.get(project.uid)
        event = self.info is not None and self.info.generation == "event"
        # The same version may load again, for another label config or because its process was replaced.
        others = [one.manifest for one in self._beside(project.uid, process_group)] + (
            [served.manifest] if served else []
        )
        fresh = event and manifest is not None and any(other != manifest for other in others)
        self._numbers += 1
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        live = LoadedModel(self._numbers, key, project, manifest, process_group, ready, again=again)
        self._lives[key] = live
        self._running.spawn(self._finish_load(live, fresh=fresh))
        self._evict()
        return live

    def _beside(self, uid: str, process_group: ProcessGroup) -> list[LoadedModel]:
        """Return the project's models that are loaded or loading in `process_group`."""
        return [
            live
            for live in self._lives.values()
            if live.project.uid == uid and live.process_group is process_group and live.failure is None
        ]

    def _evict(self) -> None:
        """Remove idle models, the least recently used first, until at most `MAX_LIVE` are left."""
        if len(self._lives) > MAX_LIVE:
            idle = [live for live in self._lives.values() if not live.under_way and live.ready.done()]
            for live in idle[: len(self._lives) - MAX_LIVE]:
                self._drop(live)

    async def _finish_load(self, live: LoadedModel, *, fresh: bool) -> None:
        spec = ModelSpec.of(live.project, live.manifest)
        old = live.process_group
        try:
            await asyncio.shield(old.runner.info)
            if await self._code.needs_process(live) or fresh:
                live.process_group = await self._another_process(live, fresh=fresh)
            info = self._running.info = await asyncio.shield(live.process_group.runner.info)
            self._set_limits(live.process_group, info)
            name = await live.process_group.runner.load(live.number, spec, await self._make_room(live))
        except Exception as error:  # noqa: BLE001 (any error must reach the tasks that wait for it)
            self._load_failed(live, error)
            here = [
                one for one in self._all() if one.process_group is live.process_group and one.failure is None
            ]
            if live.process_group is not old and not live.process_group.placed and not here:
                self._successors.arrived(live.process_group)
                await live.process_group.runner.close(0)
            return
        if live.process_group is not old and not live.process_group.placed:
            self._successors.arrived(live.process_group)
            self._move_in(live.process_group, live.project.label_config)
        self._code.say(live)
        live.ready.set_result(name)
        if live.manifest is not None:
            self._wanted.loaded(live.project.uid, live.manifest)
        if live.dropped:
            self._unload_if_idle(live)
        else:
            self._replace(live)

    async def _another_process(self, live: LoadedModel, *, fresh: bool) -> ProcessGroup:
        """Return a process to replace the model's own; with `fresh`, one without other versions of the project."""
        old, label_config = live.process_group, live.project.label_config
        if self._drain_first:
            return await self._running.exchange(old, label_config)

        def others(process_group: ProcessGroup) -> bool:
            return fresh and any(
                one.manifest != live.manifest for one in self._beside(live.project.uid, process_group)
            )

        return await self._successors.join(self._running.group(label_config), live, others)

    def _set_limits(self, process_group: ProcessGroup, info: ClassInfo) -> None:
        process_group.batcher.max_batch = info.max_batch_size
        process_group.batcher.max_wait = info.max_wait
        process_group.batcher.slots = self._runners * info.concurrency
        self._wanted.keep_first = info.generation == "event" and not process_group.runner.renewable

    async def _make_room(self, live: LoadedModel) -> int:
        """With `drain_first`, wait until older versions are idle; return the number of the last one, else 0."""
        if not self._drain_first:
            return 0

        def older() -> list[LoadedModel]:
            return [
                one for one in self._beside(live.project.uid, live.process_group) if one.number < live.number
            ]

        while loading := [one.ready for one in older() if not one.ready.done()]:
            await asyncio.wait(loading)
        number = 0
        for one in older():
            self._take_out(one)  # from now on requests wait for the new version
            while one.under_way:
                one.idle.clear()
                await one.idle.wait()
            number = one.number
        return number

    def _load_failed(self, live: LoadedModel, error: Exception) -> None:
        live.failed_at = time.monotonic()
        live.fail(error := load_failure(live, error))
        kills = isinstance(error, ModelProcessDied) and live.again
        blamed = isinstance(error, ModelLoadError) and not isinstance(error, NoLabelConfig)
        if live.manifest is not None and (kills or blamed):
            uid = live.project.uid
            logger.error("Project %s: version %s does not load: %s", uid, live.manifest.name, error)
            self._wanted.failed(uid, live.manifest, str(error))

    def _replace(self, live: LoadedModel) -> None:
        """Let `live` serve from now on, and remove the model it replaces."""
        uid = live.project.uid
        before = self._serving.get(uid)
        manifest = self._wanted.manifest(uid)
        if before is not None and key_of(live.project, manifest) != live.key:
            if live.manifest != manifest:  # a newer one was published while it loaded, and loads itself
                self._drop(live)
            return
        self._serving[uid] = live
        if before is not None and before is not live:
            logger.info("Project %s: version %s is served now", uid, live.version)
            self._drop(before)

    def _drop(self, live: LoadedModel) -> None:
        """Remove a live model; its process unloads it after the requests in flight."""
        self._take_out(live)
        live.dropped = True
        self._unload_if_idle(live)

    def _leave(self, live: LoadedModel) -> None:
        """Record the end of one request to a model."""
        live.under_way -= 1
        self._unload_if_idle(live)
        self._evict()

    def _unload_if_idle(self, live: LoadedModel) -> None:
        if not live.under_way:
            live.idle.set()
        if live.dropped and live.loaded and not live.under_way and not live.process_group.runner.ended.done():
            live.process_group.runner.unload(live.number)

    def _move_in(self, process_group: ProcessGroup, label_config: str) -> None:
        """Make `process_group` the process for new loads of this label config.

        The previous one ends when it is idle, or, if its code differs, when its projects get a version or process of
        the new code.
        """
        before = self._running.replace(process_group, label_config)
        if before is not None and before.code.same(process_group.code):
            self._running.spawn(self._retire(before))

    async def _retire(self, process_group: ProcessGroup) -> None:
        lives = [live for live in self._lives.values() if live.process_group is process_group]
        for live in lives:
            del self._lives[live.key]
        await process_group.batcher.drained()
        for live in lives:
            if self._serving.get(live.project.uid) is live:
                del self._serving[live.project.uid]
        await self._running.retire(process_group)

    # Implementation of `processes.Tenants`

    def models_in(self, process_group: ProcessGroup) -> int:
        """Return the number of models that are loaded or loading in a process."""
        return len({live.number for live in self._all() if live.process_group is process_group})

    def busy(self, process_group: ProcessGroup) -> bool:
        """Return whether a request waits for a model in a process."""
        return any(
            live.under_way or not live.ready.done()
            for live in self._all()
            if live.process_group is process_group
        )

    def leave(self, process_group: ProcessGroup) -> None:
        """Stop using the loaded models of a process."""
        for live in [live for live in self._all() if live.process_group is process_group and live.loaded]:
            self._take_out(live)

    async def empty(self, process_group: ProcessGroup) -> None:
        """Stop using all models of a process; return when no request waits for them."""
        while loading := [
            live.ready
            for live in self._all()
            if live.process_group is process_group and not live.ready.done()
        ]:
            await asyncio.wait(loading)
        lives = [live for live in self._all() if live.process_group is process_group]
        for live in lives:
            self._take_out(live)
        for live in lives:
            while live.under_way:
                live.idle.clear()
                await live.idle.wait()

    async def load_again(self, process_group: ProcessGroup) -> None:
        """Load the models of a process and of others for its label config in a new one, then end those.

        Raises the error of a model that fails to load, and changes nothing then. With `drain_first`, models load on
        demand.
        """
        made = await self._running.new(quiet=True)
        try:
            self._set_limits(made, await asyncio.shield(made.runner.info))
            if self._drain_first and process_group.placed:
                await made.runner.close(0)
                await self._running.exchange(process_group, process_group.group)
                return
            here = [
                one
                for one in self._all()
                if one.loaded and process_group.placed and one.process_group.group == process_group.group
            ]
            again = [(live, await self._again(live, made)) for live in dict.fromkeys(here)]
        except BaseException:
            await made.runner.close(0)
            raise
        before = self._running.take_over(made, process_group)
        for live, anew in again:
            if self._lives.get(live.key) is not live and self._serving.get(live.project.uid) is not live:
                made.runner.unload(anew.number)  # it was replaced meanwhile
            if self._lives.get(live.key) is live:
                self._lives[live.key] = anew
            if self._serving.get(live.project.uid) is live:
                self._serving[live.project.uid] = anew
        for one in before:
            self._running.spawn(self._retire(one))

    async def lost(self, process_group: ProcessGroup, why: str, *, current: bool) -> None:
        """Remove the models of a process that ended unexpectedly, and load them again."""
        lost = {
            live.number: live
            for live in self._all()
            if live.process_group is process_group and live.failure is None
        }
        for live in lost.values():
            self._take_out(live)
        again = [live for live in lost.values() if current or live.loaded]
        if again and not self._running.closing:
            logger.error("%s; a new one is started", why)
            for live in again:
                await self._live(live.project)

    def _all(self) -> list[LoadedModel]:
        """Return the known models, and those that serve until a newer one is loaded."""
        return [*self._lives.values(), *self._serving.values()]

    def _take_out(self, live: LoadedModel) -> None:
        """Stop sending requests to a model."""
        if self._lives.get(live.key) is live:
            del self._lives[live.key]
        if self._serving.get(live.project.uid) is live:
            del self._serving[live.project.uid]
