"""Windows, simulated: a sitecustomize hides what Python has on Unix only. No real Windows is tried here.

What the simulation lacks, or does as Windows does: processes by fork, descriptors given to a child, signals beside
SIGINT and SIGTERM, `fcntl` and its like, opening folders, renaming and deleting files that are open here. `msvcrt` is
a stand-in.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.storage.file_locks import try_lock

#: What stands for Windows. The standard library's Unix parts are imported first: they work in its place.
SIMULATION = """
import asyncio, concurrent.futures.thread, fcntl, multiprocessing, os, shutil, signal, socket, subprocess, sys
import tempfile, types
for module, names in (
    (os, "getuid geteuid getgid chown fork setsid getpgid killpg fchmod O_NOFOLLOW O_CLOEXEC O_DIRECTORY sysconf "
         "register_at_fork"),
    (signal, "SIGKILL SIGHUP SIGCHLD SIGUSR1 pthread_sigmask"),
    (socket, "MSG_DONTWAIT"),
):
    for name in names.split():
        delattr(module, name)
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK = 2
def locking(descriptor, mode, count, flock=fcntl.flock, kind=fcntl.LOCK_EX | fcntl.LOCK_NB):
    assert (mode, count, os.lseek(descriptor, 0, os.SEEK_CUR) >= 1 << 30) == (2, 1, True)
    try:
        flock(descriptor, kind)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None
msvcrt.locking = locking
sys.modules["msvcrt"] = msvcrt
shutil._use_fd_functions = False
hidden = ("fcntl", "grp", "pwd", "resource", "termios", "uvloop")
for name in hidden:
    sys.modules.pop(name, None)
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
def open_file(path, *args, _open=os.open, **kwargs):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return _open(path, *args, **kwargs)
os.open = open_file
def kill(pid, number):
    raise AssertionError("on Windows this ends the process")
os.kill = kill
def not_open(path):
    for name in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{name}") == os.path.realpath(path):
            raise PermissionError(13, "The file is used by another process", str(path))
def replace(source, target, *, _replace=os.replace, **kwargs):
    not_open(source)
    not_open(target)
    return _replace(source, target, **kwargs)
os.replace = replace
class Popen(subprocess.Popen):
    def __init__(self, *args, **kwargs):
        if kwargs.get("pass_fds"):
            raise ValueError("pass_fds not supported on Windows.")
        super().__init__(*args, **kwargs)
subprocess.Popen = Popen
"""

MODEL = """
import os
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        control = self.label_interface.get_control("label")
        choice = lambda task: "good" if "good" in task["data"]["text"] else "bad"
        return [
            {"score": 0.5, "model_version": self.model_version, "result": [
                {"from_name": control.name, "to_name": "text", "type": "choices",
                 "value": {"choices": [choice(task)]}}]}
            for task in tasks
        ]
