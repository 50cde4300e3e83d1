"""The backend as a WSGI application, which starts what it needs in the process that serves it.

Nothing starts before the first request, and all of it belongs to the process that got the request: each worker of
gunicorn has its own model process, and all share one broker and one training worker.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask
from werkzeug.exceptions import RequestEntityTooLarge

from label_studio_ml.config.setting_values import MAX_THREADS, InvalidPredictions
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, ModelFileError, RequestError, SettingsError
from label_studio_ml.http_server.body_budget import BodyBudget, too_large
from label_studio_ml.http_server.messages import Admission, Call, Response, json_response
from label_studio_ml.http_server.root_path import RootPath
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import describe_class
from label_studio_ml.monitoring import logs
from label_studio_ml.runtime.application import Application
from label_studio_ml.runtime.model_place import ModelPlace, defining_file
from label_studio_ml.runtime.shared_services import SharedServices
from label_studio_ml.runtime.supervisor import serve
from label_studio_ml.runtime.wsgi_threads import request_threads
from label_studio_ml.studio.addresses.private_addresses import is_loopback
from label_studio_ml.support.texts import whole_number
from label_studio_ml.training.intake.event_intake import RedisIntake
from label_studio_ml.training.intake.synchronous import SynchronousIntake, UntrainedIntake
from label_studio_ml.user_code.loading import is_importing
from label_studio_ml.web.error_statuses import status_of
from label_studio_ml.web.intake_interface import TrainingIntake

logger = logging.getLogger(__name__)

#: Maximum number of digits of a Content-Length.
_MAX_DIGITS = 20
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]


class BackendApp(flask.Flask):
    """A Flask application with the backend's routes. Routes that users add take precedence."""

    def __init__(self, settings: Settings, model_class: type[LabelStudioMLBase]) -> None:
        super().__init__("label_studio_ml", static_folder=None)
        self._settings = settings
        self._model_class = model_class
        self._running: _Running | None = None
        #: Whether model and trainings run in this process, as in tests.
        self.all_here = False
        self._starting = threading.Lock()
        self.config["MAX_CONTENT_LENGTH"] = settings.max_body + 1  # for bodies without a Content-Length
        for rule in ("/", "/<path:path>"):
            self.add_url_rule(rule, endpoint=f"backend{rule}", view_func=self._answer, methods=_METHODS)

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        *args: Any,
        **options: Any,
    ) -> None:
        """Serve as `label-studio-ml start` does, until it is ended. Options of Flask's own server have no effect."""
        if is_importing():
            return  # a child process imports the file for its model class only
        script = defining_file(self._model_class)
        if script is None:
            raise SettingsError(
                f"{self._model_class.__name__} is not defined in a file",
                fix="Put the model class into a file of its own",
            )
        settings = replace(self._settings, script=script, class_name=self._model_class.__name__)
        raise SystemExit(serve(settings, host=host or "127.0.0.1", port=port or 9090, debug=bool(debug)))

    def run_here(self, host: str, port: int, *, debug: bool = False) -> None:
        """Serve with Flask's own server, with everything in this process, until it is ended."""
        self.all_here = True
        super().run(host, port, debug=debug, use_debugger=False, use_reloader=False, threaded=True)

    def serve_instead(self, settings: Settings, model_class: type[LabelStudioMLBase]) -> bool:
        """Serve `model_class` from now on; return False if this application has answered a request already."""
        with self._starting:
            if self._running is None:
                self._settings, self._model_class, self.all_here = settings, model_class, False
                self.config["MAX_CONTENT_LENGTH"] = settings.max_body + 1
                return True
        return False

    def _answer(self, path: str = "") -> flask.Response:
        request = flask.request
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            running = self._started()
        except BackendError as error:
            logger.error("The backend cannot start: %s", error)
            status = status_of(error)
            answer = json_response(status, {"status": status, "detail": str(error), "code": error.code})
        else:
            http, peer = self._settings.http, request.remote_addr or ""
            inner_path = RootPath(http.root_path, http.trusted_proxies).strip(f"/{path}", peer, headers)
            query = request.query_string.decode("latin-1")
            call = Call(request.method, inner_path, query, headers, peer=peer, requested_path=f"/{path}")
            answer = running.handle(call, _body, loopback=_listens_on_loopback(request.environ))
        return flask.Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)

    def _started(self) -> "_Running":
        """Return the running backend of this process; start it on the first request and after a fork."""
        with self._starting:
            if self._running is None or self._running.pid != os.getpid():
                settings = self._settings
                if settings.threads is None:
                    settings = replace(settings, threads=_concurrency())
                in_this_process = bool(self.config["TESTING"]) or self.all_here
                self._running = _Running(ModelPlace.of(settings, self._model_class, testing=in_this_process))
            return self._running


def _concurrency() -> int | None:
    """Return the number of the WSGI server's request threads, at most MAX_THREADS; None if that is unknown or 1."""
    threads = request_threads()
    return None if threads is None else min(threads, MAX_THREADS)


def _declared_size(headers: Mapping[str, str]) -> int:
    """Return the Content-Length of a request in bytes, 0 if it has none. Raises RequestError if it is not a number."""
    length = headers.get("content-length", "").strip()
    if not length:
        return 0
    size = whole_number(length)
    if size is None or len(length) > _MAX_DIGITS:
        raise RequestError(
            "Content-Length is not a number of bytes",
            fix="Send the size of the body in decimal digits",
            field="Content-Length",
        )
    return size


