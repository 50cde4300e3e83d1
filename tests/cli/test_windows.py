"""Windows, simulated: a sitecustomize hides what Python has on Unix only. No real Windows is tried here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What stands for Windows: these functions and modules are not there.
SIMULATION = """
import os, sys
for name in ("getuid", "geteuid", "getgid", "chown", "fork", "setsid", "getpgid", "killpg"):
    delattr(os, name)
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "grp", "pwd", "resource", "termios", "uvloop"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def _run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "simulation").mkdir(exist_ok=True)
    (folder / "simulation" / "sitecustomize.py").write_text(SIMULATION)
    command = [sys.executable, "-m", "label_studio_ml", *words]
    env = {**os.environ, "PYTHONPATH": str(folder / "simulation")}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False
    )


def test_init_makes_a_folder(tmp_path: Path) -> None:
    done = _run(tmp_path, "init", "my_backend")
    assert (done.returncode, done.stderr) == (0, "")
    made = tmp_path / "my_backend"
    assert "BACKEND_UID:-1000" in (made / "docker-compose.yml").read_text()
    assert len(list((made / "wheels").glob("*.whl"))) == 1


@pytest.mark.parametrize("command", ["start", "versions"])
def test_what_cannot_run_says_so_in_one_line(tmp_path: Path, command: str) -> None:
    assert _run(tmp_path, "init", "my_backend").returncode == 0
    done = _run(tmp_path, command, "my_backend", *(("--host", "127.0.0.1") if command == "start" else ()))
    assert done.returncode == 1
    assert done.stderr == f"label-studio-ml: {command} does not run on Windows: use WSL or a container\n"
