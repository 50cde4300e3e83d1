"""Label Studio's calls, one method each, free of any web framework: bytes in, status and bytes out.

User code never runs here. The one table from errors to HTTP statuses is here.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs

import msgspec

from label_studio_ml import __version__, errors
from label_studio_ml.labels import parse_label_config
from label_studio_ml.model import TRAIN_EVENTS
from label_studio_ml.protocol import (
    Event,
    parse_event,
    parse_object,
    parse_predict,
    parse_setup,
    parse_train,
    project_uid,
)
from label_studio_ml.serving.pool import ModelPool
from label_studio_ml.settings import Settings
from label_studio_ml.versions.duplicate import duplicate
from label_studio_ml.versions.state import Project
from label_studio_ml.versions.store import VersionStore
from label_studio_ml.web import problem
from label_studio_ml.web.book import ProjectBook

logger = logging.getLogger(__name__)

#: Errors and their HTTP statuses; the first class that fits counts.
STATUSES: tuple[tuple[type[errors.BackendError], int], ...] = (
    (errors.BodyTooLarge, 413),
    (errors.UnknownProject, 404),
    (errors.NotAuthorized, 401),
    (errors.RequestError, 400),
    (errors.LabelConfigError, 400),
    (errors.CallerLeft, 499),  # nobody reads it; the number that nginx logs for it
    (errors.Overloaded, 503),
    (errors.DeadlineExceeded, 504),
    (errors.BrokerError, 503),
    (errors.StudioError, 502),
    (errors.BackendError, 500),
)

#: Seconds that /setup waits for a model that is about to be ready (or to fail); Label Studio waits 3.
SETUP_GRACE = 0.04

#: Project uid of requests that name none.
ANONYMOUS = "default"

#: Events that change annotations; `TRAIN_EVENTS` of a class decides which of them train.
_STUDIO_AGENT = "heartex/"


@dataclass(slots=True)
class Response:
    """An answer: HTTP status, JSON body, further headers."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class TrainingDesk(Protocol):
    """Where events are handed in for training. Its methods block for a moment: they are called in a thread."""

    #: Whether `hand_in` returns only after the training.
    immediate: bool

    def hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        """Keep an event; return the id of the training job that will take it in, None if it starts none."""

    def job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return a job's record as JSON values, None if there is none."""

    def running_job(self, uid: str) -> str | None:
        """Return the id of the project's waiting or running job, None if there is none."""

    def forget(self, uid: str) -> None:
        """Remove everything of a project."""


