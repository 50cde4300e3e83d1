"""Answer prediction requests by the loaded models."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from label_studio_ml.errors import (
    CallerLeft,
    DeadlineExceeded,
    ModelLoadError,
    ModelProcessDied,
    NoLabelConfig,
    Overloaded,
    PredictError,
    RequestError,
    VersionError,
)
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.monitoring import logs
from label_studio_ml.protocol.requests import PredictRequest
from label_studio_ml.serving.registry.loaded_model import LoadedModel, shutting_down
from label_studio_ml.serving.registry.loaded_models import LoadedModels
from label_studio_ml.serving.requests.batching import RunnerClosed
from label_studio_ml.serving.requests.bulk import Bulk, Kept
from label_studio_ml.serving.requests.deadlines import Deadlines
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore

logger = logging.getLogger(__name__)

#: Deadline of a request in seconds; Label Studio gives up after 100 s (its ML_TIMEOUT_PREDICT).
DEADLINE = 95.0
#: Seconds that /setup waits for a remote store to name the version to serve; Label Studio waits 3 s.
BRING_PATIENCE = 2.0
#: Share of the deadline after which a large request is answered with the available results.
BULK_SHARE = 0.85


class PredictionService(LoadedModels):
    """The live models of all projects of one backend, and the path of a request to them.

    `deadline` is the most seconds until a request is answered. With `tell_ids`, models get the requests' ids for
    their log records. `options` are those of `LoadedModels`.
    """

    def __init__(
        self,
        make_runner: Callable[[], ModelRunner],
        store: VersionStore,
        *,
        deadline: float = DEADLINE,
        tell_ids: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(make_runner, store, **options)
        self._tell_ids = tell_ids
        self._deadlines = Deadlines(deadline)
        self._kept = Kept()

    @property
    def waiting(self) -> int:
        """The number of prediction requests that are queued."""
        return sum(len(process_group.batcher) for process_group in self._running.all)

    @property
    def under_way(self) -> int:
        """The number of prediction requests in flight, including queued ones."""
        return sum(live.under_way for live in self._lives.values())

    @property
    def processes(self) -> int:
        """The number of running runners."""
        return sum(not process_group.runner.ended.done() for process_group in self._running.all)

    def served_versions(self) -> list[tuple[str, str]]:
        """Return the uid and the name of the serving version of each project."""
        return [(uid, self.version(uid)) for uid in self._serving]

    def version_if_known(self, uid: str) -> str | None:
        """Return the name of the version that serves the project; None if it is not known."""
        try:
            return self.version(uid)
        except (VersionError, OSError):
            return None

    def problem(self) -> str:
        """Return why no prediction can be answered now; empty if the model file is imported and its runner runs."""
        process_groups = self._running.current
        infos = [process_group.runner.info for process_group in process_groups]
        if any(
            info.done() and info.exception() is None and not process_group.runner.ended.done()
            for process_group, info in zip(process_groups, infos, strict=True)
        ):
            return ""
        failures = [failure for info in infos if info.done() and (failure := info.exception()) is not None]
        return str(failures[-1]) if failures else "the model's process is starting"

    async def predict(
        self, project: Project, request: PredictRequest, gone: Callable[[], bool] | None = None
    ) -> bytes:
        """Return the results of `request` as a JSON array. `gone` returns whether the caller has left.

        A request with more tasks than the class takes per call is answered in parts, between other requests; tasks
        without a result near the deadline get an entry with an error. Raises ModelError when the model cannot be
        loaded, PredictError when it fails for every task, ModelProcessDied when the request ends the model's process
        twice, RequestError for invalid tasks, Overloaded, DeadlineExceeded, and CallerLeft.
        """
        if not request.tasks:
            return b"[]"
        try:
            with self._deadlines.stay():
                if self.info is None and len(request.tasks) > 1:
                    await self._ready(project)  # then max_batch_size is known
                if len(request.tasks) > (self.info.max_batch_size if self.info else 1):
                    answer = await self._in_parts(project, request, gone)
                else:
                    answer = await self._answer(project, request, gone=gone)
        except asyncio.CancelledError:
            if gone is not None and gone():
                raise CallerLeft("The caller left before its turn") from None
            raise
        except TimeoutError:
            raise DeadlineExceeded(
                f"The model did not answer within {self._deadlines.seconds:.0f} s"
            ) from None
        if answer.invalid:
            raise RequestError(answer.error, field="tasks")
        if answer.error:
            raise PredictError(answer.error)
        return answer.results

    async def touch(self, project: Project, wait: float = 0.0) -> str:
        """Start loading the project's model, wait up to `wait` seconds for it, and return the version's name.

        Raises the load error if no version can serve.
        """

        async def look() -> LoadedModel:
            live = await self._live(project)
            if not live.ready.done():
                await asyncio.wait([live.ready])
            stands_in = live.failure is not None and live.manifest is not None
            return await self._live(project) if stands_in else live

        if self._remote:
            await self._arrivals.bring(project.uid, patience=BRING_PATIENCE)
        looking = self._running.spawn(look())
        await asyncio.wait([looking], timeout=wait)
        failure = looking.result().failure if looking.done() else None
        if failure is not None and self._served(project.uid) is None:
            raise failure
        return self.version(project.uid)

    def _at_hand(self, project: Project) -> LoadedModel | None:
        """Return the project's serving model if it is still the wanted one, else None. A fast path for `_live`."""
        live = self._serving.get(project.uid)
        if (
            live is None
            or live.project is not project
            or live.key not in self._lives
            or not self._usable(live)
        ):
            return None
        wanted = self._wanted.manifest(project.uid)
        if wanted is not live.manifest and wanted != live.manifest:
            return None
        self._lives.move_to_end(live.key)
        return live

    async def _answer(
        self,
        project: Project,
        request: PredictRequest,
        *,
        gone: Callable[[], bool] | None = None,
        pinned: LoadedModel | None = None,
    ) -> Answer:
        """Answer one request, or one part of a large request by the `pinned` model."""
        request_id = logs.request_id.get() if self._tell_ids else ""
        payload = Request(request.tasks_json, request.params, request.interactive, request_id)
        deaths = 0
        while True:
            live = pinned if pinned is not None and self._usable(pinned) else self._at_hand(project)
            if live is None:
                live = await self._live(project)
            live.under_way += 1
            try:
                if not live.loaded:
                    await asyncio.shield(live.ready)
                if pinned is not None and live.version != pinned.version:
                    return Answer(error=f"version {live.version} took over meanwhile; ask again")
                answer = await live.process_group.batcher.submit(
                    (live.number, request.params),
                    payload,
                    size=len(request.tasks),
                    weight=len(payload.tasks),
                    interactive=request.interactive,
                    bulk=pinned is not None,
                    apart=deaths > 0,
                    gone=gone,
                )
                live.renamed = answer.version or live.renamed
                self.counts.invalid(answer.refused)
                return answer
            except NoLabelConfig:
                raise
            except ModelLoadError:
                if live.manifest is None or live.loaded:
                    raise  # otherwise the version was marked as bad, and an older one answers
            except RunnerClosed:
                if self._running.closing:
                    raise shutting_down() from None
                await asyncio.sleep(0)
            except ModelProcessDied as death:
                if live.loaded:
                    deaths += 1
                    if live.process_group.runner.ended.done():
                        self._drop(live)
                if deaths > 1:
                    raise ModelProcessDied(
                        f"{death.message}, twice, while it had this request", fix="See logs/server.log"
                    ) from death
                if not live.loaded and live.again and live.manifest is None:
                    raise ModelProcessDied(
                        f"{death.message} while it loaded the model", fix="See logs/server.log"
                    ) from death
            finally:
                self._leave(live)

    async def _in_parts(
        self, project: Project, request: PredictRequest, gone: Callable[[], bool] | None
    ) -> Answer:
        """Answer a large request in parts, all of them by the same version."""
        began = time.monotonic()
        live = await self._ready(project)
        live.under_way += 1
        try:

            async def ask(tasks: list[bytes]) -> Answer:
                part = msgspec.structs.replace(request, tasks=tasks)
                try:
                    return await self._answer(project, part, gone=gone, pinned=live)
                except Overloaded as error:
                    if self._running.closing:
                        return Answer(error=str(error))  # a retry would be of no use
                    raise

            bulk = Bulk(
                request.tasks,
                request.params,
                key=(live.key, live.version),
                version=live.version,
                kept=self._kept,
                ask=ask,
            )
            batcher = live.process_group.batcher
            patience = self._deadlines.seconds * BULK_SHARE - (time.monotonic() - began)
            return await bulk.run(
                part=batcher.max_batch, at_once=batcher.slots + 1, patience=max(0.0, patience)
            )
        finally:
            self._leave(live)
