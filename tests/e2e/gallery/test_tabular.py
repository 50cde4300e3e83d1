"""The gallery's tabular model learns which cultivar a wine is from, by 13 measurements (scikit-learn's data set)."""

import time
from collections.abc import Callable
from typing import Any

import numpy
from sklearn.datasets import load_wine

from ..regions_facts.labelling import Labelling
from ..studio import Studio, chosen
from .conftest import MakeJourney
from .journey import record

CULTIVARS = ("Barolo", "Grignolino", "Barbera")
CONFIG = f"""<View><Table name="row" value="$row"/><Choices name="cultivar" toName="row" choice="single">
{"".join(f'<Choice value="{name}"/>' for name in CULTIVARS)}</Choices></View>"""
#: Rows to annotate, and those to measure with.
LABELLED, HELD_OUT = 60, 100


def test_learns_wines(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    wine = load_wine()
    order = numpy.random.default_rng(0).permutation(len(wine.target))
    names = [CULTIVARS[wine.target[index]] for index in order]
    rows = [
        {
            name: round(float(value), 3)
            for name, value in zip(wine.feature_names, wine.data[index], strict=True)
        }
        for index in order
    ]
    project = label_studio.create_project("Wines", CONFIG)
    tasks = label_studio.import_tasks(project, [{"row": row} for row in rows[: LABELLED + HELD_OUT]])

    tabular = journey("tabular", project, venv="scikit-learn")
    tabular.init()
    assert tabular.chosen() == "tabular"
    tabular.start()
    tabular.connect("--no-prelabel")
    held_out = tasks[LABELLED:]
    assert all(prediction["result"] == [] for prediction in tabular.predict(held_out[:20]).values())

    for task, name in zip(tasks[:LABELLED], names, strict=False):
        label_studio.annotate(task, choice_of(name))
    tabular.train()
    begun = time.monotonic()
    predictions = tabular.predict(held_out)
    speed = len(held_out) / (time.monotonic() - begun)
    right = [
        chosen(predictions[task]) == name for task, name in zip(held_out, names[LABELLED:], strict=False)
    ]
    accuracy = sum(right) / len(right)
    record(
        "tabular",
        before=0.0,
        after=accuracy,
        labelled=LABELLED,
        measured_on=HELD_OUT,
        measure="accuracy",
        tasks_per_second=round(speed, 1),
    )
    assert accuracy >= 0.9

    for task in held_out[:20]:
        page.open_task(project, task, predictions[task]["id"])
        page.shows(
            f"() => {list(CULTIVARS)}.filter((name) => document.querySelector(`input[name=${{name}}]:checked`))",
            [chosen(predictions[task])],
        )
    keep_picture(page.page, "tabular")


def choice_of(name: str) -> list[dict[str, Any]]:
    return [{"from_name": "cultivar", "to_name": "row", "type": "choices", "value": {"choices": [name]}}]
