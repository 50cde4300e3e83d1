"""Handlers of the routes that Label Studio and our commands call: each takes a `Call` and returns a `Response`.

The handlers are independent of web frameworks and never run user code.
"""

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from label_studio_ml import __version__, errors
from label_studio_ml.config.settings import Settings
from label_studio_ml.http_server.messages import Call, Handler, Response, json_response
from label_studio_ml.model import TRAIN_EVENTS
from label_studio_ml.monitoring import logs
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.openapi.declarations.operation import Operation
from label_studio_ml.protocol.label_config import check_size
from label_studio_ml.protocol.large_requests import parse_event_ids, parse_train_request
from label_studio_ml.protocol.requests import (
    ANONYMOUS,
    Event,
    parse_event,
    parse_object,
    parse_predict,
    parse_setup,
    parse_train,
    project_uid,
)
from label_studio_ml.protocol.webhook_actions import training_actions
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.versions.evaluation_reports import delete_versions
from label_studio_ml.versions.project_copy import duplicate
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.web.intake_interface import TrainingIntake
from label_studio_ml.web.label_config_checks import check_config, of_event
from label_studio_ml.web.large_bodies import LARGE, TASKS, LargeBodies
from label_studio_ml.web.project_registry import ProjectRegistry
from label_studio_ml.web.routes import problem
from label_studio_ml.web.routes.calls import label_studio_calls
from label_studio_ml.web.routes.failure_responses import FailureResponses
from label_studio_ml.web.routes.health import Health
from label_studio_ml.web.routes.jobs import JobRoutes, route_of
from label_studio_ml.web.routes.server_routes import ServerRoutes
from label_studio_ml.web.routes.untrusted_webhooks import UntrustedEvents, starts_nothing
from label_studio_ml.web.routes.versions import VersionRoutes
from label_studio_ml.web.security.admission import Admissions
from label_studio_ml.web.security.browser_checks import AccessRules
from label_studio_ml.web.security.login_check import Login
from label_studio_ml.web.security.login_sessions import Sessions
from label_studio_ml.web.security.page_paths import is_dashboard
from label_studio_ml.web.security.setup_host import SetupHosts, sender
from label_studio_ml.web.threads import Threads
from label_studio_ml.web.webhook_receipts import WebhookReceipts, connection

logger = logging.getLogger(__name__)

#: Seconds that /setup waits for a model to be ready or to fail; Label Studio waits 3 s for the response.
SETUP_GRACE = 0.04

#: Seconds that /setup waits for the model with other extra params, if its class declares parameters: a wrong value is
#: known before the model is built, but its process may be busy. Label Studio waits 3 s.
PARAMS_GRACE = 2.0

#: Threads that hand in events, and threads for queries about trainings.
INTAKE_THREADS, QUERY_THREADS = 16, 8

#: Request ids accepted from clients; others are replaced.
_REQUEST_ID = re.compile(r"[!-~]{1,128}")

#: Routes that start trainings: the name that belongs to the login is logged.
_CALLER_LOGGED = ("/train", "/webhook")


