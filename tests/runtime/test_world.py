"""The world that user code runs in: its folder, what it imports, what it prints, and how what it starts ends."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.backend import CLI, Backend, clean_environment
from live import FakeStudio, Live, start_training

WHERE = """\
import os
import redis
from label_studio_ml.model import LabelStudioMLBase


class Mine(LabelStudioMLBase):
    def __init__(self, checkpoint_file=None, **kwargs):
        super().__init__(**kwargs)
        self.weights = open(checkpoint_file).read()

    def predict(self, tasks, **kwargs):
        return [{"result": [], "here": os.getcwd(), "weights": self.weights, "redis": redis.word} for _ in tasks]

    def fit(self, annotations, workdir="", **kwargs):
        return {"here": os.getcwd(), "weights": self.weights, "redis": redis.word}
"""


@pytest.fixture
def make_model(tmp_path: Path, studio: FakeStudio) -> Iterator[Callable[..., Live]]:
    """Make a backend of a model file's text; it is started in the folder above it and leaves nothing behind."""
    lives: list[Live] = []

    def prepare(text: str, *arguments: str, **env: str) -> Live:
        folder = tmp_path / "be"
        folder.mkdir()
        (folder / "model.py").write_text(text)
        backend = Backend(folder, tmp_path / "be.log", arguments=arguments, env=env)
        lives.append(Live(backend, studio, tmp_path / "control"))
        return lives[-1]

    yield prepare
    for live in lives:
        assert not live.backend.stop()


def trained(live: Live, project: int) -> dict[str, Any]:
    """Train a project and return what `fit` returned."""
    job = live.send(start_training(project))
    done = live.wait(job)
    assert done["job_status"] == "finished", done
    return dict(done)


def test_all_processes_stand_where_the_command_was_started_and_import_what_is_ours(
    make_model: Callable[..., Live], tmp_path: Path
) -> None:
    """The folder also has what is imported first where `python -m` is used, and the model's has a `redis.py`."""
    live = make_model(WHERE, "--with", "checkpoint_file=m.pth")
    (tmp_path / "m.pth").write_text("weights")
    for name in ("label_studio_ml/__init__", "redis", "rq", "msgspec"):
        for folder in (tmp_path, live.folder):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / f"{name}.py").write_text("raise RuntimeError('not this one')")
    (live.folder / "redis.py").write_text("word = 'my own'")
    checked = subprocess.run(
        [*CLI, "start", "be", "--check", "--with", "checkpoint_file=m.pth"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert checked.stdout.startswith("OK: Mine of "), checked.stderr
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    expected = {"here": str(tmp_path), "weights": "weights", "redis": "my own"}
    assert live.predict(1).items() >= expected.items()
    done = trained(live, 1)
    [manifest] = (live.model_dir / "versions").glob("*/*/manifest.json")
    assert done["model_version"]
    for name, value in expected.items():
        assert f'"{name}":"{value}"' in manifest.read_text().replace('": ', '":')


IMPORTS = """\
from label_studio_ml.model import LabelStudioMLBase
from helpers.words import word


class Mine(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return [{"result": [], "word": word} for _ in tasks]

    def fit(self, annotations, workdir="", **kwargs):
        return {"word": word}
"""


def test_a_model_file_below_the_folder_imports_from_the_folder(make_model: Callable[..., Live]) -> None:
    """As its `_wsgi.py` does when it is run."""
    live = make_model(IMPORTS)
    for place in ("src", "helpers"):
        (live.folder / place).mkdir()
    (live.folder / "model.py").rename(live.folder / "src" / "model.py")
    (live.folder / "helpers" / "words.py").write_text("word = 'found'")
    (live.folder / "_wsgi.py").write_text(
        "from label_studio_ml.api import init_app\nfrom src.model import Mine\napp = init_app(model_class=Mine)\n"
    )
    live.studio.add(1, 11)
    live.backend.start()
    live.setup(1)
    assert live.predict(1)["word"] == "found"
    trained(live, 1)
