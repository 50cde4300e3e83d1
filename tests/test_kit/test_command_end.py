"""When `label-studio-ml test` is ended by a signal, its processes end, and SIGTERM removes its temporary folder."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from label_studio_ml.processes.process_table import find as find_process
from label_studio_ml.processes.process_table import is_running
from label_studio_ml.storage.temporary_folders import temporary_folder

ENDLESS = """
import os, pathlib
from label_studio_ml.model import LabelStudioMLBase

class Endless(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        pathlib.Path(os.environ["PID_FILE"] + ".new").write_text(str(os.getpid()))
        os.replace(os.environ["PID_FILE"] + ".new", os.environ["PID_FILE"])
        while True:
            pass
"""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the child on Linux only")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_predict_that_never_returns_ends_with_the_command(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, temporary, pid_file = tmp_path / "backend", tmp_path / "temporary", tmp_path / "pid"
    backend.mkdir()
    temporary.mkdir()
    (backend / "model.py").write_text(ENDLESS)
    command = subprocess.Popen(
        [sys.executable, "-m", "label_studio_ml", "test", str(backend)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary), "PID_FILE": str(pid_file)},
    )
    child = None
    try:
        wait_for(pid_file.exists, "predict was not called")
        child = find_process(int(pid_file.read_text()))
        assert child is not None
        assert list(temporary.glob("label-studio-ml-test-*"))
        command.send_signal(number)
        status = command.wait(60)
        child_pid, started = child.pid, child.started
        wait_for(lambda: not is_running(child_pid, started), "the child still runs")
    finally:
        command.kill()
        command.wait()
        if child is not None and is_running(child.pid, child.started):
            child.send(signal.SIGKILL)
    if number != signal.SIGKILL:
        assert status == 128 + number
    else:
        monkeypatch.setenv("TMPDIR", str(temporary))
        monkeypatch.setattr(tempfile, "tempdir", None)
        with temporary_folder("label-studio-ml-test-"):
            pass  # removes what the killed command has left
    assert list(temporary.glob("label-studio-ml-*")) == []
