"""Several processes that need the same value: one computes it, whatever becomes of the others."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: A model file. Its `encode` writes a line to `log` when it begins, and ends once there is a file `go`.
_MODEL = """
import base64, os, sys, time
from pathlib import Path

import numpy as np

from label_studio_ml.model import LabelStudioMLBase

class Encoder(LabelStudioMLBase):
    def encode(self, path):
        with open("log", "a") as log:
            log.write(f"{os.getpid()}\\n")
        while not os.path.exists("go"):
            time.sleep(0.01)
        return np.full((64, 64), len(Path(path).read_bytes()), "f4")

if __name__ == "__main__":
    print("begin", flush=True)
    task = {"id": 1, "data": {"image": "data:image/png;base64," + base64.b64encode(b"picture").decode()}}
    print(int(Encoder().once(task, "embedding", Encoder().encode).sum()), flush=True)
"""

_EXPECTED = str(64 * 64 * len(b"picture"))

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a function that starts a process in the test's folder, which needs the value."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model.py").write_text(_MODEL)
    processes: list[subprocess.Popen[str]] = []

    def run() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "model.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def _computing(folder: Path) -> list[int]:
    """Return the ids of the processes that have begun to compute."""
    log = folder / "log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_one_process_computes_and_the_others_wait(start: Start, tmp_path: Path) -> None:
    processes = [start() for _ in range(3)]
    _wait_until(lambda: bool(_computing(tmp_path)))
    (tmp_path / "go").touch()
    assert [process.communicate(timeout=60)[0] for process in processes] == [f"{_EXPECTED}\n"] * 3
    assert len(_computing(tmp_path)) == 1
    later = start()
    assert later.communicate(timeout=60)[0] == f"{_EXPECTED}\n"
    assert len(_computing(tmp_path)) == 1


def test_another_process_computes_after_one_is_killed(start: Start, tmp_path: Path) -> None:
    processes = {process.pid: process for process in (start(), start())}
    _wait_until(lambda: bool(_computing(tmp_path)))
    killed = processes.pop(_computing(tmp_path)[0])
    killed.kill()
    killed.wait(60)
    _wait_until(lambda: len(_computing(tmp_path)) == 2)
    (tmp_path / "go").touch()
    (waiting,) = processes.values()
    assert waiting.communicate(timeout=60)[0] == f"{_EXPECTED}\n"
    values = tmp_path / ".cache" / "label-studio-ml" / "once"
    assert len(list(values.glob("?" * 32))) == 1
    assert not list(values.glob(".*.part"))


def test_edited_code_computes_again(start: Start, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    start().communicate(timeout=60)
    (tmp_path / "model.py").write_text(_MODEL.replace('"f4")', '"f4") * 2'))
    assert start().communicate(timeout=60)[0] == f"{2 * int(_EXPECTED)}\n"
    assert len(_computing(tmp_path)) == 2
