"""Trainings on parts of the tasks: what the model is given, what stays of them, and which classes are refused."""

import json
import shutil
from pathlib import Path

import pytest

from evaluation.learning import PROJECT, learning_settings, word_tasks
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelProcessDied
from label_studio_ml.evaluation.trials.task_pool import Grouping, TaskPool
from label_studio_ml.evaluation.trials.trials import TrialFailed, Trials
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.versions.state.key_values import StoredState
from live import MODELS

TASKS = word_tasks(20)


def _train(settings: Settings, positions: list[int]) -> list[str]:
    """Train on the tasks at `positions`; return the words that the model knows of all 20 tasks."""
    with Trials(settings, PROJECT, settings.log_dir / "evaluate.log") as trials:
        folder = trials.folder
        pool = TaskPool(LabelledTasks(lambda: TASKS, "a test"), folder, Grouping())
        with trials.trained(pool, positions) as trial:
            assert trial.seconds > 0
            entries = trial.model.predict(TASKS)
    assert not folder.exists()
    return [task["data"]["text"] for task, entry in zip(TASKS, entries, strict=True) if entry["result"]]


def test_a_model_learns_from_its_part_alone_and_nothing_stays(tmp_path: Path) -> None:
    settings = learning_settings(tmp_path / "backend")
    StoredState(settings.model_dir, PROJECT.uid).set("fits", "1")  # of the served version
    assert _train(settings, [1, 4, 9]) == [TASKS[position]["data"]["text"] for position in (1, 4, 9)]
    assert json.loads((tmp_path / "backend" / "trained-0").read_text()) == [2, 5, 10]
    assert StoredState(settings.model_dir, PROJECT.uid).items() == {"fits": "1"}
    assert not (settings.model_dir / "versions").exists()


def test_the_phases_of_a_training_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("label_studio_ml.evaluation.trials.trials._REPORT_INTERVAL", 0.05)
    settings = learning_settings(tmp_path / "backend")
    phases: list[tuple[str, float]] = []
    with Trials(settings, PROJECT, settings.log_dir / "evaluate.log") as trials:
        trials.on_phase = lambda phase, seconds: phases.append((phase, seconds))
        pool = TaskPool(LabelledTasks(lambda: TASKS, "a test"), trials.folder, Grouping())
        with trials.trained(pool, [1, 2]):
            assert [phase for phase, _ in phases[-2:]] == ["starting the trained model", "predicting"]
    training = [seconds for phase, seconds in phases if phase == "training"]
    assert len(training) >= 2
    assert training == sorted(training)


@pytest.mark.parametrize(
    ("do", "message", "unusable"),
    [
        ("fail", "told to fail with 3 tasks", False),
        ("ignore", "fit did not read the annotations", True),
    ],
)
def test_a_fit_that_fails_or_does_not_read(tmp_path: Path, do: str, message: str, unusable: bool) -> None:
    settings = learning_settings(tmp_path / "backend", do)
    with pytest.raises(TrialFailed, match=message) as raised:
        _train(settings, [1, 2, 3])
    assert raised.value.unusable is unusable


def test_a_process_that_ends_in_fit(tmp_path: Path) -> None:
    settings = learning_settings(tmp_path / "backend", "kill")
    with pytest.raises(ModelProcessDied, match=r"The training process .*SIGKILL.* in fit.*evaluate\.log"):
        _train(settings, [1])


def test_a_class_that_learns_event_by_event_is_refused(tmp_path: Path) -> None:
    settings = learning_settings(tmp_path / "backend")
    (tmp_path / "backend" / "word_learner.py").unlink()
    shutil.copy(MODELS / "event_model.py", tmp_path / "backend")
    shutil.copy(MODELS / "behave.py", tmp_path / "backend")
    (tmp_path / "backend" / "event_model.py").rename(tmp_path / "backend" / "model.py")
    with pytest.raises(TrialFailed, match=r"has fit\(event, data\)") as raised:
        _train(settings, [1])
    assert raised.value.unusable