def _body(admission: Admission) -> bytes:
    """Read the body of the current request. Raises BodyTooLarge if it exceeds `admission.max_body`."""
    request, limit = flask.request, admission.max_body
    with contextlib.suppress(AttributeError):  # Flask 3.0 knows MAX_CONTENT_LENGTH only
        request.max_content_length = limit + 1
    try:
        body = request.get_data(cache=True)
    except RequestEntityTooLarge:
        raise too_large(limit, trusted=admission.trusted) from None
    if len(body) > limit:
        raise too_large(limit, trusted=admission.trusted)
    return body


def _listens_on_loopback(environ: Mapping[str, Any]) -> bool:
    """Return whether the server is Flask's own, on a loopback address.

    Other servers are often behind a proxy on the same machine that forwards any Host, or do not report their address.
    """
    software, name = str(environ.get("SERVER_SOFTWARE", "")), str(environ.get("SERVER_NAME", ""))
    return software.startswith("Werkzeug") and is_loopback(name)


def _log_file(settings: Settings) -> logging.Handler | None:
    """Open logs/server.log, shared by all processes of gunicorn; return its handler, None if it cannot be written."""
    try:
        return logs.join(settings.log_level, as_json=settings.log_json, file=settings.log_dir / "server.log")
    except OSError as error:
        logger.warning("No log file: %s", error)
        return None


def _before_exit(running: "_Running") -> None:
    """Close `running`, unless it is collected before, when the interpreter begins to shut down.

    `atexit` is too late for an orderly end: thread pools accept no work by then. Callbacks of `threading` run earlier,
    the last registered first: this one before that of the thread pools.
    """
    reference = weakref.ref(running)

    def close() -> None:
        if (existing := reference()) is not None:
            existing.close()

    register: Callable[[Callable[[], None]], object]
    register = getattr(threading, "_register_atexit", atexit.register)
    register(close)


class _Running:
    """One running backend: an event loop in a thread of this process, and a model where `place` says."""

    def __init__(self, place: ModelPlace) -> None:
        settings, testing = place.settings, place.testing
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._services: SharedServices | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._testing = testing
        self._budget = BodyBudget(settings.http.max_in_flight)
        self._counting = threading.Lock()
        self._closed = False
        self._log = None if testing else _log_file(settings)
        if testing:  # tests compare what predict returned; regions that the label config does not allow are only logged
            settings = replace(settings, invalid_predictions=InvalidPredictions.SEND)
        self._application: Application | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="label-studio-ml")
        self._thread.start()
        try:
            self._started_application = self._start(place, settings)
        except BaseException:
            self.close()  # the next request starts everything again
            raise
        _before_exit(self)

    def _start(self, place: ModelPlace, settings: Settings) -> Application:
        testing = place.testing
        if testing and settings.user_model_dir is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="label-studio-ml-")
            settings = replace(settings, model_dir=Path(self._scratch.name), store_url="")
            place = replace(place, settings=settings)
        place.log_restrictions()
        intake: TrainingIntake
        if testing:
            intake = SynchronousIntake(settings, place.model_class)
        elif place.untrainable:
            intake = UntrainedIntake(settings, place.model_class, place.untrainable)
        else:
            self._services = SharedServices(settings)
            self._services.start()
            intake = RedisIntake.of(settings, self._services.url)

        async def begin() -> Application:
            application = self._application = Application(
                settings,
                place.make_runner,
                intake,
                runners=1 if place.in_process else settings.model_workers,
                streams=False,
            )
            with contextlib.suppress(ModelFileError):  # the model's runner reports the error
                application.registry.expect(describe_class(place.model_class, settings.threads))
            await application.start()
            return application

        application: Application = self._wait(begin())
        return application

    def handle(self, call: Call, read: Callable[[Admission], bytes], *, loopback: bool) -> Response:
        """Return the response to a request, blocking this thread; `read` returns the request's body.

        `loopback` says whether the web server listens on a loopback address.
        """
        endpoints = self._started_application.endpoints
        try:
            size = _declared_size(call.headers)
            call.has_body = size > 0 or "transfer-encoding" in call.headers
            admission = call.admission = endpoints.admit(call, untyped=self._testing, loopback=loopback)
            if size > admission.max_body:
                raise too_large(admission.max_body, trusted=admission.trusted)
            with self._counted(size, trusted=admission.trusted) as count:
                call.body = read(admission)
                count(len(call.body) - size)
                if call.body and not call.has_body:  # a chunked body whose header the web server hides
                    call.has_body = True
                    endpoints.admit(call, untyped=self._testing)
                response: Response = self._wait(endpoints.handle(call))
        except BackendError as error:
            return endpoints.refuse(error, call)
        return response

    @contextlib.contextmanager
    def _counted(self, size: int, *, trusted: bool) -> Iterator[Callable[[int], None]]:
        """Count the bytes of a body while they are in memory; yield a function that counts more. Raises Overloaded."""
        counted = 0

        def count(more: int) -> None:
            nonlocal counted
            with self._counting:
                if more > 0:
                    self._budget.reserve(more, trusted=trusted)
                else:
                    self._budget.release(-more, trusted=trusted)
            counted += more

        count(size)
        try:
            yield count
        finally:
            count(-counted)

    def close(self) -> None:
        """Stop the backend; without effect in a forked process, or if it is closed already."""
        if self.pid != os.getpid() or self._closed:
            return
        self._closed = True
        if self._application is not None:
            with contextlib.suppress(concurrent.futures.TimeoutError):
                self._wait(self._application.close(), timeout=5)
        if self._services is not None:
            self._services.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()
        if self._log is not None:
            logging.getLogger().removeHandler(self._log)
            self._log.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def _wait(self, work: Any, timeout: float | None = None) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)