"""
CONFIG = """<View><Text name="text" value="$text"/>
<Choices name="label" toName="text"><Choice value="good"/><Choice value="bad"/></Choices></View>"""


def _run(folder: Path, *words: str, python: str = "") -> "subprocess.CompletedProcess[str]":
    (folder / "simulation").mkdir(exist_ok=True)
    (folder / "simulation" / "sitecustomize.py").write_text(SIMULATION)
    command = [sys.executable, *(("-c", python) if python else ("-m", "label_studio_ml", *words))]
    env = {**os.environ, "PYTHONPATH": str(folder / "simulation")}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """A folder with a backend `be`, a label config and what people annotated."""
    (tmp_path / "be").mkdir()
    (tmp_path / "be" / "model.py").write_text(MODEL)
    (tmp_path / "config.xml").write_text(CONFIG)
    tasks = [{"id": number, "data": {"text": text}} for number, text in enumerate(["a good one", "awful"])]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    truth = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["good"]}}
    annotated = [
        {**task, "annotations": [{"id": 7, "result": [{"id": "x", **truth}], "was_cancelled": False}]}
        for task in tasks
    ]
    (tmp_path / "export.json").write_text(json.dumps(annotated))
    return tmp_path


def test_init_makes_a_folder(tmp_path: Path) -> None:
    done = _run(tmp_path, "init", "my_backend")
    assert (done.returncode, done.stderr) == (0, "")
    made = tmp_path / "my_backend"
    assert "BACKEND_UID:-1000" in (made / "docker-compose.yml").read_text()
    assert len(list((made / "wheels").glob("*.whl"))) == 1


def test_a_model_is_checked(backend: Path) -> None:
    done = _run(backend, "start", "be", "--check")
    assert (done.returncode, done.stderr) == (0, "")
    built = f"OK: Mine of {backend / 'be' / 'model.py'} can be built"
    assert done.stdout == f"{built}; no prediction was tried: give --label-config FILE\n"


def test_a_file_is_predicted(backend: Path) -> None:
    words = ("--input", "tasks.json", "--output", "out.json", "--label-config", "config.xml")
    done = _run(backend, "predict", "be", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Version INITIAL, asked from this process\n")
    assert "Traceback" not in done.stderr
    found: list[Any] = json.loads((backend / "out.json").read_text())
    values = [task["predictions"][0]["result"][0]["value"] for task in found]
    assert values == [{"choices": ["good"]}, {"choices": ["bad"]}]


def test_a_model_is_evaluated(backend: Path) -> None:
    words = ("--annotations", "export.json", "--label-config", "config.xml", "--all", "--json")
    done = _run(backend, "evaluate", "be", *words)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Predicting: ")]
    assert (done.returncode, lines) == (0, [])  # where it takes long, there is a line of progress
    report = json.loads(done.stdout)
    assert report["controls"]["label"]["metrics"]["accuracy"] == 0.5


def test_a_broken_model_is_told(backend: Path) -> None:
    (backend / "be" / "model.py").write_text(
        MODEL.replace("def predict", "def setup(self): 1 / 0\n    def predict")
    )
    words = ("--annotations", "export.json", "--label-config", "config.xml", "--all")
    done = _run(backend, "evaluate", "be", *words)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr.splitlines()[-2]


@pytest.mark.parametrize(
    "words",
    [
        ("start", "be"),
        ("serve", "be"),
        ("worker", "be"),
        ("train", "be", "--project", "1"),
        ("agent", "be", "--project", "1"),
    ],
    ids=lambda words: words[0],
)
def test_what_cannot_run_says_so(backend: Path, words: tuple[str, ...]) -> None:
    done = _run(backend, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"label-studio-ml: {words[0]} does not run on Windows: use WSL or a container"
    )
    assert done.stderr.count("\n") == 2, "the message and what explains it"


def test_what_reads_files_only_runs(backend: Path) -> None:
    done = _run(backend, "versions", "be")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Windows" not in done.stderr


def test_file_locks_keep_others_out(tmp_path: Path) -> None:
    code = (
        "from label_studio_ml.storage.file_locks import try_lock\n"
        "with open('held', 'r+') as file:\n"
        "    try: try_lock(file)\n"
        "    except BlockingIOError: print('held')\n"
        "with open('free', 'r+') as file:\n"
        "    try_lock(file)\n    print(file.read())\n"
    )
    (tmp_path / "free").write_text("text")
    with (tmp_path / "held").open("w") as file:
        try_lock(file)
        assert _run(tmp_path, python=code).stdout == "held\ntext\n"


def test_a_log_file_is_rotated(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom label_studio_ml.monitoring.logs import RotatingFile\n"
        "file = RotatingFile(Path('logs/x.log'), max_bytes=8, max_rotated=2)\n"
        "for number in range(3): file.write(b'line %d\\n' % number)\n"
    )
    done = _run(tmp_path, python=code)
    assert (done.returncode, done.stderr) == (0, "")
    texts = {path.name: path.read_text() for path in (tmp_path / "logs").glob("x.log*")}
    assert texts == {"x.log": "line 2\n", "x.log.1": "line 1\n", "x.log.2": "line 0\n"}


def test_a_fetched_file_is_kept(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom label_studio_ml.storage.file_cache import FileCache\n"
        "name = 'a' * 32 + '.txt'\n"
        "path = FileCache(Path('cache'), 100).fill(name, lambda file: file.write(b'text'), 1)\n"
        "print(path.read_text(), FileCache(Path('cache'), 100).find(name) == path)\n"
    )
    done = _run(tmp_path, python=code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "text True\n", "")
