"""Answer prediction requests by the loaded models."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from label_studio_ml.errors import (
    BackendError,
    CallerLeft,
    DeadlineExceeded,
    ModelLoadError,
    ModelProcessDied,
    NoLabelConfig,
    Overloaded,
    ParamsError,
    PredictError,
    RequestError,
)
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.monitoring import logs
from label_studio_ml.protocol.interactive import RELEASE, TRACK, Interaction, parse_interaction
from label_studio_ml.protocol.prediction_json import TAKEN_OVER, superseded_results
from label_studio_ml.protocol.requests import PredictRequest
from label_studio_ml.serving.crash_retries import CrashRetries
from label_studio_ml.serving.prediction_failures import record_answer, record_error, record_late
from label_studio_ml.serving.prewarming import Prewarming
from label_studio_ml.serving.registry.loaded_model import LoadedModel, shutting_down
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.serving.requests.bulk import Bulk, LateResults
from label_studio_ml.serving.requests.deadlines import Deadlines
from label_studio_ml.serving.requests.queue_item import Place, RunnerClosed, Superseded
from label_studio_ml.versions.state.project_state import Project

#: Deadline of a request in seconds; Label Studio gives up after 100 s (its ML_TIMEOUT_PREDICT).
DEADLINE = 95.0
#: Share of the deadline after which a large request is answered with the available results.
BULK_SHARE = 0.85


@dataclass(slots=True)
class _Call:
    """An interactive request on its way to a model: what stays the same when it is sent again.

    `arrival` is its number in the order of arrival. `gone` returns whether its caller has left.
    """

    payload: Request
    interaction: Interaction
    arrival: int
    gone: Callable[[], bool] | None


class PredictionService:
    """Answers prediction requests by the models of `registry`.

    A request is answered within `deadline` seconds. With `log_request_ids`, models get the requests' ids for
    their log records.
    """

    def __init__(
        self, registry: ModelRegistry, *, deadline: float = DEADLINE, log_request_ids: bool = False
    ) -> None:
        self.registry = registry
        self._models = registry.models
        self._log_request_ids = log_request_ids
        self._deadlines = Deadlines(deadline)
        self._late_results = LateResults()
        self.prewarming: Prewarming | None = None
        self._arrivals = itertools.count()

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
            with self._deadlines.limit():
                info = self.registry.info
                if request.interactive and info is not None and not info.wants_drafts:
                    request = request.without_drafts()
                if info is None and len(request.tasks) > 1:
                    await self.registry.ready_model(project)  # then max_batch_size is known
                    info = self.registry.info
                if len(request.tasks) > (info.max_batch_size if info is not None else 1):
                    answer = await self._in_parts(project, request, gone)
                else:
                    answer = await self._answer_request(project, request, gone=gone)
        except asyncio.CancelledError:
            if gone is not None and gone():
                raise CallerLeft("The caller left before its turn") from None
            raise
        except TimeoutError:
            late = DeadlineExceeded(f"The model did not answer within {self._deadlines.seconds:.0f} s")
            self._record(project, request, late)
            raise late from None
        except BackendError as error:
            self._record(project, request, error)
            raise
        if answer.invalid:
            raise RequestError(answer.error, field="tasks")
        if answer.error:
            failure = PredictError(answer.error)
            failure.reported = True  # with the answer
            raise failure
        return answer.results

    def _record(self, project: Project, request: PredictRequest, error: BackendError) -> None:
        """Record the error that a request or a part of one ended with, except those of requests at the shutdown."""
        if not self.registry.processes.closing:
            record_error(self.registry.counts.failures, project.uid, request.tasks, error)

    async def _answer_request(
        self,
        project: Project,
        request: PredictRequest,
        *,
        gone: Callable[[], bool] | None = None,
        pinned: LoadedModel | None = None,
    ) -> Answer:
        """Answer one request, or one part of a large request by the `pinned` model; retry after others' failures."""
        request_id = logs.request_id.get() if self._log_request_ids else ""
        payload = Request(request.tasks_json, request.params, request.interactive, request_id)
        # A part of a large request is no click, even if it has one task: each of its tasks needs a result.
        interaction = parse_interaction(request) if request.interactive and pinned is None else None
        call = _Call(payload, interaction, next(self._arrivals), gone) if interaction is not None else None
        retries = CrashRetries()
        while True:
            model = pinned if pinned is not None and pinned.usable else None
            if model is None and interaction is not None and interaction.event:
                model = self.registry.held.model_of(interaction.session)
            model = model or self.registry.current_model(project)
            if model is None:
                model = await self.registry.model_for(project)
            model.in_flight += 1
            try:
                if not model.loaded:
                    await asyncio.shield(model.ready)
                if pinned is not None and model.version != pinned.version:
                    return Answer(error=f"{TAKEN_OVER}, {model.version}; ask again")
                if call is not None:
                    answer = await self._interact(model, call, exclusive=retries.alone)
                else:
                    bulk = pinned is not None
                    answer = await self._ask(model, request, payload, gone, bulk=bulk, alone=retries.alone)
                model.renamed = answer.version or model.renamed
                if answer.failed or answer.error or answer.refused:
                    counts = self.registry.counts
                    counts.invalid(answer.refused, answer.repaired)
                    record_answer(counts.failures, project.uid, request.tasks, answer, model.version)
                if request.interactive and self.prewarming is not None:
                    self.prewarming.after(model, request.tasks[0])
                return answer
            except Superseded:
                self.registry.counts.superseded += 1
                return Answer(results=superseded_results(model.version))
            except ModelLoadError as error:
                if isinstance(error, NoLabelConfig | ParamsError) or model.manifest is None or model.loaded:
                    raise  # otherwise the version was marked as bad, and an older one answers
            except RunnerClosed:
                if self.registry.processes.closing:
                    raise shutting_down() from None
                await asyncio.sleep(0)
            except ModelProcessDied as death:
                if model.loaded and model.process.runner.ended.done():
                    self._models.withdraw(model)
                retries.count(model, death)
            finally:
                self._models.leave(model)

    def _ask(
        self,
        model: LoadedModel,
        request: PredictRequest,
        payload: Request,
        gone: Callable[[], bool] | None,
        *,
        bulk: bool,
        alone: bool,
    ) -> Awaitable[Answer]:
        """Queue a request for a loaded model, and return an awaitable of its answer."""
        return model.process.batcher.submit(
            (model.number, request.params, None),
            payload,
            size=len(request.tasks),
            weight=len(payload.tasks),
            interactive=request.interactive,
            bulk=bulk,
            exclusive=alone,
            gone=gone,
        )

    async def _interact(self, model: LoadedModel, call: "_Call", *, exclusive: bool) -> Answer:
        """Return a loaded model's answer to a click or event. A long poll goes past the queue: it takes no slot."""
        process, interaction = model.process, call.interaction
        if self._is_long_poll(interaction):
            if call.gone is not None and call.gone():
                raise CallerLeft("The caller left before its turn")
            if not process.usable:
                raise RunnerClosed("The model process was replaced")
            self.registry.held.prolong(interaction.session)
            return await process.runner.long_poll(model.number, call.payload, interaction.session)
        place = self._place(model, interaction)
        answer = await process.batcher.submit(
            (model.number, call.payload.params, place),
            call.payload,
            weight=len(call.payload.tasks),
            interactive=True,
            exclusive=exclusive,
            gone=call.gone,
            place=place,
            click=interaction,
            order=call.arrival,
        )
        if interaction.event:
            self._follow(interaction, model)
        return answer

    def _follow(self, interaction: Interaction, model: LoadedModel) -> None:
        """Keep a model that has started a tracker, and let go of the state that a page has released."""
        if interaction.event == TRACK:
            self.registry.held.hold(interaction.session, model)
        elif interaction.event == RELEASE:
            self.registry.held.release(interaction.session)
            model.process.runner.release(interaction.session)

    def _is_long_poll(self, interaction: Interaction) -> bool:
        info = self.registry.info
        return info is not None and interaction.event in info.long_poll_events

    def _place(self, model: LoadedModel, interaction: Interaction) -> Place | None:
        """Return the place for an interactive request: the process with its task's state; None for any process."""
        if not interaction.session:
            return None
        info = self.registry.info
        wait = info.session_wait if info is not None else 0.0
        return model.process.runner.place(interaction.session, None if interaction.event else wait)

    async def _in_parts(
        self, project: Project, request: PredictRequest, gone: Callable[[], bool] | None
    ) -> Answer:
        """Answer a large request in parts, all of them by the same version."""
        began = time.monotonic()
        model = await self.registry.ready_model(project)
        model.in_flight += 1
        try:

            async def ask(tasks: list[bytes]) -> Answer:
                part = msgspec.structs.replace(request, tasks=tasks)
                try:
                    return await self._answer_request(project, part, gone=gone, pinned=model)
                except Overloaded as error:
                    if self.registry.processes.closing:
                        return Answer(error=str(error))  # a retry would be of no use
                    raise
                except BackendError as error:  # the other parts are answered
                    self._record(project, part, error)
                    raise

            bulk = Bulk(
                request.tasks,
                request.params,
                key=(model.key, model.version),
                version=model.version,
                kept=self._late_results,
                ask=ask,
            )
            batcher = model.process.batcher
            seconds_left = self._deadlines.seconds * BULK_SHARE - (time.monotonic() - began)
            answer = await bulk.run(
                part=batcher.max_batch, at_once=batcher.slots + 1, patience=max(0.0, seconds_left)
            )
            if bulk.late_tasks:
                failures, uid = self.registry.counts.failures, project.uid
                record_late(failures, uid, bulk.late_tasks, bulk.late_cause, model.version)
            return answer
        finally:
            self._models.leave(model)
