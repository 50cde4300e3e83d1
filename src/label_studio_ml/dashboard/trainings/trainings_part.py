"""The dashboard's view of trainings: lists by state, one training with metrics and log, cancel, retry, train now."""

import asyncio
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.page_request import PageRequest, Route, Topic
from label_studio_ml.dashboard.trainings import training_calls
from label_studio_ml.dashboard.trainings.project_names import ProjectNames
from label_studio_ml.dashboard.trainings.training_records import TrainingRecords
from label_studio_ml.dashboard.trainings.training_requests import TrainingRequests
from label_studio_ml.errors import RequestError, UnknownJob
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.training.overview.full_log import MAX_LINES
from label_studio_ml.training.redis.job_index import STATES
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.threads import Threads

#: The most entries of one page of a list, and the highest number of its first entry.
MAX_PAGE, MAX_OFFSET = 200, 1_000_000
#: Threads for calls to Redis and to files: a Redis that hangs blocks them for seconds.
THREADS = 4


class TrainingsPart:
    """The view `trainings`. Calls that may block run in threads of its own."""

    def __init__(
        self,
        settings: Settings,
        intake: TrainingIntake,
        registry: ModelRegistry,
        projects: ProjectRegistry,
        store: VersionStore,
    ) -> None:
        self._threads = Threads(THREADS, "trainings page")
        self._records = TrainingRecords(settings, intake, store)
        self._names = ProjectNames(projects)
        self._requests = TrainingRequests(intake, registry, projects, store, self._threads)
        self.routes = (
            Route(training_calls.LIST_TRAININGS, self._list),
            Route(training_calls.TRAINING_COUNTS, self._counts),
            Route(training_calls.PARKED, self._parked),
            Route(training_calls.TRAIN_NOW, self._train),
            Route(training_calls.RETRY_PARKED, self._retry_parked),
            Route(training_calls.TRAINING, self._job),
            Route(training_calls.TRAINING_METRICS, self._metrics),
            Route(training_calls.TRAINING_LOG, self._log),
            Route(training_calls.SEARCH_LOG, self._search),
            Route(training_calls.DOWNLOAD_LOG, self._download),
            Route(training_calls.CANCEL_TRAINING, self._cancel),
            Route(training_calls.RETRY_TRAINING, self._retry),
        )
        self.topics = (Topic("trainings", self._active), Topic("training", self._followed))

    async def _list(self, request: PageRequest) -> Response:
        """Return a page of trainings: `state` may name several, separated by commas; `project` is a uid or plain id."""
        states = [state for state in request.query("state").split(",") if state]
        if unknown := next((state for state in states if state not in STATES), ""):
            raise RequestError(f"There is no state {unknown[:100]!r}", fix=", ".join(STATES), field="state")
        offset = request.number("offset", 0, least=0, most=MAX_OFFSET)
        count = request.number("count", 50, least=1, most=MAX_PAGE)
        project = await self._project(request)
        page = await self._threads.run(self._records.page, states, project, offset, count)
        return json_response(200, {**page, "titles": await self._names.of(page["jobs"]), "offset": offset})

    async def _counts(self, request: PageRequest) -> Response:
        project = await self._project(request)
        return json_response(200, await self._threads.run(self._records.counts, project))

    async def _parked(self, request: PageRequest) -> Response:
        offset = request.number("offset", 0, least=0, most=MAX_OFFSET)
        count = request.number("count", 50, least=1, most=MAX_PAGE)
        project = await self._project(request)
        page = await self._threads.run(self._records.parked, project, offset, count)
        return json_response(200, {**page, "titles": await self._names.of(page["parked"]), "offset": offset})

    async def _job(self, request: PageRequest) -> Response:
        return json_response(200, await self._read(request.path["job"]))

    async def _metrics(self, request: PageRequest) -> Response:
        """Return all points of a training's metrics, from Redis or from the version's folder."""
        job_id = request.path["job"]
        points = await self._threads.run(self._records.points, job_id)
        return json_response(200, {"job": job_id, "points": points})

    async def _log(self, request: PageRequest) -> Response:
        """Return lines of a log from number `after` on, with tracebacks for an operator."""
        after = request.number("after", 0, least=0, most=999_999_999)
        count = request.number("count", MAX_LINES, least=1, most=MAX_LINES)
        log = await self._full_log(request)
        return json_response(200, await asyncio.to_thread(log.part, after, count))

    async def _search(self, request: PageRequest) -> Response:
        text = request.query("text")
        if not 1 <= len(text) <= 200:
            raise RequestError("text must have 1 to 200 characters", field="text")
        log = await self._full_log(request)
        return json_response(200, await asyncio.to_thread(log.matches, text))

    async def _download(self, request: PageRequest) -> Response:
        log = await self._full_log(request)
        body = await asyncio.to_thread(lambda: log.text().encode("utf-8", "replace"))
        headers = {"Content-Disposition": f'attachment; filename="training-{request.path["job"]}.txt"'}
        return Response(200, body, headers, content_type="text/plain; charset=utf-8")

    async def _full_log(self, request: PageRequest) -> Any:
        """Return the log of the job in the path. Only operators see tracebacks: they show code and folders.

        Raises UnknownJob.
        """
        job_id = request.path["job"]
        log = await self._threads.run(self._records.log, job_id, tracebacks=request.session.operator)
        if log is None:
            raise _unknown(job_id)
        return log

    async def _cancel(self, request: PageRequest) -> Response:
        job_id = request.path["job"]
        await self._threads.run(self._requests.cancel, job_id)
        return json_response(202, await self._read(job_id))

    async def _retry(self, request: PageRequest) -> Response:
        """Train the project of an ended job again: on its parked events if it has any, else as `train now` does."""
        job_id = request.path["job"]
        job = await self._read(job_id)
        uid = str(job["project"])
        new_job = await self._threads.run(self._records.unpark, uid)
        return _begun(new_job or await self._requests.train(uid, _caller(request)), uid)

    async def _retry_parked(self, request: PageRequest) -> Response:
        """Do for one project what `label-studio-ml jobs --retry` does."""
        uid = await self._requests.known_uid(request.text("project"))
        new_job = await self._threads.run(self._records.unpark, uid)
        if new_job is None:
            raise RequestError(f"No events of project {uid.partition('.')[0]} are set aside", field="project")
        return _begun(new_job, uid)

    async def _train(self, request: PageRequest) -> Response:
        """Begin a training of `project`; with `from_version`, on the annotations that this version was trained on."""
        version = request.fields().get("from_version") or ""
        if not isinstance(version, str):
            raise RequestError("from_version must be a text", field="from_version")
        uid = await self._requests.known_uid(request.text("project"))
        return _begun(await self._requests.train(uid, _caller(request), version), uid)

    async def _active(self, subject: str) -> dict[str, Any]:
        """Return the topic `trainings`: numbers by state, and the newest trainings that wait or run."""
        value = await self._threads.run(self._records.active)
        return {**value, "titles": await self._names.of([*value["running"], *value["waiting"]])}

    async def _followed(self, job_id: str) -> dict[str, Any]:
        """Return the topic `training:JOB`: a training's record, points, and last log lines. Raises UnknownJob."""
        return await self._read(job_id)

    async def _read(self, job_id: str) -> dict[str, Any]:
        training = await self._threads.run(self._records.training, job_id)
        if training is None:
            raise _unknown(job_id)
        return {**training, "titles": await self._names.of([training])}

    async def _project(self, request: PageRequest) -> str:
        """Return the uid of the project in the query, empty if it names none. Raises UnknownProject."""
        name = request.query("project")
        return await self._requests.known_uid(name) if name else ""


def _begun(job_id: str | None, uid: str) -> Response:
    """Return the response for a training that was asked for; without a job, it waits on this server's disk."""
    if job_id is None:
        message = "The training waits on this server's disk and begins when Redis answers again"
        return json_response(202, {"job": None, "project": uid, "message": message})
    return json_response(201, {"job": job_id, "project": uid})


def _unknown(job_id: str) -> UnknownJob:
    return UnknownJob(f"There is no training {job_id[:100]}", fix="It may have been removed", field="job")


def _caller(request: PageRequest) -> str:
    name = request.session.name
    return f"user {name} on the dashboard" if name else "the dashboard"
