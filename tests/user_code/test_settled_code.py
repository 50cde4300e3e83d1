"""Model files that are being saved while they are read: empty or incomplete for a moment."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.protocol.requests import Event
from label_studio_ml.serving.runners.model_host import ModelHost
from label_studio_ml.training.intake.synchronous import SynchronousIntake
from label_studio_ml.training.process import training_process
from label_studio_ml.training.process.run_request import RunRequest
from label_studio_ml.user_code import model_source
from label_studio_ml.user_code.code_identity import identify
from label_studio_ml.user_code.model_source import code_on_disk, settled_code
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore

MODEL = """
from label_studio_ml.model import LabelStudioMLBase


class Saved(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return []
"""


@pytest.fixture(params=["", MODEL[: len(MODEL) // 2], None], ids=["empty", "incomplete", "missing"])
def saved(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file that is complete at its third read."""
    script = tmp_path / "settled_model.py"
    if request.param is not None:
        script.write_text(request.param)
    pauses = 0

    def sleep(seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 2:
            script.write_text(MODEL)

    monkeypatch.setattr(model_source, "time", _Clock(sleep))
    return script


class _Clock:
    """The module `time` with another `sleep`; its clocks stand still meanwhile, however slow the machine is."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        now = time.time()
        self.sleep, self.time, self.monotonic = sleep, lambda: now, lambda: now


@pytest.mark.parametrize("script", [None, Path("settled_model.py")])
def test_it_is_read_again(saved: Path, script: Path | None) -> None:
    assert not code_on_disk(saved.parent, script).hash
    assert settled_code(saved.parent, script) == identify(saved)


def test_an_old_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "model.py"
    script.write_text("class")
    for path in (script, tmp_path):
        os.utime(path, (1, 1))

    def sleep(seconds: float) -> None:
        raise AssertionError("it is not being saved")

    monkeypatch.setattr(model_source, "time", _Clock(sleep))
    assert not settled_code(tmp_path).hash


def test_a_file_that_stays_incomplete_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_source, "SAVING_TIME", 0.2)
    (tmp_path / "model.py").write_text("class")
    assert not settled_code(tmp_path).hash


def test_a_model_process_imports_the_complete_file(saved: Path) -> None:
    settings = Settings(backend_dir=saved.parent, script=saved)
    info = ModelHost(settings).import_class()
    assert (info.name, info.code) == ("Saved", identify(saved))


def test_a_training_records_the_complete_file(saved: Path) -> None:
    settings = Settings(backend_dir=saved.parent, model_dir=saved.parent / "data", script=saved)
    spec = ModelSpec(project=Project(uid="1.1"))
    request = RunRequest(job="job", spec=spec, events=[], workdir=str(saved.parent / "work"))

    def load() -> type[LabelStudioMLBase]:
        raise RuntimeError("not today")

    outcome = training_process.run(request, settings, load)
    assert "not today" in outcome.error
    assert outcome.code == identify(saved)


class Seed(LabelStudioMLBase):
    def fit(self, annotations: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        return {"trained": True}


def test_a_training_in_the_same_process_records_the_complete_file(saved: Path) -> None:
    settings = Settings(backend_dir=saved.parent, model_dir=saved.parent / "data", script=saved)
    event = Event(action="START_TRAINING", uid="1.1", label_config="", title="", data={})
    SynchronousIntake(settings, Seed).hand_in(event, trusted=True, train=True)
    (manifest,) = VersionStore(settings.model_dir).versions("1.1")
    assert manifest.code == identify(saved)


def test_an_error_of_the_file_is_not_hidden(tmp_path: Path) -> None:
    script = tmp_path / "wrong_model.py"
    script.write_text("class")
    os.utime(script, (1, 1))
    with pytest.raises(ModelFileError):
        ModelHost(Settings(backend_dir=tmp_path, script=script)).import_class()