Handler = Callable[["Call"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `trusted` is false where login is asked for and was not given (only /webhook lets it through)."""

    method: str
    path: str
    query: str
    body: bytes
    trusted: bool = True
    gone: Callable[[], bool] | None = None


class Endpoints:
    """All routes of one backend."""

    def __init__(
        self, settings: Settings, pool: ModelPool, store: VersionStore, book: ProjectBook, desk: TrainingDesk
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._store = store
        self._book = book
        self._desk = desk
        # Clients differ in how they encode what is not ASCII: browsers use UTF-8, Label Studio Latin-1.
        login = f"{settings.basic_auth_user}:{settings.basic_auth_pass}"
        self._credentials = [login.encode()]
        with contextlib.suppress(UnicodeEncodeError):
            self._credentials.append(login.encode("latin-1"))
        self.draining = False
        self._refused = 0
        self._refusal_logged = 0.0
        self._counts = {"requests": 0, "predicted_tasks": 0, "failed_requests": 0, "events": 0}
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "/"): self._health,
            ("GET", "/health"): self._health,
            ("POST", "/setup"): self._setup,
            ("POST", "/predict"): self._predict,
            ("POST", "/webhook"): self._webhook,
            ("POST", "/train"): self._train,
            ("GET", "/versions"): self._versions,
            ("POST", "/versions"): self._versions,
            ("POST", "/job_status"): self._job_status,
            ("GET", "/is_training"): self._is_training,
            ("POST", "/validate"): self._validate,
            ("POST", "/duplicate_model"): self._duplicate,
            ("POST", "/delete"): self._delete,
            ("GET", "/metrics"): self._metrics,
        }
        self._paths = {path for _, path in self._routes}

    async def handle(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        gone: Callable[[], bool] | None = None,
    ) -> Response:
        """Answer one request; never raises. `headers` has lower-case names; `gone` tells whether the caller left."""
        self._counts["requests"] += 1
        method = "GET" if method == "HEAD" else method
        try:
            if path.startswith("/problem/"):
                code, cause = problem.parse(path)
                return _json(code, {"status": code, "detail": cause})
            trusted = self._login(headers.get("authorization", ""), path)
            handler = self._routes.get((method, path.rstrip("/") or "/"))
            if handler is None:
                return self._unknown(method, path)
            return await handler(Call(method, path, query, body, trusted, gone))
        except errors.BackendError as error:
            return self._failed(error, path, headers)
        except Exception as error:
            logger.exception("%s %s failed", method, path)
            return self._failed(
                errors.BackendError(f"internal error ({type(error).__name__})", fix="See logs/server.log"),
                path,
                headers,
            )

    def refuse(self, error: errors.BackendError, path: str, headers: Mapping[str, str]) -> Response:
        """Answer a request that could not even be read."""
        return self._failed(error, path, headers)

    # Login and failures

    def _login(self, header: str, path: str) -> bool:
        """Tell whether the caller gave the login that is asked for. Raises NotAuthorized where that is required."""
        if not self._settings.basic_auth_user:
            return True
        if not header and path.rstrip("/") == "/webhook":
            # Label Studio's own webhooks carry no credentials; what they say is checked with Label Studio before use.
            return False
        kind, _, encoded = header.partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True) if kind.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            given = b""
        if not any(hmac.compare_digest(given, known) for known in self._credentials):
            raise errors.NotAuthorized(
                "Login is missing or wrong", fix="Give this backend's user and password"
            )
        return True

    def _failed(self, error: errors.BackendError, path: str, headers: Mapping[str, str]) -> Response:
        self._counts["failed_requests"] += 1
        status = next(code for kind, code in STATUSES if isinstance(error, kind))
        if isinstance(error, errors.Overloaded):
            self._log_refusal(path, error)
        else:
            log = logger.error if status >= 500 else logger.warning
            log("%r -> %d: %s", path, status, error)  # quoted: a path may hold line breaks
        if headers.get("user-agent", "").startswith(_STUDIO_AGENT) and status != 401:
            # Label Studio shows status, reason phrase and final URL of a failure, never the body: spell it in the URL.
            return _json(
                303, {"detail": str(error)}, {"Location": problem.reference(path, status, str(error))}
            )
        extra = {"WWW-Authenticate": 'Basic realm="Label Studio ML backend"'} if status == 401 else {}
        if status == 503:
            extra["Retry-After"] = "1"
        fields = {"field": error.field} if error.field else {}
        return _json(status, {"status": status, "detail": str(error), **fields}, extra)

    def _log_refusal(self, path: str, error: errors.Overloaded) -> None:
        """Log refusals at most once a second: under overload there are thousands, and the log must not add to it."""
        self._refused += 1
        now = time.monotonic()
        if now - self._refusal_logged >= 1.0:
            logger.error("%r -> 503 (%d times since the last such line): %s", path, self._refused, error)
            self._refused, self._refusal_logged = 0, now

    def _unknown(self, method: str, path: str) -> Response:
        if (path.rstrip("/") or "/") in self._paths:
            allowed = ", ".join(sorted(m for m, p in self._routes if p == (path.rstrip("/") or "/")))
            return _json(
                405, {"status": 405, "detail": f"{path} takes {allowed}, not {method}"}, {"Allow": allowed}
            )
        return _json(404, {"status": 404, "detail": f"There is no {path} here"})

    # Routes

    async def _health(self, call: Call) -> Response:
        info = self._pool.info
        name = info.name if info is not None else self._settings.class_name
        return _json(200, {"status": "UP", "model_class": name, "version": __version__})

    async def _setup(self, call: Call) -> Response:
        request = parse_setup(call.body)
        _check_config(request.label_config, "schema")
        project = await self._book.update(
            request.uid,
            label_config=request.label_config,
            hostname=request.hostname,
            access_token=request.access_token,
            extra_params="" if request.extra_params is None else request.extra_params,
        )
        try:
            version = await self._pool.touch(project, SETUP_GRACE)
        except errors.ModelLoadError as error:
            if parse_label_config(project.label_config):
                raise
            # A project is connected before anyone has set up its labelling page: many classes cannot be built yet.
            logger.warning("Project %s has no label config yet: %s", project.uid, error)
            version = self._pool.version(project.uid)
        return _json(200, {"model_version": version})

    async def _predict(self, call: Call) -> Response:
        request = parse_predict(call.body)
        uid = request.uid or ANONYMOUS
        project = await self._book.get(uid)
        if project is None or (request.label_config and request.label_config != project.label_config):
            _check_config(request.label_config, "label_config")
            project = await self._book.update(uid, label_config=request.label_config)
        results = await self._pool.predict(project, request, call.gone)
        self._counts["predicted_tasks"] += len(request.tasks)
        return Response(200, b'{"results":' + results + b"}")

    async def _webhook(self, call: Call) -> Response:
        event = parse_event(call.body)
        self._counts["events"] += 1
        if event.action == "START_TRAINING" and not call.trusted:
            raise errors.NotAuthorized("START_TRAINING needs this backend's user and password")
        known = self._known_events()
        if event.action not in known:
            await self._hear(event, call)
            return _json(200, {"status": "ok", "detail": f"{event.action} starts no training"})
        if not event.uid:
            raise errors.RequestError("project is missing", field="project")
        if not call.trusted and await self._book.get(event.uid) is None:
            raise errors.NotAuthorized(
                "An event without login, of a project that never called /setup with it"
            )
        await self._hear(event, call)
        if self._pool.info is not None and self._pool.info.generation == "none":
            return _json(200, {"status": "ignored", "detail": f"{self._pool.info.name} has no fit method"})
        job = await self._hand_in(event, trusted=call.trusted, train=True)
        return _json(201, {"status": "ok", "job": job})

    def _known_events(self) -> set[str]:
        """Return the actions that start a training."""
        own = self._pool.info.train_events if self._pool.info is not None else TRAIN_EVENTS
        names = {*own, "START_TRAINING"}
        if "ANNOTATION_DELETED" in names:  # Label Studio's name for it is the plural
            names.add("ANNOTATIONS_DELETED")
        if "ANNOTATION_CREATED" in names:
            names.add("ANNOTATIONS_CREATED")
        return names

    async def _hear(self, event: Event, call: Call) -> None:
        """Take from an event what is worth knowing whatever becomes of it."""
        if event.uid and call.trusted:
            before = await self._book.get(event.uid)
            changes = {"label_config": event.label_config or None, "title": event.title or None}
            project = await self._book.update(event.uid, **changes)
            if before is not None and before.label_config != project.label_config:
                try:
                    await self._pool.touch(project)
                except errors.BackendError as error:  # the event counts all the same
                    logger.warning("Project %s: %s", event.uid, error)
        if event.uid and event.action not in self._known_events():
            await self._hand_in(event, trusted=call.trusted, train=False)

    async def _hand_in(self, event: Event, *, trusted: bool, train: bool) -> str | None:
        job = await asyncio.to_thread(self._desk.hand_in, event, trusted=trusted, train=train)
        project = await self._book.get(event.uid)
        if train and self._desk.immediate and project is not None:
            await self._pool.renew(project)
        return job

    async def _train(self, call: Call) -> Response:
        request = parse_train(call.body)
        project = await self._book.update(request.uid, label_config=request.label_config or None)
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
        )
        job = await self._hand_in(event, trusted=True, train=True)
        return _json(201, {"status": "ok", "job": job})

    async def _versions(self, call: Call) -> Response:
        """Label Studio sends neither body nor project: then the versions of every project are listed."""
        named = parse_object(call.body).get("project") if call.body else _query(call.query, "project")
        if named:
            uids = [(await self._project(named)).uid]
        else:
            uids = await self._book.uids()
        listed: list[str] = []
        for uid in uids:
            names = [manifest.name for manifest in reversed(self._store.versions(uid))]
            served = self._pool.version(uid)
            listed.extend(
                name for name in [*names, *([] if served in names else [served])] if name not in listed
            )
        body: dict[str, Any] = {"versions": listed}
        if len(uids) == 1:
            body["model_version"] = self._pool.version(uids[0])
            failures = self._pool.failures(uids[0])
            if failures:
                body["failed"] = failures
        return _json(200, body)

    async def _job_status(self, call: Call) -> Response:
        fields = parse_object(call.body)
        job_id = fields.get("job") or fields.get("job_id")
        if not isinstance(job_id, str):
            raise errors.RequestError("job must be the id of a training job", field="job")
        status = await asyncio.to_thread(self._desk.job_status, job_id)
        if status is None:
            return _json(410, {"job_status": "removed", "detail": f"There is no job {job_id}"})
        return _json(200, status)

    async def _is_training(self, call: Call) -> Response:
        project = await self._project(_query(call.query, "project"))
        job = await asyncio.to_thread(self._desk.running_job, project.uid)
        body = {
            "is_training": job is not None,
            "model_version": self._pool.version(project.uid),
            "backend": "redis",
        }
        return _json(200, {**body, "job_id": job} if job else body)

    async def _validate(self, call: Call) -> Response:
        config = parse_object(call.body).get("config")
        if not isinstance(config, str):
            raise errors.RequestError("config must be a label config as text", field="config")
        _check_config(config, "config")
        return _json(200, {"status": "ok"})

    async def _duplicate(self, call: Call) -> Response:
        fields = parse_object(call.body)
        source = await self._project(fields.get("project_src"), "project_src")
        target = project_uid(fields.get("project_dst"), required=True)
        model_dir = self._settings.model_dir
        manifest = await asyncio.to_thread(duplicate, self._store, model_dir, source.uid, target)
        await self._book.update(target, label_config=source.label_config or None)
        return _json(200, {"status": "ok", "model_version": manifest.name if manifest else None})

    async def _delete(self, call: Call) -> Response:
        project = await self._project(parse_object(call.body).get("project"))
        self._pool.forget(project.uid)
        await asyncio.to_thread(self._desk.forget, project.uid)
        await asyncio.to_thread(self._store.delete_project, project.uid)
        await self._book.delete(project.uid)
        return _json(200, {"status": "ok"})

    async def _metrics(self, call: Call) -> Response:
        return _json(200, dict(self._counts))

    async def _project(self, value: Any, name: str = "project") -> Project:
        """Return the known project that a request names, by uid or by plain id. Raises UnknownProject."""
        uid = project_uid(value, required=True)
        project = await self._book.find(uid)
        if project is None:
            raise errors.UnknownProject(
                f"{name} {uid!r} is not known here", fix="Call /setup first", field=name
            )
        return project


def _check_config(xml: str, name: str) -> None:
    """Raise LabelConfigError, naming the request's field, if a label config cannot be read."""
    try:
        parse_label_config(xml)
    except errors.LabelConfigError as error:
        raise errors.LabelConfigError(f"{name}: {error.message}", fix=error.fix, field=name) from None


def _json(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(status, msgspec.json.encode(value), headers or {})


def _query(query: str, name: str) -> str | None:
    values = parse_qs(query).get(name)
    return values[0] if values else None
