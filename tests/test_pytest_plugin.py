"""The plugin of pytest: its fixtures in a backend's folder, and that other runs do not notice it."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from helpers import PLUGIN
from label_studio_ml.pytest_plugin.studio_fields import completed_tasks
from label_studio_ml.pytest_plugin.tested_backend import Backend, label_config_of

MODELS = Path(__file__).with_name("data") / "test_kit_models"
ROOT = Path(__file__).parents[1]
CAPTURED = ROOT / "src" / "label_studio_ml" / "openapi" / "captured.json"


def run(folder: Path, code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    folder.mkdir(exist_ok=True)
    (folder / "test_it.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN, *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=280, env=dict(os.environ)
    )


LEARNS = """
def test_it_learns(backend, studio_tasks, label_config):
    assert "<Choices" in label_config
    assert len(studio_tasks) == 6
    assert [entry["score"] <= 1 for entry in backend.predict(studio_tasks)] == [True] * 6
    labels = ["First", "Second"] * 3
    labelled = [
        {**task, "annotations": [{"id": task["id"], "result": [{
            "from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]}]}
        for task, label in zip(studio_tasks, labels)
    ]
    backend.fit(labelled)
    learnt = [entry["result"][0]["value"]["choices"][0] for entry in backend.predict(studio_tasks)]
    assert learnt == labels
"""


def test_a_model_learns_in_a_test(tmp_path: Path) -> None:
    shutil.copy(MODELS / "event_model.py", tmp_path / "model.py")
    done = run(tmp_path, LEARNS)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_failed_check_is_the_message_of_the_test(tmp_path: Path) -> None:
    code = (MODELS / "span_model.py").read_text().replace("return predictions", "return predictions[1:]")
    backend = tmp_path / "backend"
    backend.mkdir()
    (backend / "model.py").write_text(code)
    (tmp_path / "pytest.ini").write_text("[pytest]\nlabel_studio_backend = backend\n")
    done = run(tmp_path, "def test_it(backend):\n    backend.check()\n")
    assert done.returncode == 1, done.stderr
    assert "model.py:7: count: predict returned 5 predictions for 6 tasks" in done.stdout
    assert "fix:   Return a list with one prediction for each task" in done.stdout


def test_a_wrong_name_of_a_skipped_check_is_an_error(tmp_path: Path) -> None:
    shutil.copy(MODELS / "event_model.py", tmp_path / "model.py")
    backend = Backend(tmp_path, label_config_of(tmp_path, None))
    with pytest.raises(ValueError, match="there is no check 'nonsense'; the checks are import"):
        backend.check(skipped={"nonsense": "x"})
    with pytest.raises(ValueError, match="import cannot be left out"):
        backend.check(skipped={"import": "x"})
    with pytest.raises(ValueError, match="batch needs a reason"):
        backend.check(skipped={"batch": " "})


def test_fit_gets_the_fields_that_label_studio_always_sends(tmp_path: Path) -> None:
    code = (MODELS / "event_model.py").read_text().replace('.get("was_cancelled")', '["was_cancelled"]')
    (tmp_path / "model.py").write_text(code)
    backend = Backend(tmp_path, label_config_of(tmp_path, None))
    region = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["Second"]}}
    task = {"data": {"text": "a text"}}
    backend.fit([{**task, "annotations": [{"result": [region]}]}])
    assert backend.predict([task | {"id": 1}])[0]["result"][0]["value"]["choices"] == ["Second"]


def test_completed_tasks_have_the_fields_of_a_real_webhook() -> None:
    (task,) = completed_tasks([{"data": {"text": "a"}, "annotations": [{"id": 7, "result": []}]}])
    real = json.loads(CAPTURED.read_bytes())["annotation_created"]
    (annotation,) = task["annotations"]
    assert annotation.keys() == real["annotation"].keys()
    assert annotation["id"] == 7
    assert real["task"].keys() <= task.keys()


def test_other_runs_do_not_import_the_package(tmp_path: Path) -> None:
    code = (
        "import sys\n\ndef test_it():\n"
        "    own = {name for name in sys.modules if name.startswith('label_studio_ml')}\n"
        "    assert own == {'label_studio_ml', 'label_studio_ml.pytest_plugin'}\n"
    )
    done = run(tmp_path, code)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_pip_registers_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
