"""Which interpreter children are started with, and what it imports, whatever lies around."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes import interpreter as module
from label_studio_ml.processes.interpreter import InterpreterError, command, interpreter

SETTINGS = Settings(backend_dir=Path())


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    interpreter.cache_clear()
    yield
    interpreter.cache_clear()


def test_the_interpreter_of_this_process_is_taken_without_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_works", lambda path: pytest.fail(f"{path} was tried"))
    assert interpreter() == sys.executable


def test_a_host_that_is_no_python_leads_to_the_python_of_its_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stand-in for uWSGI: a program of that name, which must not be run either."""
    host = tmp_path / "uwsgi"
    host.write_text(f"#!/bin/sh\ntouch {tmp_path}/was_run\n")
    host.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(host))
    found = interpreter()
    assert Path(found).is_relative_to(sys.prefix)
    assert not (tmp_path / "was_run").exists()
    done = subprocess.run([found, "-c", "import msgspec, redis, sys; print(sys.prefix)"], capture_output=True)
    assert done.stdout.decode().strip() == sys.prefix


def test_a_python_that_has_not_our_dependencies_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As below Apache, where sys.executable may be another Python than the one that runs."""
    other = tmp_path / "python3"
    other.write_text('#!/bin/sh\necho "No module named msgspec" >&2\nexit 1\n')
    other.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(other))
    assert Path(interpreter()).is_relative_to(sys.prefix)


def test_without_any_the_error_says_what_was_tried_and_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/uwsgi")
    monkeypatch.setattr(module, "_works", lambda path: False)
    with pytest.raises(InterpreterError) as caught:
        interpreter()
    assert "'/opt/uwsgi'" in caught.value.message
    assert os.path.join(sys.prefix, "bin") in caught.value.message
    assert caught.value.field == "LABEL_STUDIO_ML_PYTHON"


def test_the_setting_names_one(tmp_path: Path) -> None:
    link = tmp_path / "my-own-name"
    link.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    link.chmod(0o755)
    assert command(replace(SETTINGS, python=str(link)), "a.b", 3)[0] == str(link)
    with pytest.raises(InterpreterError, match=r"LABEL_STUDIO_ML_PYTHON=/bin/false is no Python"):
        command(replace(SETTINGS, python="/bin/false"), "a.b")


PRINT = """\
import sys, label_studio_ml, msgspec, redis
def main():
    print(label_studio_ml.__file__, msgspec.__file__, redis.__file__, sys.argv[1:], sep="\\n")
"""


def test_neither_the_working_folder_nor_pythonpath_decide_what_we_import(tmp_path: Path) -> None:
    for folder in ("here", "path"):
        (tmp_path / folder / "label_studio_ml").mkdir(parents=True)
        for name in ("label_studio_ml/__init__", "redis", "rq", "msgspec", "queue"):
            (tmp_path / folder / f"{name}.py").write_text(f"raise RuntimeError('{folder}: {name}')")
    (tmp_path / "path" / "probe.py").write_text(PRINT)
    done = subprocess.run(
        command(SETTINGS, "probe", "a b"),
        cwd=tmp_path / "here",
        env={**os.environ, "PYTHONPATH": f".{os.pathsep}{tmp_path / 'path'}"},
        capture_output=True,
        text=True,
    )
    ours, msgspec, redis, arguments = done.stdout.splitlines() or [done.stderr] * 4
    assert Path(ours) == Path(module.__file__).parents[1] / "__init__.py"
    assert str(tmp_path) not in msgspec + redis
    assert arguments == "['a b']"


SPAWN = """\
import multiprocessing, os, sys
def main():
    from label_studio_ml.import_paths import user_path
    user_path.enter([sys.argv[1]])
    import helper
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(helper.where))
"""


def test_a_process_that_user_code_spawns_has_our_package_and_the_users_modules(tmp_path: Path) -> None:
    (tmp_path / "user" / "label_studio_ml").mkdir(parents=True)
    (tmp_path / "user" / "label_studio_ml" / "__init__.py").write_text("raise RuntimeError('a clone')")
    (tmp_path / "user" / "helper.py").write_text(
        "import label_studio_ml\ndef where():\n    return label_studio_ml.__file__\n"
    )
    (tmp_path / "spawner.py").write_text(SPAWN)
    done = subprocess.run(
        command(SETTINGS, "spawner", tmp_path / "user"),
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == str(Path(module.__file__).parents[1] / "__init__.py"), done.stderr
