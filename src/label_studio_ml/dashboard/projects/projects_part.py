"""Routes and topics of projects: list them, show one, ask Label Studio about it, forget it."""

import asyncio
from typing import Any

import msgspec

from label_studio_ml.config.backend_login import asks_login
from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.page_request import PageRequest, Route, Topic
from label_studio_ml.dashboard.projects import project_calls
from label_studio_ml.dashboard.projects.project_list import ListedProject, ProjectList, studio_links
from label_studio_ml.dashboard.projects.studio_state import StudioStates, Wanted
from label_studio_ml.errors import BackendError, ProjectBusy, RequestError, UnknownProject
from label_studio_ml.http_server.messages import Response, json_response
from label_studio_ml.model_calls.project_login import studio_login
from label_studio_ml.reports.command_records import CommandRecords
from label_studio_ml.serving.registry.model_registry import ModelRegistry
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.state.known_projects import forget
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes.endpoints import Endpoints
from label_studio_ml.web.threads import Threads

#: The most projects of one page; characters of a label config or of extra params, and of a title to choose from.
MAX_PAGE, MAX_TEXT, MAX_TITLE = 100, 20_000, 300
#: Projects that are shown on a page if the page does not say how many.
PAGE = 25


class ProjectsPart:
    """The projects of a backend. The topic `project:UID` has what changes of one by itself."""

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        registry: ModelRegistry,
        projects: ProjectRegistry,
        listed: ProjectList,
        store: VersionStore,
        intake: TrainingIntake,
        commands: CommandRecords,
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._registry = registry
        self._projects = projects
        self._list = listed
        self._store = store
        self._intake = intake
        self._commands = commands
        self._states = StudioStates(settings)
        self._threads = Threads(2, "projects")
        self._studio_threads = Threads(4, "ask-studio")
        self.routes = (
            Route(project_calls.LIST_PROJECTS, self._listed),
            Route(project_calls.PROJECT_NAMES, self._names),
            Route(project_calls.PROJECT, self._one),
            Route(project_calls.PROJECT_STUDIO, self._studio),
            Route(project_calls.FORGET_PROJECT, self._forget),
        )
        self.topics = (Topic("project", self.moving, interval=2.0),)

    async def _listed(self, request: PageRequest) -> Response:
        total, projects = await self._found(request)
        rows = [await self._row(project) for project in projects]
        return json_response(200, {"total": total, "projects": rows})

    async def _names(self, request: PageRequest) -> Response:
        """List projects to choose from, with what the list itself knows; see `_found`."""
        total, projects = await self._found(request)
        names = [
            {
                "uid": each.uid,
                "number": each.number,
                "title": each.title[:MAX_TITLE],
                "hostname": each.hostname,
            }
            for each in projects
        ]
        return json_response(200, {"total": total, "projects": names})

    async def _found(self, request: PageRequest) -> tuple[int, list[ListedProject]]:
        """Return the number of projects with the text `search`, and `size` of them from number `first` on.

        `known=1` leaves out those of which only versions are left.
        """
        first = request.number("first", 0, least=0, most=1_000_000)
        size = request.number("size", PAGE, least=1, most=MAX_PAGE)
        words, known = request.query("search")[:200], request.query("known") == "1"
        return await self._threads.run(self._list.find, words, first=first, size=size, known=known)

    async def _row(self, listed: ListedProject) -> dict[str, Any]:
        if not listed.hostname and not listed.forgotten:  # described by another server, or never by /setup
            project = await self._projects.get(listed.uid)
            if project is not None:
                listed = msgspec.structs.replace(
                    listed, hostname=project.hostname, token=bool(project.access_token)
                )
        host = self._settings.studio_url or listed.hostname
        return {
            **msgspec.to_builtins(listed),
            "hostname": host,
            "token": listed.token or bool(self._settings.studio_api_key and self._settings.studio_url),
            "links": studio_links(host, listed.number),
            "served": await self._served(listed.uid),
            "heard": await self._heard(listed.uid),
        }

    async def _one(self, request: PageRequest) -> Response:
        uid = request.path["uid"]
        project = await self._projects.get(uid)
        if project is None:
            listed = await self._threads.run(self._list.get, uid)
            if listed is None:
                raise UnknownProject(f"There is no project {uid}", field="uid")
            project = Project(uid=uid)
        forgotten = not (project.label_config or project.hostname or project.title)
        params = project.extra_params
        extra = params if isinstance(params, str) else msgspec.json.encode(params).decode()
        info = self._registry.info
        host = studio_login(project, self._settings)[0] or project.hostname
        return json_response(
            200,
            {
                "uid": uid,
                "number": project.project_id,
                "title": project.title,
                "hostname": host,
                "links": studio_links(host, project.project_id),
                "forgotten": forgotten,
                "label_config": project.label_config[:MAX_TEXT],
                "label_config_size": len(project.label_config),
                "extra_params": "" if params is None else extra[:MAX_TEXT],
                "events": await self._endpoints.receipts.of(uid),
                "login": asks_login(self._settings),
                "model_class": info.name if info is not None else None,
                "learns": self._wanted().learns,
                **await self.moving(uid),
            },
        )

    async def moving(self, uid: str) -> dict[str, Any]:
        """Return what changes of a project by itself: the served version, when it was heard of, trainings, commands.

        `last_command_ended` is the time (seconds since 1970) at which the last command of the project ended, 0 if none
        has, None if Redis does not answer. It changes with each end, however short the command was.
        """
        jobs, last_ended = await self._threads.run(self._work, uid)
        return {
            "served": await self._served(uid),
            "heard": await self._heard(uid),
            "trainings": jobs,
            "last_command_ended": last_ended,
        }

    def _work(self, uid: str) -> tuple[list[dict[str, Any]] | None, float | None]:
        """Return the trainings that wait or run, and when the last command ended; None if they cannot be read."""
        try:
            jobs = [
                {name: job.get(name) for name in ("job", "job_status", "progress", "message")}
                for job in self._intake.jobs(uid, 5)
                if job.get("job_status") in ("queued", "started")
            ]
            return jobs, max((record.ended or 0.0 for record in self._commands.recent(uid)), default=0.0)
        except BackendError:
            return None, None

    async def _studio(self, request: PageRequest) -> Response:
        """Ask Label Studio about the project; `fresh=1` does not reuse an answer of the last minute."""
        project = await self._known(request.path["uid"])
        version = await self._served(project.uid)
        fresh = request.query("fresh") == "1"
        state = await self._studio_threads.run(self._states.of, project, version, self._wanted, fresh=fresh)
        if state.title and state.title != project.title:  # /setup does not say it, only webhooks do
            await self._projects.update(project.uid, title=state.title)
            self._list.changed()
        return json_response(200, msgspec.to_builtins(state))

    async def _forget(self, request: PageRequest) -> Response:
        """Remove a project's description, events and jobs; with `versions`, also its versions and their evaluations."""
        uid = request.path["uid"]
        with_versions = request.fields().get("versions", False)
        if not isinstance(with_versions, bool):
            raise RequestError("versions must be true or false", field="versions")
        if await self._threads.run(self._list.get, uid) is None:
            raise UnknownProject(f"There is no project {uid}", field="uid")
        await self._threads.run(self._check_idle, uid)
        await asyncio.to_thread(self._intake.forget, uid)
        if self._endpoints.forget_errors is not None:
            await self._endpoints.forget_errors(uid)
        if with_versions:
            self._registry.forget(uid)
        await asyncio.to_thread(forget, self._settings.model_dir, self._store, uid, versions=with_versions)
        if with_versions:
            await asyncio.to_thread(EvaluationReports(self._store).delete_project, uid)
        await self._projects.delete(uid)
        self._list.changed()
        return json_response(200, {"status": "ok"})

    def _check_idle(self, uid: str) -> None:
        """Raise ProjectBusy while a training or a command of the project runs."""
        if any(job.get("job_status") == "started" for job in self._intake.jobs(uid, 5)):
            raise ProjectBusy(
                "The project is being trained", fix="Wait for its end, or cancel it", field="uid"
            )
        for record in self._commands.recent(uid):
            if record.active:
                raise ProjectBusy(
                    f"{record.command} is {record.state} for the project",
                    fix="Wait for its end, or cancel it",
                    field="uid",
                )

    async def _known(self, uid: str) -> Project:
        project = await self._projects.get(uid)
        if project is None:
            raise UnknownProject(f"There is no project {uid}", field="uid")
        return project

    async def _served(self, uid: str) -> str:
        """Return the name of the served version; empty if it is not known."""
        return await asyncio.to_thread(self._registry.version_if_known, uid) or ""

    async def _heard(self, uid: str) -> dict[str, float | None]:
        """Return when `/setup` was last called and when the last webhook arrived (seconds since 1970)."""
        receipts = self._endpoints.receipts
        events = await receipts.of(uid)
        last = max((event["at"] for event in events.values()), default=None)
        return {"setup": await receipts.last_setup(uid), "webhook": last}

    def _wanted(self) -> Wanted:
        info = self._registry.info
        events = frozenset(self._endpoints.training_events() - {"START_TRAINING"})
        return Wanted(events, learns=info is None or info.generation != "none")
