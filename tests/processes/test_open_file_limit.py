"""The limit of open files: raised in the server, not in what runs user code; connections stay below it."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from e2e.backend import Backend
from e2e.processes import wait_until
from label_studio_ml.processes.open_file_limit import Capacity, _capacity
from tricky import CONFIG, Tricky

PATIENCE = 120.0
BODY = {"tasks": [{"id": 1}], "project": "1.1", "label_config": CONFIG}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (64, Capacity(32, 16)),
        (256, Capacity(128, 64)),
        (1024, Capacity(896, 64)),
        (4096, Capacity(3584, 256)),
        (65_536, Capacity(16_384, 2048)),
    ],
)
def test_connections_leave_files_for_all_else(files: int, expected: Capacity) -> None:
    assert _capacity(files) == expected


def _limits(pid: int) -> tuple[int, int]:
    """Return a process's soft and hard limit of open files."""
    line = next(
        line
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines()
        if line.startswith("Max open files")
    )
    soft, hard = line.split()[3:5]
    return int(soft), int(hard)


def _started(tmp_path: Path, soft: int, hard: int) -> Backend:
    tricky = Tricky(tmp_path / "backend")
    limited = f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$@"'
    made = Backend(
        tricky.folder,
        tmp_path / "backend.log",
        arguments=["--script", "obedient.py:Tricky"],
        prefix=["sh", "-c", limited, "sh"],
    )
    made.start()
    wait_until(
        lambda: requests.post(f"{made.url}/predict", json=BODY, timeout=PATIENCE).ok, "the model is loaded"
    )
    return made


def _processes(backend: Backend) -> dict[int, str]:
    """Return the processes of a backend with their command lines."""
    assert backend.program is not None
    found = {}
    for pid in backend.program.descendants():
        with contextlib.suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return found


@pytest.fixture
def connections() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def test_the_server_raises_its_limit_and_user_code_keeps_the_one_before(tmp_path: Path) -> None:
    backend = _started(tmp_path, 300, 1000)
    try:
        assert backend.program is not None
        server = backend.program.process.pid
        assert _limits(server) == (1000, 1000)

        def of_ours() -> dict[int, str]:
            return {pid: line for pid, line in _processes(backend).items() if "bootstrap.py" in line}

        wait_until(lambda: any("runtime.worker" in line for line in of_ours().values()), "the worker runs")
        wait_until(
            lambda: {_limits(pid) for pid in of_ours()} == {(300, 1000)},
            f"their limits are those: {of_ours()}",
        )
    finally:
        assert not backend.stop()


@pytest.mark.parametrize(
    "sent",
    [b"", pytest.param(b"GET / HTTP/1.1\r\nHost: ", marks=pytest.mark.soak)],
    ids=["silent", "half a head"],
)
def test_idle_connections_take_nothing_from_others(
    tmp_path: Path, sent: bytes, connections: contextlib.ExitStack
) -> None:
    backend = _started(tmp_path, 256, 256)
    try:
        for _ in range(600):
            idle = connections.enter_context(socket.create_connection(("localhost", backend.port), PATIENCE))
            with contextlib.suppress(ConnectionError):
                idle.sendall(sent)
        assert backend.program is not None
        files = Path(f"/proc/{backend.program.process.pid}/fd")
        wait_until(lambda: len(list(files.iterdir())) < 240, "those that are too many are closed")
        for _ in range(20):
            answer = requests.post(f"{backend.url}/predict", json=BODY, timeout=PATIENCE)
            assert answer.status_code == 200, answer.text
            assert requests.get(f"{backend.url}/health", timeout=PATIENCE).ok
        assert "Too many open files" not in backend.output()
        assert _processor_seconds(backend.program.process.pid, over=2.0) < 1.0
    finally:
        assert not backend.stop()


def _processor_seconds(pid: int, over: float) -> float:
    """Return how many seconds of processor time a process takes within `over` seconds."""
    began = time.monotonic()
    before = _times(pid)
    wait_until(lambda: time.monotonic() - began >= over, "the time is over")
    return (_times(pid) - before) / 100


def _times(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_model_process_starts_while_the_server_has_more_than_1024_open_files(
    tmp_path: Path, connections: contextlib.ExitStack
) -> None:
    backend = _started(tmp_path, 1024, 4096)
    try:
        assert backend.program is not None
        for _ in range(1200):
            connections.enter_context(socket.create_connection(("localhost", backend.port), PATIENCE))
        files = Path(f"/proc/{backend.program.process.pid}/fd")
        wait_until(lambda: len(list(files.iterdir())) > 1200, "the server has all of them")
        models = [pid for pid, line in _processes(backend).items() if "serving.model_process" in line]
        for pid in models:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

        def predicts() -> bool:
            return requests.post(f"{backend.url}/predict", json=BODY, timeout=PATIENCE).ok

        wait_until(predicts, "a new model process answers")
        later = {pid for pid, line in _processes(backend).items() if "serving.model_process" in line}
        assert later.isdisjoint(models)
        assert "filedescriptor out of range" not in backend.output()
    finally:
        assert not backend.stop()
