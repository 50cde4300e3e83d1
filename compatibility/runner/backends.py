"""The ways in which an example is run: below `label-studio-ml start`, and below gunicorn as its Dockerfile does."""

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Seconds until the first answer, and for a backend's end.
START, STOP = 180.0, 20.0

#: Seconds for one request: Label Studio gives up a prediction after 100.
REQUEST = 120.0

#: Names that would let one backend see another, or a running Redis.
_NOT_PASSED_ON = ("REDIS_URL", "REDIS_HOST", "MODEL_DIR", "PYTHONPATH", "RQ_QUEUE_NAME")


_running: "set[subprocess.Popen[bytes]]" = set()
_ending = threading.Event()


class BackendFailed(Exception):
    """A backend that ended, or does not answer. The text is the cause, one line."""


@dataclass(frozen=True)
class Answer:
    """The answer to one request; `body` is None where it is no JSON."""

    status: int
    body: Any
    text: str


@dataclass
class Backend:
    """A running backend."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request. Raises BackendFailed where no answer comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST)
        content = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise BackendFailed(f"{method} {path}: {type(error).__name__} {error}; {self.cause()}") from error
        finally:
            connection.close()
        try:
            return Answer(response.status, json.loads(text), text)
        except ValueError:
            return Answer(response.status, None, text)

    def cause(self) -> str:
        """Return the line of the log that says best why something failed, or its last line."""
        return likely_cause(self.log.read_text(errors="replace"))

    def wait_until_up(self) -> None:
        """Wait for the first answer of /health. Raises BackendFailed."""
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise BackendFailed(f"ended with status {self.process.returncode}: {self.cause()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                if self.ask("GET", "/health").status == 200:
                    return
            except (OSError, BackendFailed):
                pass
            time.sleep(0.1)
        raise BackendFailed(f"no answer within {START:.0f} s: {self.cause()}")


def likely_cause(log: str) -> str:
    """Return the last line of `log` that names an exception, or else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    named = [
        line
        for line in lines
        if line.split(":")[0].replace(".", "").replace("_", "").isalnum()
        and line.split(":")[0].endswith(("Error", "Exception", "Interrupt", "Exit"))
    ]
    return ((named or lines or ["its log is empty"])[-1])[:300]


def start_command(venv: Path, folder: Path, port: int) -> list[str]:
    """Return the command of our own server."""
    return [
        str(venv / "bin" / "label-studio-ml"),
        "start",
        str(folder),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]


def gunicorn_command(venv: Path, folder: Path, command: str) -> list[str]:
    """Return a Dockerfile's gunicorn `command` for a shell: of `venv`, on the loopback interface, in `folder`."""
    words = command.replace(":$PORT", "127.0.0.1:$PORT").replace(":${PORT:-9090}", "127.0.0.1:$PORT")
    words = words.replace("/app", shlex.quote(str(folder)))
    if "127.0.0.1:$PORT" not in words:
        words = f"{words} --bind 127.0.0.1:$PORT"
    return ["sh", "-c", f"exec {shlex.quote(str(venv / 'bin'))}/{words}"]


@contextmanager
def running(
    command: Sequence[str], folder: Path, port: int, log: Path, environment: Mapping[str, str]
) -> Iterator[Backend]:
    """Run a backend from `folder` in a session of its own; at the end, stop it with all that it started.

    Raises BackendFailed, also once `stop_all` was called.
    """
    _refuse_at_end()
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, "PORT": str(port), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        _running.add(process)
        try:
            _refuse_at_end()
            backend = Backend(port, process, log)
            backend.wait_until_up()
            yield backend
        finally:
            _running.discard(process)
            _stop(process)


def stop_all() -> None:
    """Stop every backend, for a program that is told to end. What waits for their answers fails; none is started."""
    _ending.set()
    for process in list(_running):
        _stop(process)


def _refuse_at_end() -> None:
    if _ending.is_set():
        raise BackendFailed("the program was told to end")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
