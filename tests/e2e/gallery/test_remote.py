"""The gallery's remote model asks real model servers, each with a forest of scikit-learn's wines behind it."""

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_wine

from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio, chosen
from .conftest import MakeJourney
from .journey import Journey, record
from .wine_servers import SERVERS

pytestmark = pytest.mark.gallery

CULTIVARS = ("Barolo", "Grignolino", "Barbera")
#: The label config has the labels in another order than the model has its classes.
CONFIG = f"""<View><Table name="row" value="$row"/><Choices name="cultivar" toName="row" choice="single">
{"".join(f'<Choice value="{name}"/>' for name in sorted(CULTIVARS))}</Choices></View>"""
WINE = load_wine()
#: Of the wines that the model has not seen: the rows, and the cultivars.
ROWS = [
    {name: round(float(value), 3) for name, value in zip(WINE.feature_names, row, strict=True)}
    for row in WINE.data[1::2]
]
TRUE = [CULTIVARS[number] for number in WINE.target[1::2]]


@pytest.mark.parametrize("name", SERVERS)
def test_asks_a_server(
    name: str,
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    if name == "Triton" and (sys.platform != "linux" or platform.machine() != "x86_64"):
        pytest.skip("Triton's package is for Linux on x86-64")
    project = label_studio.create_project("Wines", CONFIG)
    tasks = label_studio.import_tasks(project, [{"row": row} for row in ROWS])
    wrong = [{"alcohol": 13.0}, [1, 2], "13.0"]
    if name != "MLServer":  # its runtime takes any number
        wrong.append({**ROWS[0], "alcohol": -1})
    broken = label_studio.import_tasks(project, [{"row": row} for row in wrong])
    folder = tmp_path / "served"
    folder.mkdir()
    with SERVERS[name].serving(folder) as url:
        model = started(journey, project, name, url if name != "plain" else f"{url}/classify")
        label_studio.retrieve_predictions(project, [*tasks[:3], *broken])
        assert {each["task"] for each in label_studio.predictions(project)} == set(tasks[:3])
        predictions = model.predict(tasks)
        right = [chosen(predictions[task]) == true for task, true in zip(tasks, TRUE, strict=True)]
        accuracy = sum(right) / len(right)
        assert accuracy >= 0.9
        assert all(0.3 < prediction["score"] <= 1 for prediction in predictions.values())
        show(page, project, tasks[: 20 if name == "MLServer" else 3], predictions)
        if name == "MLServer":
            measure = "accuracy of the served model"
            record("remote", after=accuracy, measured_on=len(tasks), measure=measure)
            keep_picture(page.page, "remote")
        if name == "plain":
            faults = ("slow", "busy", "error", "no JSON", "too few")
            faulty = label_studio.import_tasks(
                project, [{"row": ROWS[0], "fault": fault} for fault in faults]
            )
            (good,) = label_studio.import_tasks(project, [{"row": ROWS[1]}])
            label_studio.retrieve_predictions(project, [*faulty, good])
            found = {each["task"] for each in label_studio.predictions(project)}
            assert good in found
            assert not found & set(faulty)
            log = model.log()
            for cause in ("did not answer in time", "answered 429", "answered 500", "no JSON", "classes: 2"):
                assert cause in log
    (task,) = label_studio.import_tasks(project, [{"row": ROWS[2]}])
    label_studio.retrieve_predictions(project, [task])  # the server has ended
    assert task not in {each["task"] for each in label_studio.predictions(project)}
    written = [path for path in model.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if b"only-for-tests" in path.read_bytes()]
    assert "only-for-tests" not in model.log()


def started(journey: MakeJourney, project: int, name: str, url: str) -> Journey:
    """Return the model's journey, connected to the project and to a server."""
    model = journey("remote", project)
    model.init("--example", "remote")
    settings = {"SERVER_URL": url, "LABELS": ",".join(CULTIVARS), "SERVER_TIMEOUT": "20"}
    model.start({**settings, **SERVERS[name].settings, "COLUMN_NAMES": ",".join(WINE.feature_names)})
    model.connect("--no-prelabel")
    return model


def show(page: Labelling, project: int, tasks: list[int], predictions: dict[int, Json]) -> None:
    """Open predictions on the page, each of which has to show the chosen cultivar."""
    for task in tasks:
        page.open_task(project, task, predictions[task]["id"])
        page.shows(
            f"() => {list(CULTIVARS)}.filter((name) => document.querySelector(`input[name=${{name}}]:checked`))",
            [chosen(predictions[task])],
        )
