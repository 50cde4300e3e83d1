"""Comparing a new version with the one before: whatever becomes of that, the training is done."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import PreviousVersion, Report, TrainingJob
from label_studio_ml.training.process import version_comparison
from label_studio_ml.training.process.run_request import Outcome, RunRequest
from label_studio_ml.training.process.version_comparison import compared
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG, MODELS, annotation, uid

PROJECT = Project(uid=uid(7), label_config=CONFIG)
DONE = Outcome(changed=True, train_output={"table": {"a": "good"}}, version="new")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "backend"
    folder.mkdir()
    shutil.copy(MODELS / "table_model.py", folder)
    return Settings(backend_dir=folder, model_dir=folder / "data", log_dir=folder / "logs")


def _fit(folder: Path, numbers: range) -> str:
    """Leave in a version's folder what a fit on these tasks leaves there."""
    folder.mkdir()
    rows = [
        {"id": number, "data": {"text": f"a {number}"}, "annotations": [annotation(number)]}
        for number in numbers
    ]
    tasks = LabelledTasks(lambda: rows, "a test", project=PROJECT.uid, snapshot=folder / SNAPSHOT)
    list(tasks.split(0.5)[0])
    tasks.finish()
    return str(folder)


@pytest.fixture
def request_(tmp_path: Path) -> RunRequest:
    previous = PreviousVersion(name="old", path=_fit(tmp_path / "old", range(1, 9)))
    spec = ModelSpec(project=PROJECT, version="old", train_output={"table": {"a": "bad"}})
    workdir = _fit(tmp_path / "new", range(1, 41))
    return RunRequest(job="j", spec=spec, events=[], workdir=workdir, previous=previous)


def _unfair(outcome: Outcome) -> str:
    assert outcome.comparison is not None
    assert (outcome.error, outcome.changed, outcome.version) == ("", True, "new")
    assert outcome.comparison.version == "old"
    return outcome.comparison.unfair


def test_both_versions_are_measured(settings: Settings, request_: RunRequest) -> None:
    outcome = compared(request_, settings, DONE, ["accuracy"])
    assert _unfair(outcome) == ""
    assert outcome.comparison is not None
    assert (outcome.comparison.new, outcome.comparison.previous) == ({"accuracy": 1.0}, {"accuracy": 0.0})


def test_one_that_cannot_be_started_fails_no_training(settings: Settings, request_: RunRequest) -> None:
    settings = replace(settings, python="no-such-python")
    assert "LABEL_STUDIO_ML_PYTHON=no-such-python" in _unfair(
        compared(request_, settings, DONE, ["accuracy"])
    )


def test_one_that_takes_too_long_fails_no_training(
    settings: Settings, request_: RunRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(version_comparison, "COMPARISON_TIMEOUT", 1.0)
    hanging = Outcome(changed=True, train_output={"table": {"hang": str(tmp_path / "there")}}, version="new")
    outcome = compared(request_, settings, hanging, ["accuracy"])
    assert _unfair(outcome) == "they cannot be compared: it took longer than 1 s"


def test_the_trained_model_makes_room_on_the_gpu(
    settings: Settings, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back = []
    cuda = SimpleNamespace(is_available=lambda: True, empty_cache=lambda: given_back.append(True))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    settings = replace(settings, python="no-such-python")
    compared(request_, settings, DONE, ["accuracy"])
    assert given_back == [True]


def test_a_run_says_when_its_fit_is_over() -> None:
    said: list[Report] = []
    job = TrainingJob("j", report=said.append)
    job.compare()
    assert [(one.begins, one.compares) for one in said] == [(False, True)]
