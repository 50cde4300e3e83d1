"""The plugin of pytest: its fixtures in a backend's folder, and that other runs do not notice it."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from helpers import PLUGIN

MODELS = Path(__file__).with_name("data") / "test_kit_models"
ROOT = Path(__file__).parents[1]


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
