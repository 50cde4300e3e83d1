"""Run `label-studio-ml start` and `serve`: a process with the HTTP server, and its child processes.

Both start the model processes; `start` also starts the broker and the workers.
"""

import asyncio
import contextlib
import errno
import itertools
import logging
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace

from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.http_server.root_path import RootPath
from label_studio_ml.http_server.server import Server
from label_studio_ml.http_server.tls import Tls
from label_studio_ml.http_server.tls import load as load_tls
from label_studio_ml.monitoring import logs
from label_studio_ml.processes import garbage_collection, open_file_limit
from label_studio_ml.processes.orphans import kill_orphans
from label_studio_ml.runtime.application import Application
from label_studio_ml.runtime.shared_services import SharedServices
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.serving.runners.runner_choice import processes
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.storage import server_address
from label_studio_ml.studio.addresses.private_addresses import is_loopback
from label_studio_ml.support.server_urls import server_url
from label_studio_ml.training.intake.event_intake import RedisIntake

logger = logging.getLogger(__name__)


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    debug: bool = False,
    alone: bool = False,
    reload: bool = False,
    notice: str = "",
) -> int:
    """Serve the backend until SIGINT or SIGTERM; return the exit status.

    With `debug`, the model runs in this process, so that breakpoints work, and all that Label Studio could not show of
    a prediction is an error, unless INVALID_PREDICTIONS says otherwise. With `alone`, broker and workers are not
    started here. With `reload`, an edited model file is loaded at once. `notice`, if not empty, is printed on standard
    error once requests are answered.
    Raises SettingsError if the address cannot be used.
    """
    tls = _tls(settings)
    open_file_limit.raise_limit()
    _configure_logs(settings, "DEBUG" if debug else settings.log_level)
    with (
        contextlib.closing(_bound(settings, host, port)) as listener,
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        _print_address(listener, "http" if tls is None else "https", settings.http.root_path)
        return runner.run(
            _serve(settings, listener, tls, debug=debug, alone=alone, reload=reload, notice=notice)
        )


def _print_address(listener: socket.socket, scheme: str, root_path: str) -> None:
    """Print the address of the dashboard, before anything that takes time or prints."""
    host, port = listener.getsockname()[:2]
    local = "localhost" if is_loopback(host) or host in ("0.0.0.0", "::") else host  # noqa: S104 (nothing is bound here)
    url = server_url(scheme, local, port) + root_path
    print(f"label-studio-ml: {url}/ shows what this backend does", file=sys.stderr, flush=True)  # noqa: T201


def _tls(settings: Settings) -> Tls | None:
    """Return the server's certificate, None for plain HTTP. Raises SettingsError if it cannot be used."""
    certificate, key = settings.http.tls_cert, settings.http.tls_key
    if certificate is not None:
        return load_tls(certificate, key)
    if key is not None:
        raise SettingsError(
            "TLS_KEY is set but TLS_CERT is not", fix="Give --tls-cert FILE, too", field="TLS_CERT"
        )
    return None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the factory of event loops: uvloop's if it is installed, None for asyncio's own."""
    try:
        import uvloop
    except ImportError:  # not available on Windows and PyPy
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(
    settings: Settings,
    listener: socket.socket,
    tls: Tls | None,
    *,
    debug: bool,
    alone: bool,
    reload: bool,
    notice: str,
) -> int:
    services = SharedServices(settings, workers=not alone)
    intake = RedisIntake.of(settings, services.url)
    runners = 1 if debug else settings.model_workers
    if debug and settings.invalid_predictions is InvalidPredictions.REFUSE:
        settings = replace(settings, invalid_predictions=InvalidPredictions.ERROR)
    count = itertools.count()
    make_runner: Callable[[], ModelRunner] = (
        (lambda: ThreadRunner(settings, reimport=next(count) > 0)) if debug else (lambda: processes(settings))
    )
    application = Application(settings, make_runner, intake, runners=runners, reload=reload)
    stopping = asyncio.Event()
    server = _server(
        application, services, settings, tls, stopping
    )  # handles SIGINT and SIGTERM from here on
    host, port = listener.getsockname()[:2]
    application.endpoints.access.loopback = is_loopback(host)
    scheme = "http" if tls is None else "https"
    url = server_url(scheme, host, port)
    application.reporting.identity.address = url + settings.http.root_path
    try:
        if not await _started(application, services, stopping):
            return 0
        with server_address.announced(
            settings.model_dir, host, port, "" if tls is None else tls.fingerprint
        ) as other:
            if notice:
                print(f"label-studio-ml: {notice}", file=sys.stderr, flush=True)  # noqa: T201
            served_at = url + settings.http.root_path
            logger.info("Serving %s on %s (Ctrl-C ends it)", settings.class_name or "the model", served_at)
            if other:
                logger.warning(
                    "Another server of this folder runs at %s: both serve the same versions, and share one worker. "
                    "End one of them if that is not meant",
                    other,
                )
            with garbage_collection.tuned():
                await server.serve(listener)
    finally:
        await application.close()
        await asyncio.to_thread(services.stop)
    return 0


async def _started(application: Application, services: SharedServices, stopping: asyncio.Event) -> bool:
    """Start models, event intake, broker and workers; return False if `stopping` was set before that was done."""

    async def start() -> None:
        await asyncio.to_thread(kill_orphans)
        await application.start()
        services.start()

    starting = asyncio.create_task(start())
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([starting, stop], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            logger.info("The start is ended by a signal")
            starting.cancel()
        await asyncio.wait([starting])
    finally:
        starting.cancel()
        stop.cancel()
    if starting.cancelled():
        return False
    starting.result()
    return True


def _server(
    application: Application,
    services: SharedServices,
    settings: Settings,
    tls: Tls | None,
    stopping: asyncio.Event,
) -> Server:
    """Return the HTTP server; SIGINT and SIGTERM set `stopping`, and make it finish requests in flight and return."""
    capacity = open_file_limit.capacity()
    server = Server(
        application.endpoints,
        settings.max_body,
        settings.drain,
        max_in_flight=settings.http.max_in_flight,
        max_connections=capacity.connections,
        backlog=capacity.backlog,
        tls=None if tls is None else tls.context,
        root_path=RootPath(settings.http.root_path, settings.http.trusted_proxies),
    )
    loop = asyncio.get_running_loop()

    def stop(linger: float) -> None:
        stopping.set()
        application.drain()
        loop.call_later(linger, server.stop)

    def interrupt() -> None:
        services.skip_grace()
        stop(0.0)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, stop, settings.linger)
    return server


def _bound(settings: Settings, host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`. Raises SettingsError with the reason if that fails."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            own_url = server_address.address(settings.model_dir)
            if own_url.endswith(f":{port}"):
                raise SettingsError(
                    f"This backend runs already: {own_url}",
                    fix="Use that one, or end it; a second one needs another --port",
                    field="--port",
                ) from None
            raise SettingsError(
                f"Port {port} of {host} is in use",
                fix="End what uses it, or choose another with --port",
                field="--port",
            ) from None
        raise SettingsError(f"Cannot listen on {host}:{port}: {error}", field="--host") from None
    listener.set_inheritable(False)
    return listener


def _configure_logs(settings: Settings, level: str) -> None:
    """Write the log to standard error and to logs/server.log."""
    try:
        logs.configure(level, as_json=settings.log_json, file=settings.log_dir / "server.log")
    except OSError as error:
        print(f"label-studio-ml: no log file: {error}", file=sys.stderr)  # noqa: T201
