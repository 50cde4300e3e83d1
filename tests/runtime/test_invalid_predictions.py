"""A prediction that Label Studio shows in part, by a running backend: an error while the model is developed."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from e2e.backend import CLI, Backend, clean_environment
from live import uid

MODEL = """\
from label_studio_ml.model import LabelStudioMLBase

class Careless(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        value = {"x": 90.0, "y": 10.0, "width": 30.0, "height": 10.0, "rectanglelabels": ["cat"]}
        box = {"from_name": "box", "to_name": "image", "type": "rectanglelabels", "value": value}
        return [{"result": [box], "score": 0.5} for _ in tasks]
"""
CONFIG = """<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image"><Label value="cat"/>
</RectangleLabels></View>"""


def _answered(
    folder: Path, arguments: Sequence[str], mode: str
) -> tuple[dict[str, Any], str, dict[str, Any], str]:
    """Return a task's entry, the metrics, what `/connection` shows, and the output of a backend."""
    (folder / "backend").mkdir()
    (folder / "backend" / "model.py").write_text(MODEL)
    env = {"INVALID_PREDICTIONS": mode}
    backend = Backend(folder / "backend", folder / "backend.log", arguments=arguments, env=env)
    backend.start()
    try:
        body = {
            "tasks": [{"id": 5, "data": {"image": "x"}}],
            "project": uid(1),
            "label_config": CONFIG,
            "params": {},
        }
        (entry,) = requests.post(f"{backend.url}/predict", json=body, timeout=60).json()["results"]
        metrics = requests.get(f"{backend.url}/metrics", timeout=60).text
        about = requests.get(f"{backend.url}/connection", timeout=60).json()
    finally:
        left = backend.stop()
    assert not left
    return entry, metrics, about, backend.output()


KIND = "regions of 'box': it reaches out of the picture"


@pytest.mark.parametrize(
    ("arguments", "mode", "sent", "repaired"),
    [
        (["--debug"], "refuse", None, 0),
        pytest.param(["--debug"], "send", 30.0, 0, marks=pytest.mark.soak),
        ([], "refuse", 30.0, 0),
        ([], "repair", 10.0, 1),
        pytest.param([], "error", None, 0, marks=pytest.mark.soak),
    ],
)
def test_it_is_sent_repaired_or_an_error(
    tmp_path: Path, arguments: Sequence[str], mode: str, sent: float | None, repaired: int
) -> None:
    entry, metrics, about, output = _answered(tmp_path, arguments, mode)
    if sent is None:
        assert "region 0 of 'box': it reaches out of the picture (x from 90 to 120" in entry["error"]
        assert "(Clip it to the picture" in entry["error"]
    else:
        assert entry["result"][0]["value"]["width"] == sent
    assert "Task 5: " in output
    assert "it reaches out of the picture" in output
    assert "label_studio_ml_invalid_predictions_total 1.0" in metrics
    assert f"label_studio_ml_repaired_predictions_total {repaired}.0" in metrics
    assert about["invalid_predictions"] == {KIND: 1}


@pytest.mark.parametrize(("mode", "width"), [("repair", 10.0), ("error", None)])
def test_the_command_predict_asks_the_same_checks(tmp_path: Path, mode: str, width: float | None) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "model.py").write_text(MODEL)
    (tmp_path / "config.xml").write_text(CONFIG)
    (tmp_path / "tasks.json").write_text('[{"id": 5, "data": {"image": "x"}}]')
    arguments = [
        "--input",
        "tasks.json",
        "--output",
        "out.json",
        "--label-config",
        "config.xml",
        "--backend",
        "none",
    ]
    done = subprocess.run(
        [*CLI, "predict", "backend", *arguments],
        cwd=tmp_path,
        env=clean_environment({"INVALID_PREDICTIONS": mode}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if width is None:
        assert "it reaches out of the picture (x from 90 to 120" in done.stdout + done.stderr
        assert done.returncode == 1
    else:
        (task,) = json.loads((tmp_path / "out.json").read_text())
        assert task["predictions"][0]["result"][0]["value"]["width"] == width
