"""Routes of training jobs: status, lists, logs, metrics and cancellation."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from label_studio_ml.errors import RequestError, UnknownJob
from label_studio_ml.http_server.messages import Call, Handler, Response, json_response
from label_studio_ml.openapi.declarations.operation import Operation
from label_studio_ml.protocol.requests import parse_object
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes.calls import job_calls
from label_studio_ml.web.threads import Threads

#: Number of jobs that are listed if the request gives no `limit`.
DEFAULT_JOBS = 50

#: Numbers accepted in a query: few digits, so that Redis and files can use them as positions.
_NUMBER = re.compile(r"-?[0-9]{1,9}")

_JOB_PATH = re.compile(r"/jobs/(?P<job>[^/]+)(?P<part>/log|/metrics|/cancel)?")


def route_of(path: str) -> str:
    """Return the key of a path in the table of routes: `/jobs/{job}/log` for the log of any job."""
    match = _JOB_PATH.fullmatch(path.rstrip("/"))
    return f"/jobs/{{job}}{match['part'] or ''}" if match else path.rstrip("/") or "/"


class JobRoutes:
    """Handlers that show and cancel training jobs.

    `find` returns the known project that a request names, and raises UnknownProject. Methods of `intake` are called in
    `threads`.
    """

    def __init__(
        self,
        intake: TrainingIntake,
        registry: ModelRegistry,
        projects: ProjectRegistry,
        find: Callable[[Any], Awaitable[Project]],
        threads: Threads,
    ) -> None:
        self._threads = threads
        self._intake = intake
        self._registry = registry
        self._projects = projects
        self._find = find
        self.routes: Mapping[Operation, Handler] = {
            job_calls.JOB_STATUS: self._job_status,
            job_calls.IS_TRAINING: self._is_training,
            job_calls.JOBS: self._jobs,
            job_calls.JOB: self._job,
            job_calls.LOG: self._log,
            job_calls.METRICS: self._metrics,
            job_calls.CANCEL: self._cancel,
        }

    async def _job_status(self, call: Call) -> Response:
        fields = parse_object(call.body)
        job_id = fields.get("job") or fields.get("job_id")
        if not isinstance(job_id, str):
            raise RequestError("job must be the id of a training job", field="job")
        status = await self._threads.run(self._intake.job_status, job_id)
        if status is None:
            return json_response(410, {"job_status": "removed", "detail": f"There is no job {job_id}"})
        return json_response(200, status)

    async def _is_training(self, call: Call) -> Response:
        project = await self._find(call.parameter("project"))
        job = await self._threads.run(self._intake.running_job, project.uid)
        body: job_calls.IsTrainingAnswer = {
            "is_training": job is not None,
            "model_version": self._registry.version_if_known(project.uid),
            "backend": "redis",
        }
        if job:
            body["job_id"] = job
        return json_response(200, body)

    async def _jobs(self, call: Call) -> Response:
        """List the jobs of a project, or of all, newest first, and the progress of predictions after trainings."""
        name_or_id = call.parameter("project")
        uids = [(await self._find(name_or_id)).uid] if name_or_id else await self._projects.uids()
        limit = _count(call, "limit", DEFAULT_JOBS, least=1)
        listed: list[dict[str, Any]] = []
        predictions: list[dict[str, Any]] = []
        for uid in uids:
            listed += await self._threads.run(self._intake.jobs, uid, limit)
            if (renewal := await self._threads.run(self._intake.reprediction, uid)) is not None:
                predictions.append(renewal)
        listed.sort(key=lambda job: str(job.get("created", "")), reverse=True)
        return json_response(200, {"jobs": listed[:limit], "predictions": predictions})

    async def _job(self, call: Call) -> Response:
        return await self._query_job(call, self._intake.job_status)

    async def _log(self, call: Call) -> Response:
        """Return the log's lines from number `after` on; a negative number counts from the end."""
        after = _count(call, "after", 0)
        return await self._query_job(call, lambda job_id: self._intake.job_log(job_id, after))

    async def _metrics(self, call: Call) -> Response:
        return await self._query_job(call, self._intake.job_metrics)

    async def _cancel(self, call: Call) -> Response:
        response = await self._query_job(call, self._intake.cancel_job)
        response.status = 202
        return response

    async def _query_job(self, call: Call, query: Callable[[str], dict[str, Any] | None]) -> Response:
        """Return what `query` returns for the id in the path, as JSON. Raises UnknownJob if that is None."""
        match = _JOB_PATH.fullmatch(call.path.rstrip("/"))
        job_id = match["job"] if match else ""
        result = await self._threads.run(query, job_id)
        if result is None:
            raise UnknownJob(f"There is no job {job_id}", field="job")
        return json_response(200, result)


def _count(call: Call, name: str, default: int, least: int | None = None) -> int:
    """Return a whole number from the query, `default` if it is missing. Raises RequestError."""
    text = call.parameter(name)
    if text is None:
        return default
    number = int(text) if _NUMBER.fullmatch(text) else None
    if number is None or (least is not None and number < least):
        below = "" if least is None else f" from {least} on"
        raise RequestError(f"{name} must be a whole number{below}, of nine digits at most", field=name)
    return number
