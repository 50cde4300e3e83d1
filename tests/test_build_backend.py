"""What pip is told on a Python that is too old, and that it can build on one that is not."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
BACKEND = ROOT / "scripts" / "build_backend.py"
SYSTEM: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
MESSAGE = r"label-studio-ml needs Python 3\.11 or newer; this is Python 3\.\d+\n"


def test_pip_reaches_our_backend_on_any_python() -> None:
    """Nothing needs to be installed there, and the file itself can be read."""
    assert (SYSTEM["build-backend"], SYSTEM["backend-path"]) == ("build_backend", ["scripts"])
    needed = [Requirement(text) for text in SYSTEM["requires"]]
    for python, count in {"3.7": 0, "3.9": 0, "3.10": 0, "3.11": 1, "3.13": 1}.items():
        wanted = [
            one.name
            for one in needed
            if one.marker is None
            or one.marker.evaluate({"python_version": python, "python_full_version": f"{python}.1"})
        ]
        assert wanted == ["hatchling"] * count, python
    ast.parse(BACKEND.read_text(), feature_version=(3, 7))


def _imported(python: str, before: str = "pass") -> "subprocess.CompletedProcess[str]":
    code = f"import sys; {before}; sys.path.insert(0, {str(BACKEND.parent)!r}); import build_backend"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 9, 18), (3, 10, 13)])
def test_an_old_python_is_named_in_one_line(version: tuple[int, int, int]) -> None:
    done = _imported(sys.executable, f"sys.version_info = {version}")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(MESSAGE, done.stderr)
    assert f"this is Python 3.{version[1]}\n" in done.stderr


def test_a_real_old_python_names_itself() -> None:
    found = [path for minor in (8, 9, 10) if (path := _python(f"3.{minor}"))]
    if not found:
        pytest.skip("this machine has no Python 3.8, 3.9 or 3.10")
    for python in found:
        assert re.fullmatch(MESSAGE, _imported(python).stderr), python


def _python(version: str) -> str | None:
    """Return an interpreter of this version, of pyenv or on the PATH; None if there is none that runs."""
    folders = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*"))
    candidates = [*(str(folder / "bin" / "python3") for folder in folders), shutil.which(f"python{version}")]
    for path in filter(None, candidates):
        if subprocess.run([path, "-c", ""], capture_output=True, check=False, timeout=60).returncode == 0:
            return path
    return None


def test_a_new_python_gets_hatchlings_functions(tmp_path: Path) -> None:
    """A stand-in for hatchling: it is not installed where the tests run."""
    (tmp_path / "hatchling").mkdir()
    (tmp_path / "hatchling" / "__init__.py").touch()
    (tmp_path / "hatchling" / "build.py").write_text("def build_wheel(*args): return 'a wheel'\n")
    before = f"sys.path.insert(0, {str(tmp_path)!r})"
    code = f"import sys; {before}; sys.path.insert(0, {str(BACKEND.parent)!r}); import build_backend as b"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(b.build_wheel('x'))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "a wheel\n", "")


def test_a_source_distribution_carries_the_backend() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert f"scripts/{BACKEND.name}" in tool["hatch"]["build"]["targets"]["sdist"]["include"]
