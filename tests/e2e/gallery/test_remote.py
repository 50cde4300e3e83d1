"""The gallery's remote model asks a real MLServer, which has a scikit-learn model of wines behind it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sklearn.datasets import load_wine

from ..processes import Program, free_port, wait_until
from ..regions_facts.labelling import Labelling
from ..studio import Studio, chosen
from .conftest import MakeJourney
from .environments import environment
from .journey import record

pytestmark = pytest.mark.gallery

CULTIVARS = ("Barolo", "Grignolino", "Barbera")
#: The label config has the labels in another order than the model has its classes.
CONFIG = f"""<View><Table name="row" value="$row"/><Choices name="cultivar" toName="row" choice="single">
{"".join(f'<Choice value="{name}"/>' for name in sorted(CULTIVARS))}</Choices></View>"""
#: The model learns every second wine in MLServer's environment; the others are predicted.
TRAIN = """
import joblib
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
wine = load_wine()
joblib.dump(RandomForestClassifier(100, random_state=0).fit(wine.data[::2], wine.target[::2]), "wine.joblib")
"""


@pytest.fixture
def model_server(tmp_path: Path) -> Iterator[str]:
    """Run MLServer with the model `wine`; return its address."""
    venv = environment("mlserver")
    if not (venv / "bin" / "mlserver").is_file():
        install: list[str | Path] = [
            venv / "bin" / "python",
            "-m",
            "pip",
            "install",
            "-q",
            "mlserver==1.7.1",
            "mlserver-sklearn==1.7.1",
        ]
        subprocess.run(install, check=True)
    folder = tmp_path / "served"
    folder.mkdir()
    subprocess.run([venv / "bin" / "python", "-c", TRAIN], cwd=folder, check=True)
    model = {
        "name": "wine",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./wine.joblib"},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    port = free_port()
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 0,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    command: list[str | Path] = [venv / "bin" / "mlserver", "start", "."]
    program = Program(command, cwd=folder, env=dict(os.environ), log=tmp_path / "mlserver.log")

    def is_ready() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5).ok
        except requests.RequestException:
            return False

    try:
        wait_until(is_ready, "MLServer is ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        program.stop()


@pytest.mark.timeout(1500)
def test_asks_mlserver(
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    model_server: str,
) -> None:
    wine = load_wine()
    rows = [
        {name: round(float(value), 3) for name, value in zip(wine.feature_names, row, strict=True)}
        for row in wine.data[1::2]
    ]
    names = [CULTIVARS[number] for number in wine.target[1::2]]
    project = label_studio.create_project("Wines", CONFIG)
    tasks = label_studio.import_tasks(project, [{"row": row} for row in rows])
    (broken,) = label_studio.import_tasks(project, [{"row": {"alcohol": 13.0}}])

    model = journey("remote", project)
    model.init("--example", "remote")
    settings = {"SERVER_URL": model_server, "SERVER_MODEL": "wine", "OUTPUT": "predict_proba"}
    model.start({**settings, "LABELS": ",".join(CULTIVARS), "COLUMN_NAMES": ",".join(wine.feature_names)})
    model.connect("--no-prelabel")
    label_studio.retrieve_predictions(project, [*tasks[:3], broken])
    assert broken not in {each["task"] for each in label_studio.predictions(project)}
    predictions = model.predict(tasks)
    right = [chosen(predictions[task]) == name for task, name in zip(tasks, names, strict=True)]
    accuracy = sum(right) / len(right)
    record("remote", after=accuracy, measured_on=len(tasks), measure="accuracy of the served model")
    assert accuracy >= 0.9
    assert all(0.3 < prediction["score"] <= 1 for prediction in predictions.values())

    for task in tasks[:20]:
        page.open_task(project, task, predictions[task]["id"])
        page.shows(
            f"() => {list(CULTIVARS)}.filter((name) => document.querySelector(`input[name=${{name}}]:checked`))",
            [chosen(predictions[task])],
        )
    keep_picture(page.page, "remote")
