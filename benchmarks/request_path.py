#!/usr/bin/env python3
"""Measure what a request costs between the socket and the model, in processor time, beside other checkouts.

    git worktree add --detach /tmp/before <commit>
    .venv/bin/python benchmarks/request_path.py /tmp/before/src src

Each folder of sources runs in processes of its own, with the packages of the interpreter that runs this; they take
turns. There are no sockets: transports are faked, and 32 of them ask at a time. The model runs in a process of its own,
whose time does not count. On a machine that others use as well, go by the lower quartile.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from statistics import median, quantiles
from typing import Any

HERE = Path(__file__).resolve().parent

#: Requests before the clock starts; connections that ask at a time.
WARM, CONNECTIONS = 2000, 32

#: What is measured: the connection alone, with endpoints that do nothing, and three calls of Label Studio.
CALLS = ("connection", "/health", "/setup", "/predict")

_HEAD = (
    "{} {} HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nUser-Agent: heartex/1.23.2\r\nAccept-Encoding: gzip, deflate\r\n"
    "Accept: */*\r\nConnection: keep-alive\r\n"
)


def main() -> int:
    """Run what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="*", default=[HERE.parent / "src"], type=Path, metavar="SRC")
    parser.add_argument("--calls", default=",".join(CALLS), help=f"of {','.join(CALLS)}")
    parser.add_argument("--login", action="store_true", help="ask for a user and password, and give them")
    parser.add_argument("--processes", type=int, default=3, help="of each folder, one after the other")
    parser.add_argument("--rounds", type=int, default=20, help="turns that each process has")
    parser.add_argument("--requests", type=int, default=1000, help="of each call in a turn")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        _work(login=args.login)
        return 0
    messages = args.calls.split(",")
    found: dict[tuple[str, Path], list[float]] = {
        (call, src): [] for call in messages for src in args.sources
    }
    for _ in range(args.processes):
        with ExitStack() as stack:
            workers = {src: stack.enter_context(_Worker(src, login=args.login)) for src in args.sources}
            for call in messages:
                for worker in workers.values():
                    worker.cost(call, WARM)
                for number in range(args.rounds):
                    for src in args.sources if number % 2 == 0 else args.sources[::-1]:
                        found[call, src].append(workers[src].cost(call, args.requests))
    for call in messages:
        _say(call, {src: found[call, src] for src in args.sources})
    return 0


def _say(call: str, costs: Mapping[Path, list[float]]) -> None:
    first = next(iter(costs.values()))
    low = quantiles(first, n=4)[0]
    print(f"{call}: µs of processor time a request, in {len(first)} turns")
    for src, taken in costs.items():
        lower, middle, upper = quantiles(taken, n=4)
        more = median(mine - other for mine, other in zip(taken, first, strict=True))
        print(
            f"  quartiles {lower:6.1f} {middle:6.1f} {upper:6.1f}, least {min(taken):6.1f}"
            f"   beside the first: {lower - low:+6.1f} (lower quartile) {more:+6.1f} (turn by turn)  {src}",
            flush=True,
        )


