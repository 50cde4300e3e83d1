"""What user code and our own code import where both have a module of one name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from label_studio_ml.config.settings import Settings
from label_studio_ml.processes.interpreter import command

USER = """\
import redis
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    word = redis.word
"""

LOAD = """\
import redis, sys
from pathlib import Path
from label_studio_ml.import_paths import user_path
from label_studio_ml.user_code.loading import load_class
from label_studio_ml.user_code.model_source import ModelSource

def main():
    cls = load_class(ModelSource(Path(sys.argv[1]), "Mine"))
    print(cls.word)
    from requests import Session
    import queue, requests, msgspec, importlib
    print(*(Path(one.__file__).parent.name for one in (requests, msgspec)), queue.__name__, hasattr(queue, "Queue"))
    import only_on_pythonpath
    print(only_on_pythonpath.word)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backend"
    made.mkdir()
    (made / "model.py").write_text(USER)
    (made / "redis.py").write_text("word = 'my redis'")
    return made


def load(folder: Path, script: str = "model.py") -> "subprocess.CompletedProcess[str]":
    """Import a model file as our processes do."""
    beside = folder.parent / "path"
    beside.mkdir(exist_ok=True)
    (beside / "loads.py").write_text(LOAD)
    (beside / "only_on_pythonpath.py").write_text("word = 'found'")
    (beside / "redis.py").write_text("word = 'the wrong one'")
    return subprocess.run(
        command(Settings(backend_dir=folder), "loads", folder / script),
        env={**os.environ, "PYTHONPATH": str(beside)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_name_that_we_do_not_need_is_the_users(folder: Path) -> None:
    done = load(folder)
    assert done.stdout.splitlines() == ["my redis", "requests msgspec queue True", "found"], done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["requests", "msgspec", "urllib3", "queue", "label_studio_sdk"])
def test_a_name_that_we_need_stays_ours_and_is_said(folder: Path, name: str) -> None:
    (folder / f"{name}.py").write_text("raise RuntimeError('not this one')")
    done = load(folder)
    assert done.stdout.splitlines() == ["my redis", "requests msgspec queue True", "found"], done.stderr
    assert f"{name} in {folder} has the name of a module that label-studio-ml uses" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_standard_name_that_we_do_not_need_is_the_users(folder: Path) -> None:
    (folder / "this.py").write_text("word = 'mine'")
    (folder / "model.py").write_text(
        USER.replace("import redis", "import redis, this").replace("redis.word", "this.word")
    )
    done = load(folder)
    assert done.stdout.splitlines()[0] == "mine", done.stderr
    assert done.stderr == ""


def test_a_model_file_with_such_a_name_is_imported_under_another(folder: Path) -> None:
    (folder / "model.py").rename(folder / "requests.py")
    done = load(folder, "requests.py")
    assert done.stdout.splitlines() == ["my redis", "requests msgspec queue True", "found"], done.stderr


def test_a_folder_of_installed_packages_on_pythonpath_hides_nothing() -> None:
    packages = Path(requests.__file__).parents[1]
    program = (
        "import logging, sys; logging.basicConfig()\n"
        "from label_studio_ml.import_paths import user_path\n"
        "user_path.enter(sys.argv[1:])\n"
        "import requests, json\n"
        "print(hasattr(json, 'loads'), hasattr(requests, 'Session'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(packages)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("True True\n", "")
