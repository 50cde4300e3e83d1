"""The live models: which version of which project is served, and by which lane.

A live model is one (project, version, label config, extra params, Label Studio host). It loads beside the one
that is served; only when it is ready does it take its place. A version that does not load leaves the old one serving.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from label_studio_ml.adapter import ClassInfo, ModelSpec
from label_studio_ml.errors import (
    BackendError,
    DeadlineExceeded,
    ModelError,
    ModelLoadError,
    ModelProcessDied,
    PredictError,
    RequestError,
)
from label_studio_ml.predictor import Answer, Request
from label_studio_ml.protocol import PredictRequest
from label_studio_ml.serving.batching import Batcher, LaneClosed
from label_studio_ml.serving.lanes import Lane
from label_studio_ml.versions.state import Project
from label_studio_ml.versions.store import Manifest, VersionStore

logger = logging.getLogger(__name__)

#: Live models kept at most; the one that was asked longest ago goes first.
MAX_LIVE = 32
#: Prediction requests that may wait for one lane.
MAX_QUEUE = 1024
#: Seconds until a model that did not load is tried again.
RETRY_AFTER = 5.0
#: Seconds until a request is answered, come what may; Label Studio gives up after 100 s (its ML_TIMEOUT_PREDICT).
DEADLINE = 95.0


@dataclass(slots=True, eq=False)
class _Home:
    """A lane with its queue. `asked` counts the live models' requests that are under way."""

    lane: Lane
    batcher: Batcher[Request, Answer]
    started: float


@dataclass(slots=True, eq=False)
class Live:
    """One model that is loaded, or loading."""

    number: int
    key: Hashable
    project: Project
    manifest: Manifest | None
    home: _Home
    ready: "asyncio.Future[str]" = field(repr=False)
    under_way: int = 0
    dropped: bool = False
    failed_at: float = 0.0

    @property
    def loaded(self) -> bool:
        """Whether the model can answer."""
        return self.ready.done() and self.ready.exception() is None

    @property
    def failure(self) -> BaseException | None:
        """Why the model did not load, or None."""
        return self.ready.exception() if self.ready.done() else None


