"""`label-studio-ml start` from its first to its last moment."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from e2e.backend import CLI, Backend
from e2e.processes import Program, free_port, wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.runtime import supervisor
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.storage.server_address import address
from live import WORKER, Live, alive, start_training

Make = Callable[..., Live]

#: What is in the command line of the process that runs the model.
MODEL = "label_studio_ml.serving.runners.model_process"


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.soak)])
def test_a_signal_ends_all_of_it(make: Make, number: signal.Signals) -> None:
    live = make(name="with a space")
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    assert live.wait(live.send(start_training(1)))["job_status"] == "finished"
    live.one(WORKER)
    broker = live.broker()
    program = live.backend.program
    assert program is not None
    assert live.backend.stop(with_signal=number) == []
    assert program.process.returncode == 0
    assert not alive(broker)
    assert "Traceback" not in program.output()
    assert "Traceback" not in (live.folder / "logs" / "rq.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.soak)])
def test_a_signal_right_after_the_start(make: Make, number: signal.Signals) -> None:
    live = make()
    live.backend.start()  # answers /health; broker and worker may just be starting
    program = live.backend.program
    assert program is not None
    assert live.backend.stop(with_signal=number) == []
    assert program.process.returncode == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("moment", ["it listens", "the model's process is there", "it serves"])
def test_ctrl_c_at_a_terminal_in_the_first_moments(make: Make, moment: str) -> None:
    """A terminal sends it to the whole group, while everything is just being imported."""
    live = make()
    backend = live.backend
    command = [*CLI, "start", live.folder.name, "--port", str(backend.port)]
    program = Program(command, cwd=live.folder.parent, env=backend.env, log=backend.log)
    backend.program = program
    reached = {
        "it listens": lambda: _listens(backend.port),
        "the model's process is there": lambda: live.processes(MODEL),
        "it serves": lambda: "Serving " in program.output(),
    }
    wait_until(reached[moment], moment, every=0.001)
    os.killpg(program.process.pid, signal.SIGINT)
    program.process.wait(120)
    assert backend.stop() == []
    assert program.process.returncode in (0, 130)
    assert "Traceback" not in program.output()
    log = live.folder / "logs" / "rq.log"
    assert not log.exists() or "Traceback" not in log.read_text()


def test_who_can_reach_it_and_where_is_said_once_it_serves(make: Make) -> None:
    live = make()
    backend = live.backend
    start = [*CLI, "start", live.folder.name, "--host", "0.0.0.0", "--port"]
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        failed = subprocess.run(
            [*start, port],
            cwd=live.folder.parent,
            env=backend.env,
            capture_output=True,
            text=True,
            check=False,
        )
    assert failed.returncode == 1
    assert "is in use" in failed.stderr
    assert "anyone who can reach" not in failed.stderr
    program = Program(
        [*start, str(backend.port), "--root-path", "/ml"],
        cwd=live.folder.parent,
        env=backend.env,
        log=backend.log,
    )
    backend.program = program
    wait_until(lambda: "Ctrl-C ends it" in program.output(), "it serves", every=0.05)
    output = program.output()
    assert "listening on 0.0.0.0: anyone who can reach port" in output
    assert f" on http://0.0.0.0:{backend.port}/ml (Ctrl-C ends it)" in output
    assert backend.stop() == []


class _SlowRunner(ThreadRunner):
    """A runner whose start does not return, as with many model processes."""

    began: asyncio.Event

    async def start(self) -> None:
        self.began.set()
        await asyncio.Event().wait()


@pytest.mark.usefixtures("clean_env")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_start_in_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    (tmp_path / "model.py").write_text("")
    environment = {"REDIS_URL": "redis://127.0.0.1:1", "LABEL_STUDIO_ML_LINGER": "3600"}
    settings = Settings.from_env(environment, backend_dir=tmp_path)
    monkeypatch.setattr(supervisor, "processes", _SlowRunner)

    async def test() -> None:
        began = _SlowRunner.began = asyncio.Event()
        with contextlib.closing(supervisor._bound(settings, "127.0.0.1", free_port())) as listener:
            serving = asyncio.create_task(
                supervisor._serve(settings, listener, None, debug=False, alone=True, reload=False, notice="")
            )
            await asyncio.wait_for(began.wait(), 60)
            os.kill(os.getpid(), number)
            assert await asyncio.wait_for(serving, 60) == 0

    asyncio.run(test())


def test_a_second_start_on_the_folder(make: Make) -> None:
    live = make()
    live.backend.start()
    arguments = [*CLI, "start", str(live.folder)]
    same = subprocess.run(
        [*arguments, "--port", str(live.backend.port)],
        env=live.backend.env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert same.returncode == 1
    *_, line, _ = same.stderr.splitlines()  # a remark about containers may come before
    assert f"This backend runs already: http://127.0.0.1:{live.backend.port}" in line
    assert address(live.model_dir) == f"http://127.0.0.1:{live.backend.port}"
    second = Backend(live.folder, live.folder.parent / "second.log", env=live.backend.env)
    second.start()
    try:
        assert second.program is not None
        program = second.program
        told = f"Another server of this folder runs at http://127.0.0.1:{live.backend.port}"
        wait_until(lambda: told in program.output(), "it says so")
        assert address(live.model_dir) == f"http://127.0.0.1:{live.backend.port}", "the first one stays known"
        assert live.backend.stop() == []
        wait_until(lambda: address(live.model_dir) == f"http://127.0.0.1:{second.port}", "then the second is")
    finally:
        assert second.stop() == []
    assert not (live.model_dir / "server.json").exists()


def test_a_port_in_use_is_one_clear_line(make: Make) -> None:
    live = make()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*CLI, "start", str(live.folder), "--port", str(port), "--host", "127.0.0.1"],
            env=live.backend.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    line, _ = done.stderr.splitlines()
    assert f"Port {port}" in line
    assert "--port" in line
    assert done.stdout == ""
    assert not live.model_dir.exists()


def test_the_log_is_in_the_folder_and_on_the_terminal(make: Make) -> None:
    live = make()
    live.backend.start()
    wait_until(lambda: "Serving" in live.backend.output(), "it says where it is")
    assert live.backend.url.rpartition(":")[2] in live.backend.output()
    log = live.folder / "logs" / "server.log"
    wait_until(lambda: "Serving" in log.read_text(), "so does the log file")


def test_a_log_folder_that_cannot_be_made_is_said(make: Make) -> None:
    live = make()
    (live.folder / "logs").write_text("in the way")
    live.backend.start()
    wait_until(lambda: "no log file" in live.backend.output(), "it is said")


def test_a_restart_serves_what_was_trained(make: Make) -> None:
    live = make()
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    version = live.wait(live.send(start_training(1)))["model_version"]
    live.backend.kill()
    live.backend.start()
    assert (
        live.wait_served(1, lambda entry: entry["model_version"] == version)["seen"]["weights"] == "1 tasks"
    )
    assert live.setup(1) == version


def test_debug_serves_in_one_process(make: Make) -> None:
    live = make()
    live.backend.arguments = ["--debug"]
    live.backend.start()
    live.setup(1)
    assert live.predict(1)["model_version"] == "INITIAL"
    assert not live.processes("model_process")


def test_a_request_under_way_is_finished(make: Make) -> None:
    live = make()
    live.backend.start()
    live.setup(1)
    live.predict(1)
    program = live.backend.program
    assert isinstance(program, Program)
    with socket.create_connection(("127.0.0.1", live.backend.port)) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        assert requests.get(f"{live.backend.url}/health", timeout=60).status_code == 200
        assert live.backend.stop() == []
    assert program.process.returncode == 0