class Endpoints:
    """The routes of one backend. `api_document` returns the OpenAPI document of all of them."""

    def __init__(
        self,
        settings: Settings,
        pool: PredictionService,
        store: VersionStore,
        projects: ProjectRegistry,
        intake: TrainingIntake,
        api_document: Callable[[], bytes],
    ) -> None:
        self._settings = settings
        self._pool = pool
        registry = self._registry = pool.registry
        self._store = store
        self._projects = projects
        self._intake = intake
        self.counts = Counts()
        self._intake_threads = Threads(INTAKE_THREADS, "webhook")
        query_threads = Threads(QUERY_THREADS, "trainings")
        self.health = Health(registry, intake, store, settings.model_dir, self.counts, query_threads)
        self._ids = f"{secrets.token_hex(4)}-"
        self._login = Login(settings)
        self.sessions = Sessions(self._login)
        #: Answers the requests of the dashboard; None while there is none.
        self.dashboard: Handler | None = None
        #: Removes the errors that the dashboard shows of a project; None while there is no dashboard.
        self.forget_errors: Callable[[str], Awaitable[None]] | None = None
        self._bodies = LargeBodies()
        self.access = AccessRules(settings.http.allowed_hosts)
        self.admit = Admissions(settings, self._login, self.access, self.sessions).admit
        self._hosts = SetupHosts(settings, login=self._login.required)
        self._numbers = itertools.count(1)
        self.receipts = WebhookReceipts(settings.model_dir)
        self._untrusted = UntrustedEvents(
            projects,
            registry,
            self.receipts,
            lambda event: self._hand_in(event, trusted=False, train=True),
            lambda event: self._intake_threads.run(self._intake.simulate_hand_in, event),
        )
        self._failures = FailureResponses(self.counts, self._login)
        routes: dict[Operation, Handler] = {
            **self._studio_routes(),
            **ServerRoutes(self.health, api_document, self._connected).routes,
            **JobRoutes(intake, registry, projects, self._project, query_threads).routes,
            **VersionRoutes(store, settings.model_dir, registry, projects, self._project).routes,
        }
        self._routes = {operation.key: handler for operation, handler in routes.items()}
        self._paths = {path for _, path in self._routes}

    async def handle(self, call: Call) -> Response:
        """Return the response to a request; never raises. Calls `admit` first if the request has no admission."""
        began = time.perf_counter()
        request_id = self._begin(call)
        route = call.path if call.path in self._paths else route_of(call.path)
        try:
            if call.admission is None:
                call.has_body = bool(call.body)
                call.admission = self.admit(call)
            handler = self._routes.get(("GET" if call.method == "HEAD" else call.method, route))
            if self.dashboard is not None and is_dashboard(call):
                handler = self.dashboard
            if route in _CALLER_LOGGED and call.trusted:
                call.caller = self._login.caller(call.headers.get("authorization", ""))
            response = self._unknown(call, route) if handler is None else await handler(call)
        except errors.BackendError as error:
            response = self._failures.response(error, call)
        except Exception as error:
            logger.exception("%s %s failed", call.method, call.path)
            internal = errors.BackendError(
                f"internal error ({type(error).__name__})", fix="See logs/server.log"
            )
            response = self._failures.response(internal, call)
        return self._finish(response, request_id, route, time.perf_counter() - began)

    def _begin(self, call: Call) -> str:
        """Return the request's id and set it for log lines: the client's X-Request-ID, or a new one."""
        request_id = call.headers.get("x-request-id", "")
        if not request_id or not _REQUEST_ID.fullmatch(request_id):
            request_id = f"{self._ids}{next(self._numbers):x}"
        logs.request_id.set(request_id)
        return request_id

    def _finish(self, response: Response, request_id: str, route: str, seconds: float) -> Response:
        """Count a response, and add the headers that all responses have."""
        response.headers["X-Request-ID"] = request_id
        if self.health.draining:
            response.headers["Connection"] = "close"  # the client's next request should reach another server
        self.counts.request(self._counted(route), response.status, seconds)
        return response

    def refuse(self, error: errors.BackendError, call: Call) -> Response:
        """Return the response to a request that was not admitted, or could not be read."""
        request_id = self._begin(call)
        return self._finish(self._failures.response(error, call), request_id, route_of(call.path), 0.0)

    def _counted(self, route: str) -> str:
        """Return the route's name in the metrics: unknown paths are counted as "other"."""
        if route in self._paths:
            return route
        return next((name for name in ("problem", "dashboard") if route.startswith(f"/{name}/")), "other")

    def _unknown(self, call: Call, route: str) -> Response:
        """Return the response where no handler matches: a /problem/ page with the cause in its URL, else 405 or 404."""
        if call.path.startswith("/problem/"):
            status, cause, code = problem.parse(call.path)
            body = {"status": status, "detail": cause, **({"code": code} if code else {})}
            headers = {**problem.HEADERS, "Retry-After": "1"} if status == 503 else dict(problem.HEADERS)
            return json_response(status, body, headers)
        if route in self._paths:
            allowed = ", ".join(sorted(method for method, path in self._routes if path == route))
            return json_response(
                405,
                {"status": 405, "detail": f"{route} accepts {allowed}, not {call.method}"},
                {"Allow": allowed},
            )
        return json_response(404, {"status": 404, "detail": f"There is no {route} here"})

    # Routes

    def _studio_routes(self) -> dict[Operation, Handler]:
        return {
            label_studio_calls.ROOT: self._health,
            label_studio_calls.HEALTH: self._health,
            label_studio_calls.SETUP: self._setup,
            label_studio_calls.PREDICT: self._predict,
            label_studio_calls.WEBHOOK: self._webhook,
            label_studio_calls.TRAIN: self._train,
            label_studio_calls.VALIDATE: self._validate,
            label_studio_calls.DUPLICATE: self._duplicate,
            label_studio_calls.DELETE: self._delete,
        }

    async def _health(self, call: Call) -> Response:
        info = self._registry.info
        name = info.name if info is not None else self._settings.class_name
        body: label_studio_calls.HealthAnswer = {"status": "UP", "model_class": name, "version": __version__}
        if info is not None:
            body["max_batch_size"] = info.max_batch_size
        return json_response(200, body)

    async def _setup(self, call: Call) -> Response:
        request = await self._bodies.parse(parse_setup, call.body)
        await check_config(request.label_config, "schema")
        sent_from = sender(call.peer, call.headers)
        before = await self._projects.get(request.uid)
        project = await self._projects.apply_setup(
            request.uid,
            label_config=request.label_config,
            **await self._hosts.changes(request, before, sent_from),
            extra_params="" if request.extra_params is None else request.extra_params,
        )
        self.receipts.note_setup(project.uid)
        try:
            version = await self._registry.touch(project, self._setup_grace(before, project))
        except errors.NoLabelConfig:
            # Projects are often connected before they have a label config, which many classes need to be built.
            version = self._registry.version(project.uid)
        except errors.ParamsError:
            # Label Studio does not save what is refused: trainings and predictions go on with what it has.
            if before is not None and before.extra_params != project.extra_params:
                former = "" if before.extra_params is None else before.extra_params
                await self._projects.apply_setup(request.uid, extra_params=former)
            raise
        body: label_studio_calls.SetupAnswer = {"model_version": version}
        return json_response(200, body)

    def _setup_grace(self, before: Project | None, project: Project) -> float:
        """Return the seconds that `/setup` waits for the model: longer where new extra params may be wrong."""
        info = self._registry.info
        is_new = before is None or before.extra_params != project.extra_params
        return PARAMS_GRACE if is_new and info is not None and info.has_params else SETUP_GRACE

    async def _predict(self, call: Call) -> Response:
        small = len(call.body) <= LARGE  # true of most requests: saves a coroutine
        request = (
            parse_predict(call.body) if small else await self._bodies.parse(parse_predict, call.body, TASKS)
        )
        uid = request.uid or ANONYMOUS
        project = await self._projects.get(uid)
        if project is None or (request.label_config and request.label_config != project.label_config):
            await check_config(request.label_config, "label_config")
            project = await self._projects.update(uid, label_config=request.label_config)
        results = await self._pool.predict(project, request, call.gone)
        self.counts.predicted_tasks += len(request.tasks)
        return Response(200, b'{"results":' + results + b"}")

    async def _webhook(self, call: Call) -> Response:
        if call.trusted or self._intake.immediate:
            heavy = None if self._intake.immediate else partial(parse_event_ids, trusted=True)
            event = (await self._bodies.parse(parse_event, call.body, heavy=heavy)).sent_by(call.caller)
        else:
            event = await self._bodies.parse_untrusted(partial(parse_event_ids, trusted=False), call.body)
        self.counts.events += 1
        training_events = self.training_events()
        if not call.trusted:
            return await self._untrusted.respond(event, training_events)
        await self._record_event(event)
        if response := starts_nothing(event, training_events, self._registry):
            return response
        return self._job_response(call, event, await self._hand_in(event, trusted=True, train=True))

    def training_events(self) -> set[str]:
        """Return the webhook actions that start a training, START_TRAINING included."""
        info = self._registry.info
        return training_actions(TRAIN_EVENTS if info is None else info.train_events)

    async def _record_event(self, event: Event) -> None:
        """Record an event that came with the login; load the model if the event changes the project's label config.

        An event that starts no training is handed in here, with `train=False`.
        """
        if event.uid:
            await self.receipts.note(event.uid, event.action, authorized=True)
            before = await self._projects.get(event.uid)
            changes = {"label_config": of_event(event) or None, "title": event.title or None}
            project = await self._projects.update(event.uid, **changes)
            if before is not None and before.label_config != project.label_config:
                try:
                    await self._registry.touch(project)
                except errors.BackendError as error:  # the event is kept nevertheless
                    logger.warning("Project %s: %s", event.uid, error)
        if event.uid and event.action not in self.training_events():
            await self._hand_in(event, trusted=True, train=False)

    async def _hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        job = await self._intake_threads.run(self._intake.hand_in, event, trusted=trusted, train=train)
        project = await self._projects.get(event.uid)
        if train and self._intake.immediate and project is not None:
            await self._registry.renew(project)
        return job

    async def _train(self, call: Call) -> Response:
        heavy = None if self._intake.immediate else parse_train_request
        request = await self._bodies.parse(parse_train, call.body, heavy=heavy)
        if request.label_config:
            check_size(request.label_config)
        project = await self._projects.update(request.uid, label_config=request.label_config or None)
        event = Event(
            action="START_TRAINING",
            uid=project.uid,
            label_config=project.label_config,
            title=project.title,
            data={
                "action": "START_TRAINING",
                "annotations": request.tasks,
                "project": {"id": project.project_id},
            },
            size=len(call.body),
        ).sent_by(call.caller)
        return self._job_response(call, event, await self._hand_in(event, trusted=True, train=True))

    def _job_response(self, call: Call, event: Event, job: str | None) -> Response:
        """Return the response with the job of an event, and log the event's sender."""
        if call.caller:
            destination = f"job {job}" if job else "kept on this server's disk"
            logger.info(
                "%s of project %s came from %s: %s", event.action, event.uid, call.caller, destination
            )
        return _accepted(event, job)

    async def _validate(self, call: Call) -> Response:
        config = (await self._bodies.parse(parse_object, call.body)).get("config")
        if not isinstance(config, str):
            raise errors.RequestError("config must be a label config as text", field="config")
        await check_config(config, "config")
        return json_response(200, {"status": "ok"})

    async def _duplicate(self, call: Call) -> Response:
        fields = parse_object(call.body)
        source = await self._project(fields.get("project_src"), "project_src")
        target = project_uid(fields.get("project_dst"), required=True)
        model_dir = self._settings.model_dir
        manifest = await asyncio.to_thread(duplicate, self._store, model_dir, source.uid, target)
        await self._projects.update(target, label_config=source.label_config or None)
        return json_response(200, {"status": "ok", "model_version": manifest.name if manifest else None})

    async def _delete(self, call: Call) -> Response:
        project = await self._project(parse_object(call.body).get("project"))
        await asyncio.to_thread(self._intake.forget, project.uid)  # first: it may be refused
        if self.forget_errors is not None:
            await self.forget_errors(project.uid)
        self._registry.forget(project.uid)
        await asyncio.to_thread(delete_versions, self._store, project.uid)
        await self._projects.delete(project.uid)
        return json_response(200, {"status": "ok"})

    async def _connected(self, name_or_id: str | None) -> dict[str, Any]:
        project = await self._projects.find(project_uid(name_or_id, required=True)) if name_or_id else None
        events = self.training_events() - {"START_TRAINING"}
        return await connection(self._settings, self._registry, self.receipts, project, events)

    async def _project(self, value: Any, name: str = "project") -> Project:
        """Return the known project with the uid or plain id in the request's field `name`. Raises UnknownProject."""
        uid = project_uid(value, required=True)
        project = await self._projects.find(uid)
        if project is None:
            raise errors.UnknownProject(
                f"{name} {uid!r} is not known here", fix="Call /setup first", field=name
            )
        return project


def _accepted(event: Event, job: str | None) -> Response:
    """Return the response to an event that starts a training: its job's id, None if the event waits in the spool.

    Raises BrokerError for a START_TRAINING in the spool: Label Studio would show that the training runs.
    """
    if job is not None:
        return json_response(201, {"status": "ok", "job": job})
    reason = "waits on this server's disk, because Redis does not answer in time"
    if event.action == "START_TRAINING":
        raise errors.BrokerError(f"The training {reason}", fix="It starts when Redis is back")
    return json_response(201, {"status": "kept", "job": None, "detail": f"The event {reason}"})