class ModelPool:
    """Live models of all projects of one backend. Everything but the lanes' work runs on one event loop."""

    def __init__(
        self, make_lane: Callable[[], Lane], store: VersionStore, *, deadline: float = DEADLINE
    ) -> None:
        self._make_lane = make_lane
        self._store = store
        self._deadline = deadline
        self._home: _Home | None = None
        self._lives: OrderedDict[Hashable, Live] = OrderedDict()
        self._serving: dict[str, Live] = {}
        self._wanted: dict[str, tuple[str, Manifest | None]] = {}
        self._bad: dict[str, dict[str, str]] = {}
        self._numbers = 0
        self._starting = asyncio.Lock()
        self._quick_deaths = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False
        self.info: ClassInfo | None = None

    # What the endpoints ask

    async def start(self) -> None:
        """Start the first lane, which begins to import the model file."""
        await self._current_home()

    async def predict(self, project: Project, request: PredictRequest) -> bytes:
        """Return the results of `request` as a JSON array.

        Raises ModelError when the model cannot be had or fails for every task, ModelProcessDied when the
        request ends the model's process twice, Overloaded, DeadlineExceeded.
        """
        if not request.tasks:
            return b"[]"
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._answer(project, request)
        except TimeoutError:
            raise DeadlineExceeded(f"The model did not answer within {self._deadline:.0f} s") from None
        if answer.invalid:
            raise RequestError(answer.error, field="tasks")
        if answer.error:
            raise PredictError(answer.error)
        return answer.results

    async def touch(self, project: Project, wait: float = 0.0) -> str:
        """See to it that the project's model loads, waiting up to `wait` seconds; return the version's name.

        Raises the ModelError of a model that does not load.
        """
        live = await self._live(project)
        if not live.ready.done() and wait:
            await asyncio.wait([live.ready], timeout=wait)
        if live.failure is not None and live.manifest is not None:
            live = await self._live(project)
        if live.failure is not None and self._served(project.uid) is None:
            raise live.failure
        return self.version(project.uid)

    def version(self, uid: str) -> str:
        """Return the name of the version that the project is served, or will be."""
        served = self._served(uid)
        if served is not None:
            return served.ready.result()
        manifest = self._wanted_manifest(uid)
        if manifest is not None:
            return manifest.name
        return "0.0.1" if self.info is not None and self.info.generation == "event" else "INITIAL"

    def failures(self, uid: str) -> dict[str, str]:
        """Return the versions of a project that did not load, with the cause."""
        return dict(self._bad.get(uid, {}))

    async def refresh(self) -> None:
        """Look for new versions of the projects that are served, and begin to load them."""
        for uid, (seen, _) in list(self._wanted.items()):
            if self._store.hint(uid) != seen:
                self._wanted.pop(uid, None)
                served = self._serving.get(uid)
                if served is not None:
                    await self._live(served.project)

    async def renew(self, project: Project) -> None:
        """Look for a new version of `project`, and wait until it is served or has failed to load."""
        self._wanted.pop(project.uid, None)
        manifest = self._wanted_manifest(project.uid)
        key = _key(project, manifest)
        await self._live(project)
        live = self._lives.get(key)
        if live is not None:
            await asyncio.wait([live.ready])

    def forget(self, uid: str) -> None:
        """Drop everything live of a project."""
        self._serving.pop(uid, None)
        self._wanted.pop(uid, None)
        self._bad.pop(uid, None)
        for live in [live for live in self._lives.values() if live.project.uid == uid]:
            self._drop(live)

    async def close(self) -> None:
        """End the lanes."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        if self._home is not None:
            self._home.batcher.close("The backend is shutting down")
            await self._home.lane.close()

    # One request

    async def _answer(self, project: Project, request: PredictRequest) -> Answer:
        payload = Request(request.tasks_json, request.params, request.interactive)
        deaths = 0
        while True:
            live = await self._live(project)
            live.under_way += 1
            try:
                if not live.loaded:
                    await asyncio.shield(live.ready)
                return await live.home.batcher.submit(
                    (live.number, request.params),
                    payload,
                    size=len(request.tasks),
                    interactive=request.interactive,
                    alone=deaths > 0,
                )
            except ModelLoadError:
                if live.manifest is None or live.loaded:
                    raise  # else the version is marked by now, and an older one answers
            except LaneClosed:
                if self._closing:
                    raise
                await asyncio.sleep(0)
            except ModelProcessDied as death:
                deaths += 1
                self._drop(live)
                if deaths > 1:
                    raise ModelProcessDied(
                        f"{death.message}, twice, while it had this request", fix="See logs/server.log"
                    ) from death
            finally:
                live.under_way -= 1
                self._unload_if_idle(live)

    # Which model

    async def _live(self, project: Project) -> Live:
        """Return the live model to ask for `project`: the served one as long as the wanted one is not ready."""
        manifest = self._wanted_manifest(project.uid)
        key = _key(project, manifest)
        wanted = self._lives.get(key)
        if (
            wanted is not None
            and wanted.failure is not None
            and time.monotonic() - wanted.failed_at > RETRY_AFTER
        ):
            self._drop(wanted)
            wanted = None
        if wanted is None:
            fresh = manifest is not None and self._serving.get(project.uid) is not None
            wanted = await self._load(key, project, manifest, fresh=fresh)
        self._lives.move_to_end(key)
        if wanted.loaded:
            self._serving[project.uid] = wanted
            return wanted
        served = self._served(project.uid)
        if served is not None and served.project.label_config == project.label_config:
            return served
        return wanted

    def _served(self, uid: str) -> Live | None:
        served = self._serving.get(uid)
        return served if served is not None and served.loaded and not served.home.lane.ended.done() else None

    def _wanted_manifest(self, uid: str) -> Manifest | None:
        """Return the version to serve: the newest one that loads."""
        if uid not in self._wanted:
            bad = self._bad.get(uid, {})
            good = [manifest for manifest in self._store.versions(uid) if manifest.id not in bad]
            self._wanted[uid] = (self._store.hint(uid), good[-1] if good else None)
        return self._wanted[uid][1]

    async def _load(self, key: Hashable, project: Project, manifest: Manifest | None, *, fresh: bool) -> Live:
        """Begin to load a model. An event-generation class that replaces a version gets a fresh process."""
        home = await self._current_home()
        if key in self._lives:
            return self._lives[key]
        fresh = fresh and self.info is not None and self.info.generation == "event"
        self._numbers += 1
        live = Live(self._numbers, key, project, manifest, home, asyncio.get_running_loop().create_future())
        self._lives[key] = live
        self._spawn(self._finish_load(live, fresh=fresh))
        while len(self._lives) > MAX_LIVE:
            oldest = next(
                (one for one in self._lives.values() if not one.under_way and one.ready.done()), None
            )
            if oldest is None or oldest is live:
                break
            self._drop(oldest)
        return live

    async def _finish_load(self, live: Live, *, fresh: bool) -> None:
        spec = ModelSpec(
            project=live.project,
            version=live.manifest.name if live.manifest else "",
            train_output=live.manifest.train_output if live.manifest else {},
        )
        old = live.home if fresh else None
        try:
            if fresh:
                live.home = await self._new_home()
            self.info = await asyncio.shield(live.home.lane.info)
            live.home.batcher.max_batch = self.info.max_batch_size
            name = await live.home.lane.load(live.number, spec)
        except BackendError as error:
            self._load_failed(live, error)
            if fresh and old is not None:
                await live.home.lane.close(0)
            return
        if old is not None:
            self._move_in(live, old)
        live.ready.set_result(name)
        self._replace(live)

    def _load_failed(self, live: Live, error: BackendError) -> None:
        live.failed_at = time.monotonic()
        if not isinstance(error, ModelError | ModelProcessDied):
            error = ModelLoadError(str(error))
        live.ready.set_exception(error)
        live.ready.exception()  # nobody has to have waited for it
        if live.manifest is not None and isinstance(error, ModelLoadError):
            uid = live.project.uid
            logger.error("Project %s: version %s does not load: %s", uid, live.manifest.name, error)
            self._bad.setdefault(uid, {})[live.manifest.id] = str(error)
            self._wanted.pop(uid, None)

    def _replace(self, live: Live) -> None:
        """Serve `live` from now on, and let the models it replaces go."""
        uid = live.project.uid
        if _key(live.project, self._wanted_manifest(uid)) != live.key:
            return
        before = self._serving.get(uid)
        self._serving[uid] = live
        if before is not None and before is not live:
            logger.info("Project %s: version %s is served now", uid, live.ready.result())
            self._drop(before)

    def _drop(self, live: Live) -> None:
        """Forget a live model; its process forgets it after what is queued for it."""
        if self._lives.get(live.key) is live:
            del self._lives[live.key]
        if self._serving.get(live.project.uid) is live:
            del self._serving[live.project.uid]
        live.dropped = True
        self._unload_if_idle(live)

    def _unload_if_idle(self, live: Live) -> None:
        if live.dropped and live.loaded and not live.under_way and not live.home.lane.ended.done():
            live.home.lane.unload(live.number)

    # Lanes

    async def _current_home(self) -> _Home:
        async with self._starting:
            if self._home is None or self._home.lane.ended.done() or self._import_failed(self._home):
                self._home = await self._new_home()
            return self._home

    def _import_failed(self, home: _Home) -> bool:
        info = home.lane.info
        return info.done() and info.exception() is not None and time.monotonic() - home.started > RETRY_AFTER

    async def _new_home(self) -> _Home:
        if self._quick_deaths:
            await asyncio.sleep(min(10.0, 0.1 * 2**self._quick_deaths))
        lane = self._make_lane()

        async def run(key: Hashable, requests: Sequence[Request]) -> Sequence[Answer]:
            return await lane.predict(key[0], requests)  # type: ignore[index]

        home = _Home(lane, Batcher(run, max_batch=64, max_queue=MAX_QUEUE), time.monotonic())
        await lane.start()
        self._spawn(self._watch(home))
        return home

    async def _watch(self, home: _Home) -> None:
        """When a lane ends, turn its queue away and forget its models, so that they load again on the next one."""
        try:
            self.info = await asyncio.shield(home.lane.info)
        except BackendError as error:
            logger.error("The model file cannot be used: %s", error)
        why = await asyncio.shield(home.lane.ended)
        home.batcher.close(why)
        lost = [live for live in self._lives.values() if live.home is home]
        quick = time.monotonic() - home.started < 10
        for live in lost:
            if live.failure is None:
                self._lives.pop(live.key, None)
                self._serving.pop(live.project.uid, None)
        if self._home is home and not self._closing:
            self._quick_deaths = self._quick_deaths + 1 if quick else 0
            if any(live.failure is None for live in lost):
                logger.error("%s; a new one is started", why)
            for live in lost:
                if live.failure is None:
                    await self._live(live.project)

    def _move_in(self, live: Live, old: _Home) -> None:
        """Make the fresh lane of `live` the current one, and end the old one when it has nothing left to do."""
        self._home = live.home
        self._spawn(self._retire(old))

    async def _retire(self, home: _Home) -> None:
        lives = [live for live in self._lives.values() if live.home is home]
        for live in lives:
            del self._lives[live.key]
        await home.batcher.drained()
        for live in lives:
            if self._serving.get(live.project.uid) is live:
                del self._serving[live.project.uid]
        home.batcher.close("Its model process was replaced")
        await home.lane.close()

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("A background step failed", exc_info=task.exception())


def _key(project: Project, manifest: Manifest | None) -> Hashable:
    return (
        project.uid,
        manifest.id if manifest else "",
        project.label_config,
        project.hostname,
        project.access_token,
        repr(project.extra_params),
    )
