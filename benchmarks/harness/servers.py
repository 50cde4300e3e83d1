"""Servers under test, each in a session of its own, on a free port of the loopback interface."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from harness import processes
from harness.paths import BENCH, MODELS, PEERS, UPSTREAM

#: Seconds that a server may take to its first answer, and to its end.
START, STOP = 120.0, 15.0


@dataclass
class Server:
    """A command that serves on `port` (0: on none). `setup` is posted to /setup, `first` to /predict before it counts
    as started.
    """

    name: str
    command: list[str]
    folder: Path
    port: int
    env: dict[str, str] = field(default_factory=dict)
    setup: bytes = b""
    first: bytes = b""
    first_answer: float = 0.0
    process: "subprocess.Popen[bytes] | None" = None
    log: "IO[bytes] | None" = None

    @property
    def pid(self) -> int:
        """The process's id; it must be running."""
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> "Server":
        self.log = open(self.folder / "bench.log", "wb")
        began = time.perf_counter()
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env={**_environment(), **self.env},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        try:
            if self.port:
                self._wait_for_port(began + START)
            if self.setup:
                self._until_answered("/setup", self.setup, began + START)
            if self.first:
                self._until_answered("/predict", self.first, began + START)
            self.first_answer = time.perf_counter() - began
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and everything it started."""
        if self.process is None:
            return
        members = processes.session(self.process.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        left = processes.end(members)
        if left:
            print(f"  ({self.name}: {len(left)} process(es) had to be killed)", flush=True)
        if self.log is not None:
            self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def members(self) -> list[int]:
        """Return the ids of all its processes."""
        return processes.session(self.pid)

    def rss(self) -> int:
        """Return the resident bytes of all its processes."""
        return processes.rss(self.members())

    def post(self, path: str, body: bytes, seconds: float = 60.0) -> tuple[int, bytes]:
        """Return status and body of one POST; GET where `body` is empty."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(
                "POST" if body else "GET", path, body or None, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _wait_for_port(self, deadline: float) -> None:
        while time.perf_counter() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self._last_words()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.002)
            else:
                return
        raise RuntimeError(f"{self.name} does not listen: {self._last_words()}")

    def _until_answered(self, path: str, body: bytes, deadline: float) -> None:
        while True:
            try:
                status, answer = self.post(path, body)
                problem = f"{status} {answer[:300]!r}"
                if status == 200:
                    return
            except OSError as error:
                problem = str(error)
            if time.perf_counter() > deadline:
                raise RuntimeError(f"{self.name}{path}: {problem}; {self._last_words()}")
            time.sleep(0.01)

    def _last_words(self) -> str:
        return (self.folder / "bench.log").read_text(errors="replace")[-2000:]


def ours(model: str, setup: bytes, first: bytes, **env: str) -> Server:
    """`label-studio-ml start` on a folder with models/<model>.py."""
    folder, port = _folder(), free_port()
    shutil.copy(MODELS / f"{model}.py", folder / "model.py")
    command = [str(BENCH / "bin" / "label-studio-ml"), "start", str(folder), "--port", str(port)]
    return Server("label-studio-ml (this)", command, folder, port, dict(env), setup, first)


def upstream(setup: bytes, first: bytes) -> Server:
    """label-studio-ml 1.0.9 with the dummy model, as its Dockerfile starts it."""
    folder, port = _folder(), free_port()
    shutil.copy(MODELS / "first_label.py", folder / "first_label.py")
    shutil.copy(PEERS / "upstream_wsgi.py", folder / "_wsgi.py")
    gunicorn = str(UPSTREAM / "bin" / "gunicorn")
    command = [gunicorn, "--preload", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "8"]
    command += ["--timeout", "0", "_wsgi:app"]
    env = {"MODEL_DIR": str(folder / "models")}
    return Server("label-studio-ml 1.0.9", command, folder, port, env, setup, first)


def peer(name: str, script: str, first: bytes) -> Server:
    """A script of peers/, which takes the port as its argument."""
    folder, port = _folder(), free_port()
    command = [str(BENCH / "bin" / "python"), str(PEERS / script), str(port)]
    return Server(name, command, folder, port, {"PYTHONPATH": str(MODELS)}, b"", first)


def part(name: str, command: list[str], port: int = 0, **env: str) -> Server:
    """Another program that is needed, in a folder of its own; `port` is where it listens, if it does."""
    return Server(name, command, _folder(), port, dict(env))


def _environment() -> dict[str, str]:
    """This process's environment without what would change a server."""
    unwanted = ("LABEL_STUDIO", "ML_", "REDIS", "RQ_", "BASIC_AUTH", "MODEL_DIR", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="lsml-bench-"))


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
