"""The part of the dashboard behind the view "Try it": its routes."""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.page_request import PageRequest, Route, Topic
from label_studio_ml.dashboard.trial import trial_calls
from label_studio_ml.dashboard.trial.content_types import content_type_of
from label_studio_ml.dashboard.trial.label_config_view import label_config_view
from label_studio_ml.dashboard.trial.project_tasks import ProjectTasks
from label_studio_ml.dashboard.trial.trial_files import HEADERS, TaskFiles
from label_studio_ml.dashboard.trial.trial_models import TrialModels
from label_studio_ml.dashboard.trial.trial_prediction import UNTRAINED, Question, TrialPredictions
from label_studio_ml.dashboard.trial.trial_subject import MAX_SAMPLES, Subject, TrialSubjects, fields_of
from label_studio_ml.errors import BackendError, FileFetchError, RequestError
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.http_server.responses.file_ranges import file_response
from label_studio_ml.model_calls.project_login import studio_login
from label_studio_ml.processes.child_answer import child_answer
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.training.records.run_log import Scrubber
from label_studio_ml.versions.listing import Entry, entries
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.security.login_sessions import Sessions
from label_studio_ml.web.threads import Threads

logger = logging.getLogger(__name__)

#: Threads for calls of Label Studio and its files, and for checks of predictions, each in a process.
STUDIO_THREADS, FILE_THREADS, CHECK_THREADS = 4, 8, 2
#: Seconds that the check of a prediction may take.
CHECK_TIMEOUT = 40.0
#: The most versions that a list shows; the search finds the others.
MAX_VERSIONS = 50

_CHECKS = "label_studio_ml.dashboard.trial.validation_child"


