#!/usr/bin/env python3
"""Measure the processor time of a request with our HTTP server, uvicorn and granian, under the same endpoints.

    .venv/bin/python -m pip install uvicorn granian      # into the environment that runs this, or another one
    .venv/bin/python benchmarks/http_servers.py --rounds 20

Each server is a process of its own with the endpoints of a backend and answers GET /health over the loopback
interface, on uvloop; servers that are not installed are left out. They take turns. The time is that of the server's
process and its children, from /proc, so the clients' share does not count. docs/architecture.md has the reasons.
"""

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent

REQUEST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: heartex/1.23.2\r\nAccept: */*\r\n\r\n"
#: Connections that send requests at a time, and requests before the first turn.
CONNECTIONS, WARM = 32, 2000
#: Seconds that a server may take to start.
PATIENCE = 60.0

SERVERS = ("ours", "uvicorn", "granian")


def main() -> int:
    """Run what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20, help="turns of each server")
    parser.add_argument("--requests", type=int, default=20_000, help="requests in a turn")
    parser.add_argument("--serve", nargs=2, metavar=("SERVER", "FD"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        _serve(args.serve[0], int(args.serve[1]))
        return 0
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(_Server(name))
            for name in SERVERS
            if name == "ours" or find_spec(name) is not None
        }
        for server in servers.values():
            server.cost(WARM)
        for _ in range(args.rounds):
            for name, server in servers.items():
                costs.setdefault(name, []).append(server.cost(args.requests))
    for name, taken in costs.items():
        ratio = median(mine / ours for mine, ours in zip(taken, costs["ours"], strict=True))
        print(f"{name:8} median {median(taken):6.1f} µs a request, {ratio:.2f} times ours (turn by turn)")
    return 0


class _Server:
    """A server in a process of its own, on a listening socket that it inherits."""

    def __init__(self, name: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._address = self._listener.getsockname()
        descriptor = self._listener.fileno()
        if name == "granian":  # takes an address instead
            self._listener.close()
        self._process = subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--serve",
                name,
                str(descriptor if name != "granian" else self._address[1]),
            ],
            pass_fds=() if name == "granian" else (descriptor,),
            start_new_session=True,
        )

    def __enter__(self) -> "_Server":
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                asyncio.run(_ask(self._address, 1, 1))
            except (OSError, asyncio.IncompleteReadError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return self

    def __exit__(self, *exc: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=60)
        self._listener.close()

    def cost(self, requests: int) -> float:
        """Return the µs of processor time that each of `requests` requests takes."""
        before = _processor_time(self._process.pid)
        asyncio.run(_ask(self._address, requests, CONNECTIONS))
        return (_processor_time(self._process.pid) - before) / requests * 1e6


def _processor_time(pid: int) -> float:
    """Return the seconds of processor time of a process and its living descendants."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    taken = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return taken + sum(_processor_time(int(child)) for child in children)


async def _ask(address: tuple[str, int], requests: int, connections: int) -> None:
    """Send GET /health `requests` times in all, on `connections` connections that each wait for their response."""
    left = requests

    async def one_connection() -> None:
        nonlocal left
        reader, writer = await asyncio.open_connection(*address)
        while left > 0:
            left -= 1
            writer.write(REQUEST)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200 "):
                raise RuntimeError(f"the response is {head[:200]!r}")
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(connections)))


# In a server's process


def _serve(name: str, descriptor: int) -> None:
    with tempfile.TemporaryDirectory(prefix="lsml-bench-") as folder:
        if name == "granian":
            _serve_granian(descriptor)
        else:
            import uvloop

            uvloop.run(_serve_here(name, descriptor, Path(folder)))


def _application(folder: Path) -> Any:
    from label_studio_ml.config.settings import Settings
    from label_studio_ml.model import LabelStudioMLBase
    from label_studio_ml.runtime.application import Application
    from label_studio_ml.serving.runners.process_runner import ProcessRunner
    from label_studio_ml.training.intake.synchronous import SynchronousIntake

    (folder / "model.py").write_text((HERE / "models" / "first_label.py").read_text())
    settings = Settings(
        backend_dir=folder,
        script=folder / "model.py",
        model_dir=folder / "data",
        log_dir=folder / "logs",
    )
    application = Application(
        settings, lambda: ProcessRunner(settings), SynchronousIntake(settings, LabelStudioMLBase)
    )
    application.endpoints.access.loopback = True
    return application


async def _serve_here(name: str, descriptor: int, folder: Path) -> None:
    application = _application(folder)
    await application.start()
    listener = socket.socket(fileno=descriptor)
    if name == "ours":
        from label_studio_ml.http_server.server import Server

        await Server(application.endpoints, 1 << 30, 1.0).serve(listener)
        return
    import uvicorn

    config = uvicorn.Config(
        _asgi(application.endpoints), http="httptools", lifespan="off", access_log=False, log_level="error"
    )
    await uvicorn.Server(config).serve(sockets=[listener])


_Asgi = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]


def _asgi(endpoints: Any) -> _Asgi:
    """Return an ASGI application that passes requests to `endpoints`."""
    from label_studio_ml.http_server.messages import Call

    async def application(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        client = scope.get("client") or ("", 0)
        response = await endpoints.handle(
            Call(
                scope["method"],
                scope["path"],
                scope["query_string"].decode(),
                headers,
                body,
                gone=lambda: False,
                peer=client[0],
            )
        )
        fields = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
        fields += [
            (b"content-type", response.content_type.encode()),
            (b"content-length", str(len(response.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": fields})
        await send({"type": "http.response.body", "body": response.body})

    return application


def _serve_granian(port: int) -> None:
    from granian import Granian

    os.environ["LSML_BENCH_FOLDER"] = tempfile.mkdtemp(prefix="lsml-bench-")
    sys.path.insert(0, str(HERE))
    Granian(
        "http_servers:granian_application",
        address="127.0.0.1",
        port=port,
        interface="asginl",
        workers=1,
        loop="uvloop",
        log_access=False,
        factory=True,
    ).serve()


def granian_application() -> _Asgi:
    """Return the application that granian's worker serves; it starts with the first request."""
    application = _application(Path(os.environ["LSML_BENCH_FOLDER"]))
    inner = _asgi(application.endpoints)
    started = False

    async def starting(scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal started
        if not started:
            started = True
            await application.start()
        await inner(scope, receive, send)

    return starting


if __name__ == "__main__":
    sys.exit(main())