class _Worker:
    """A process that runs the sources in one folder."""

    def __init__(self, src: Path, *, login: bool) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LABEL_STUDIO")
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker", *(["--login"] if login else [])],
            env={**environment, "PYTHONPATH": str(src.resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate(timeout=60)

    def cost(self, call: str, requests: int) -> float:
        """Return the µs that each of so many requests took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([call, requests]) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


# In the process of one checkout


class _Transport(asyncio.Transport):
    """Hands each answer's arrival to `answered`."""

    def __init__(self, caller: "_Caller") -> None:
        super().__init__()
        self._caller = caller

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 50000) if name == "peername" else default

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        self._caller.answered(data)


class _Caller:
    """Asks the same again and again on one connection, until all callers together have asked often enough."""

    def __init__(self, connection: asyncio.Protocol, wire: bytes, turns: "_Turns") -> None:
        self._connection, self._wire, self._turns = connection, wire, turns
        self._loop = asyncio.get_running_loop()
        connection.connection_made(_Transport(self))

    def ask(self) -> None:
        self._connection.data_received(self._wire)

    def answered(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"the answer is {data[:300]!r}")
        if self._turns.next():
            self._loop.call_soon(self.ask)


class _Turns:
    """Counts requests; `done` is set when all are answered."""

    def __init__(self, requests: int, callers: int) -> None:
        self._unasked, self._unanswered = requests - callers, requests
        self.done = asyncio.Event()

    def next(self) -> bool:
        """Count an answer; tell whether to ask again."""
        self._unanswered -= 1
        if not self._unanswered:
            self.done.set()
        self._unasked -= 1
        return self._unasked >= 0


class _Nothing:
    """Endpoints that do nothing, for checkouts with `admit` and without."""

    def __init__(self) -> None:
        from label_studio_ml.http_server import messages

        self._response = messages.Response
        made = getattr(messages, "Admission", None)
        self._admission = made(trusted=True, max_body=1 << 20) if made is not None else None

    def admit(self, *head: object, **options: object) -> Any:
        return self._admission

    async def handle(self, *request: object, **options: object) -> Any:
        return self._response(200, b"{}")


def _wire(method: str, path: str, body: bytes, more: Mapping[str, str]) -> bytes:
    head = _HEAD.format(method, path) + "".join(f"{name}: {value}\r\n" for name, value in more.items())
    if body:
        head += f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"\r\n" + body


def _work(*, login: bool) -> None:
    """Answer each line on standard input, a call and how often to ask for it, with what that cost."""
    import uvloop

    with tempfile.TemporaryDirectory(prefix="lsml-bench-") as folder:
        uvloop.run(_serve(Path(folder), login=login))


async def _serve(folder: Path, *, login: bool) -> None:
    sys.path.insert(0, str(HERE))
    from harness import bodies

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
        basic_auth_user="me" if login else "",
        basic_auth_pass="secret" if login else "",
    )
    core = Application(
        settings, lambda: ProcessRunner(settings), SynchronousIntake(settings, LabelStudioMLBase)
    )
    if hasattr(core.endpoints, "access"):
        core.endpoints.access.loopback = True
    more = {"Authorization": "Basic bWU6c2VjcmV0"} if login else {}
    predict = bodies.predict(1)
    wires = {
        "connection": _wire("POST", "/predict", predict, more),
        "/health": _wire("GET", "/health", b"", more),
        "/setup": _wire("POST", "/setup", bodies.setup(predict), more),
        "/predict": _wire("POST", "/predict", predict, more),
    }
    await core.start()
    try:
        await _cost(core.endpoints, wires["/setup"], 1, 1)
        await _cost(core.endpoints, wires["/predict"], 1, 1)
        with _collector():
            while line := await asyncio.to_thread(sys.stdin.readline):
                call, requests = json.loads(line)
                endpoints = _Nothing() if call == "connection" else core.endpoints
                print(await _cost(endpoints, wires[call], requests, CONNECTIONS), flush=True)
    finally:
        await core.close()


def _collector() -> AbstractContextManager[None]:
    """Return the settings of the garbage collector that the server uses."""
    try:
        from label_studio_ml.processes.garbage_collection import tuned
    except ImportError:  # before there was such a module
        return nullcontext()
    return tuned()


async def _cost(endpoints: Any, wire: bytes, requests: int, callers: int) -> float:
    """Return the µs of this process's time that a request takes."""
    from label_studio_ml.http_server.connection import Connection

    try:
        from label_studio_ml.http_server.server_state import ServerState
    except ImportError:  # before there was such a module
        from label_studio_ml.http_server.connection_registry import (  # type: ignore[attr-defined, no-redef]
            Site as ServerState,
        )
    site = ServerState(endpoints, 1 << 30)
    site.date = b"date: Sun, 29 Nov 2026 00:00:00 GMT\r\n"
    turns = _Turns(requests, callers)
    asking = [_Caller(Connection(site), wire, turns) for _ in range(callers)]
    began = time.process_time()
    for caller in asking:
        caller.ask()
    await asyncio.wait_for(turns.done.wait(), 300)
    return (time.process_time() - began) / requests * 1e6


if __name__ == "__main__":
    sys.exit(main())