class TrialPart:
    """Routes for projects, tasks, predictions, their checks, and task files.

    `scrubber` returns what replaces the secrets that are known now. `streams` is that of `file_response`.
    """

    topics: Sequence[Topic] = ()

    def __init__(
        self,
        settings: Settings,
        projects: ProjectRegistry,
        service: PredictionService,
        store: VersionStore,
        sessions: Sessions,
        scrubber: Callable[[], Scrubber],
        *,
        streams: bool = True,
    ) -> None:
        self._settings = settings
        self._projects = projects
        self._store = store
        self._streams = streams
        self._studio_threads = Threads(STUDIO_THREADS, "trial")
        self._file_threads = Threads(FILE_THREADS, "trial files")
        self._check_threads = Threads(CHECK_THREADS, "trial checks")
        self._subjects = TrialSubjects(settings, projects, self._studio_threads)
        self._files = TaskFiles(settings, sessions)
        self._service = service
        self._models = TrialModels(settings)
        self._predictions = TrialPredictions(settings, service, store, self._models, scrubber)
        self.routes: Sequence[Route] = (
            Route(trial_calls.TRIAL_PROJECT, self._project),
            Route(trial_calls.TRIAL_TASKS, self._list_tasks),
            Route(trial_calls.TRIAL_NEIGHBOUR, self._neighbour),
            Route(trial_calls.TRIAL_FILE, self._file),
            Route(trial_calls.TRIAL_CONFIG, self._config),
            Route(trial_calls.TRIAL_TASK, self._task),
            Route(trial_calls.TRIAL_PREDICT, self._predict),
            Route(trial_calls.TRIAL_CHECK, self._check),
        )

    async def close(self) -> None:
        """End the models on trial."""
        await self._models.close()

    # Projects

    async def _project(self, request: PageRequest) -> Response:
        """Return a project: title, link, label config, its versions (those that have `search`), models on trial."""
        subject = await self._subjects.subject(request.query("project"))
        project = subject.project
        found = await asyncio.to_thread(self._versions, project.uid, request.query("search").strip())
        url, _ = studio_login(project, self._settings)
        return json_response(
            200,
            {
                "project": {"uid": project.uid, "id": project.project_id, "title": project.title, "url": url},
                "config": label_config_view(subject.controls),
                "has_config": bool(project.label_config),
                "served": self._service.registry.version_if_known(project.uid) or "",
                "models": self._models.describe(),
                "samples": MAX_SAMPLES,
                **found,
            },
        )

    def _versions(self, uid: str, search: str) -> dict[str, Any]:
        """Return the newest versions whose name or id has the text `search`, and whether there are more."""
        try:
            versions = entries(self._store, uid)
        except (BackendError, OSError) as error:
            return {"versions": [], "more_versions": False, "versions_problem": str(error)}
        fitting = [entry for entry in versions if search in entry.name or search in entry.id]
        listed = [_version(entry) for entry in fitting[:MAX_VERSIONS]]
        if not search or search in UNTRAINED:
            listed.append({"id": UNTRAINED, "name": "before any training", "state": "ready", "note": ""})
        return {"versions": listed, "more_versions": len(fitting) > MAX_VERSIONS}

    async def _config(self, request: PageRequest) -> Response:
        """Return the objects and controls of a pasted label config."""
        subject = await self._subjects.subject_of(await fields_of(request))
        return json_response(
            200, {"config": label_config_view(subject.controls), "samples": MAX_SAMPLES, "has_config": True}
        )

    # Tasks

    async def _list_tasks(self, request: PageRequest) -> Response:
        """Return page `page` of a project's tasks, or the task with the id `task`."""
        tasks = ProjectTasks(await self._subjects.project(request.query("project")), self._settings)
        task_id = request.number("task", 0, least=0, most=999_999_999) or None
        page = request.number("page", 1, least=1, most=9_999_999)
        return json_response(200, await self._studio_threads.run(tasks.page, page, task_id))

    async def _neighbour(self, request: PageRequest) -> Response:
        """Return the id of the task that is `next` or `previous` to `task`, or of `any` task: `task`, null if none."""
        tasks = ProjectTasks(await self._subjects.project(request.query("project")), self._settings)
        direction = request.query("direction")
        if direction == "any":
            return json_response(200, {"task": await self._studio_threads.run(tasks.any_task)})
        if direction not in ("next", "previous"):
            raise RequestError("direction must be next, previous or any", field="direction")
        task_id = request.number("task", 0, least=0, most=999_999_999)
        return json_response(
            200, {"task": await self._studio_threads.run(tasks.neighbour, task_id, direction)}
        )

    async def _task(self, request: PageRequest) -> Response:
        """Return a task, what each object of the label config shows of it, and its annotations."""
        fields = await fields_of(request)
        subject = await self._subjects.subject_of(fields)
        task = await self._subjects.task(request, fields, subject)
        return json_response(200, await asyncio.to_thread(self._described, subject, task))

    def _described(self, subject: Subject, task: dict[str, Any]) -> dict[str, Any]:
        return {
            "task": {name: value for name, value in task.items() if name != "left_out"},
            "objects": {
                item.name: self._files.contents(subject.project, item, task)
                for item in subject.controls.objects
            },
            "left_out": task.get("left_out", ""),
        }

    async def _file(self, request: PageRequest) -> Response:
        """Return the file of a signed reference, or the range of it that the request asks for."""
        uid, task, url = self._files.reference({name: request.query(name) for name in ("ref", "sig")})
        project = await self._projects.find(uid) or Project(uid=uid)
        path = await self._file_threads.run(self._files.fetch, project, task, url)
        try:
            kind = await asyncio.to_thread(content_type_of, path)
            return await file_response(path, request.call, kind, dict(HEADERS), streams=self._streams)
        except OSError as error:
            raise FileFetchError(f"The file cannot be read: {error.strerror}", fix="Try again") from None

    # Predictions

    async def _predict(self, request: PageRequest) -> Response:
        """Return the prediction of a version for a task; with `context`, the answer to a prompt."""
        fields = await fields_of(request)
        subject = await self._subjects.subject_of(fields)
        task = await self._subjects.task(request, fields, subject)
        version = fields.get("version") or ""
        if not isinstance(version, str):
            raise RequestError("version must be a text", field="version")
        question = Question.of(task, fields, operator=request.session.operator)
        answer = await self._predictions.predict(request, subject, question, version)
        return json_response(200, {**answer, "models": self._models.describe()})

    async def _check(self, request: PageRequest) -> Response:
        """Return what our checks and the SDK's validator say of `prediction` for a task."""
        fields = await fields_of(request)
        subject = await self._subjects.subject_of(fields)
        prediction = fields.get("prediction")
        if not isinstance(prediction, dict):
            raise RequestError("prediction must be a JSON object", field="prediction")
        task = await self._subjects.task(request, fields, subject)
        checked = {
            "label_config": subject.project.label_config,
            "prediction": prediction,
            "task": task,
            "interactive": bool(fields.get("interactive")),
        }
        report = await self._check_threads.run(self._checked, msgspec.json.encode(checked))
        return Response(200, report)

    def _checked(self, subject: bytes) -> bytes:
        """Return the report of the child process that checks predictions. Raises BackendError if it makes none."""
        with tempfile.NamedTemporaryFile(prefix="label-studio-ml-check-", suffix=".json") as file:
            file.write(subject)
            file.flush()
            try:
                report, status = child_answer(self._settings, _CHECKS, file.name, timeout=CHECK_TIMEOUT)
            except TimeoutError:
                raise BackendError(
                    f"The check of the prediction took more than {CHECK_TIMEOUT:.0f} s", fix="Try again"
                ) from None
        if status or not report:
            raise BackendError(
                f"The check of the prediction failed (status {status})", fix="See logs/server.log"
            )
        return report


def _version(entry: Entry) -> dict[str, str]:
    return {
        "id": entry.id,
        "name": entry.name,
        "state": entry.state,
        "note": entry.note[:500],
        "created": entry.created,
    }
