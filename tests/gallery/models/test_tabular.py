"""The gallery's tabular model learns choices and numbers, and leaves out rows that it cannot read."""

import logging
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.gallery.fitting_models import match
from label_studio_ml.training.dataset import LabelledTasks

from .model_file import model_class

Json = dict[str, Any]
CHOICES = """<View><Table name="row" value="$row"/><Choices name="kind" toName="row" choice="CHOICE">
<Choice value="low"/><Choice value="high"/><Choice value="odd"/></Choices></View>"""
SINGLE, MULTIPLE = CHOICES.replace("CHOICE", "single"), CHOICES.replace("CHOICE", "multiple")


def task(number: int, row: Any, answer: Json, kind: str = "choices") -> Json:
    """A task with one annotation; `answer` is the value of its region."""
    region = {"from_name": "kind", "to_name": "row", "type": kind, "value": answer}
    annotation = {"id": number, "was_cancelled": False, "ground_truth": False, "result": [region]}
    return {"id": number, "data": {"row": row}, "annotations": [annotation]}


def rows(count: int = 40) -> list[tuple[int, Json]]:
    return [(number, {"size": number, "parity": "odd" if number % 2 else "even"}) for number in range(count)]


def trained(config: str, tasks: Sequence[Json], folder: Path, served: str = "") -> tuple[Any, Json]:
    """Train on the tasks; return the model that is built of the version, for the label config `served`."""
    model = model_class("tabular")
    labelled = LabelledTasks(lambda: tasks, "the test", len(tasks))
    output = model(label_config=config).fit(labelled, folder)
    return model(label_config=served or config, train_output=output), output


def chosen(model: Any, row: Any) -> list[str]:
    (prediction,) = model.predict([{"id": 1, "data": {"row": row}}])
    return [label for region in prediction["result"] for label in region["value"]["choices"]]


def test_the_control_of_the_table_is_filled_as_init_says() -> None:
    config = SINGLE.replace(
        "<View>",
        '<View><Image name="photo" value="$photo"/><Choices name="first" toName="photo"><Choice value="a"/></Choices>',
    )
    (fit, *_), _ = match(config, [model_named("tabular")])
    assert [control.name for control in fit.controls] == ["kind"]
    assert model_class("tabular")(label_config=config).control.name == "kind"


def test_each_of_several_choices_is_learnt(tmp_path: Path) -> None:
    tasks = [
        task(number, row, {"choices": [["low", "high"][number >= 20], *(["odd"] if number % 2 else [])]})
        for number, row in rows()
    ]
    model, _ = trained(MULTIPLE, tasks, tmp_path)
    assert chosen(model, {"size": 3, "parity": "odd"}) == ["low", "odd"]
    assert chosen(model, {"size": 36, "parity": "even"}) == ["high"]


def test_no_choice_is_an_answer_where_several_may_be_chosen(tmp_path: Path) -> None:
    tasks = [task(number, row, {"choices": ["odd"] if number % 2 else []}) for number, row in rows()]
    model, _ = trained(MULTIPLE, tasks, tmp_path)
    assert chosen(model, {"size": 7, "parity": "odd"}) == ["odd"]
    assert chosen(model, {"size": 8, "parity": "even"}) == []


def test_a_choice_that_the_label_config_has_no_more_is_not_predicted(tmp_path: Path) -> None:
    tasks = [task(number, row, {"choices": [("low", "high", "odd")[number % 3]]}) for number, row in rows(30)]
    served = SINGLE.replace('<Choice value="odd"/>', "")
    model, _ = trained(SINGLE, tasks, tmp_path, served)
    assert {name for number, row in rows(30) for name in chosen(model, row)} == {"low", "high"}


def test_rows_that_cannot_be_read_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tasks = [
        task(number, row, {"choices": ["high" if number >= 20 else "low"]})
        for number, row in [*rows(), (40, "no object"), (41, None)]
    ]
    del tasks[-1]["data"]["row"]
    with caplog.at_level(logging.WARNING):
        _, output = trained(SINGLE, tasks, tmp_path)
    assert output["tasks"] == 40
    assert "Task 40 is left out of the training" in caplog.text
    with pytest.raises(ValueError, match="Task 1: 'row' shows no object with columns"):
        trained(SINGLE, tasks[:40], tmp_path)[0].predict([{"id": 1, "data": {"row": [1, 2]}}])


@pytest.mark.parametrize("number", [10**400, 1e39, -1e39])
def test_a_number_that_is_too_large_costs_its_own_task(number: float, tmp_path: Path) -> None:
    tasks = [
        task(number, row, {"choices": ["high" if number >= 20 else "low"]})
        for number, row in [*rows(), (40, {"size": number})]
    ]
    model, output = trained(SINGLE, tasks, tmp_path)
    assert output["tasks"] == 40
    with pytest.raises(ValueError, match="Task 40: the number in the column 'size' is too large"):
        model.predict(tasks[-1:])


def test_of_several_choices_the_order_does_not_count(tmp_path: Path) -> None:
    orders = (["low", "high"], ["high", "low"])
    tasks = [task(number, row, {"choices": orders[number % 2]}) for number, row in rows()]
    with pytest.raises(ValueError, match="Training needs tasks with at least 2 different values of kind"):
        trained(MULTIPLE, tasks, tmp_path)


def test_an_annotation_whose_choices_are_gone_is_left_out(tmp_path: Path) -> None:
    tasks = [task(number, row, {"choices": ["high" if number >= 20 else "low"]}) for number, row in rows()]
    _, output = trained(SINGLE, [*tasks, task(40, {"size": 1}, {"choices": []})], tmp_path)
    assert output["tasks"] == 40


def test_numbers_take_little_space(tmp_path: Path) -> None:
    config = '<View><Table name="row" value="$row"/><Number name="kind" toName="row"/></View>'
    tasks = [
        task(number, {**row, "name": f"person {number}"}, {"number": float(number % 97)}, "number")
        for number, row in rows(600)
    ]
    model, output = trained(config, tasks, tmp_path)
    assert Path(output["forest"]).stat().st_size < 5_000_000
    (prediction,) = model.predict([tasks[50]])
    assert prediction["result"][0]["value"]["number"] == pytest.approx(50, abs=10)


def test_a_cancelled_training_ends(tmp_path: Path) -> None:
    tasks = [task(number, row, {"choices": [["low", "high"][number >= 20]]}) for number, row in rows()]
    model = model_class("tabular")(label_config=SINGLE)
    job = types.SimpleNamespace(cancelled=True)
    assert model.fit(LabelledTasks.from_tasks(tasks), tmp_path, job=job) is None
    assert not list(tmp_path.iterdir())
