"""docs/training-data.md: what `fit` gets, read in each of its forms."""

import json
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.training.dataset import LabelledTasks

from ..snippets import Snippet, scenario
from .material import MOODS, collection, labelled, untrained

SIZE = (100, 100)
CARS = """<View><Image name="photo" value="$image"/>
<RectangleLabels name="box" toName="photo"><Label value="Car"/></RectangleLabels></View>"""
WORDS = """<View><Image name="photo" value="$image"/><Rectangle name="box" toName="photo"/>
<Labels name="kind" toName="photo"><Label value="Title"/></Labels>
<TextArea name="words" toName="photo" perRegion="true"/></View>"""
TEXTS = """<View><Text name="text" value="$text"/>
<Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices>
<Labels name="ner" toName="text"><Label value="PER"/></Labels></View>"""


def _cars(count: int = 2) -> list[dict[str, Any]]:
    control = Controls(CARS)["box"]
    box = regions.box(control, xyxy=(10, 20, 30, 40), size=SIZE, label="Car")
    return labelled(CARS, [[box]] * count)


def _texts() -> list[dict[str, Any]]:
    controls = Controls(TEXTS)
    task = {"data": {"text": "Ann Lee sings"}}
    span = regions.labelled_text(controls["ner"], task).span(0, 7, "PER")
    good = regions.choices(controls["mood"], "Good")
    return labelled(TEXTS, [[good, span], [good]], text=["Ann Lee sings", "It rains"])


@scenario("docs/training-data.md", 'return {"accuracy": self.score(test)')
def tasks_and_a_split(snippet: Snippet) -> None:
    model = snippet.model(MOODS, score=lambda self, test: len(test))
    returned = model.fit(collection(_cars(60)))
    assert returned["labelled"] == 60
    assert 0 < returned["accuracy"] < 30, "tasks in the test half"


@scenario("docs/training-data.md", "annotations = LabelledTasks.from_snapshot(")
def a_snapshot(snippet: Snippet) -> None:
    tasks = _texts()
    written = LabelledTasks(lambda: tasks, "a list", snapshot=snippet.folder / "annotations.jsonl.gz")
    assert len(written) == 2
    assert [task["id"] for task in snippet.run()["annotations"]] == [task["id"] for task in tasks]


@scenario("docs/training-data.md", "for box in example.boxes:")
def boxes(snippet: Snippet) -> None:
    model = snippet.model(CARS)
    tasks = collection(_cars())
    model.fit(tasks)
    (example, _) = tasks.targets(model.controls["box"])
    assert example.boxes[0].xyxy == pytest.approx((10, 20, 30, 40))
    assert (example.boxes[0].label, example.boxes[0].rotation) == ("Car", 0)
    assert Path(example.path).is_file()


@scenario("docs/training-data.md", 'choices = self.controls.first("Choices", on="Text")')
def texts(snippet: Snippet) -> None:
    tasks = _texts()
    found = snippet.run(self=untrained(TEXTS), annotations=collection(tasks))
    assert found["pairs"] == [("Ann Lee sings", "Good"), ("It rains", "Good")]
    assert found["entities"] == [], "of the second task"
    found = snippet.run(self=untrained(TEXTS), annotations=collection(tasks[:1]))
    assert found["entities"] == [(0, 7, "PER")]


@scenario("docs/training-data.md", "lines = [(box.xyxy, box.label")
def texts_in_boxes(snippet: Snippet) -> None:
    model = untrained(WORDS)
    box = regions.box(model.controls["box"], xyxy=(10, 20, 30, 40), size=SIZE)
    parts = [
        regions.attach(box, model.controls[name], value)
        for name, value in (("kind", "Title"), ("words", "Hi"))
    ]
    tasks = labelled(WORDS, [[box, *parts]])
    ((xyxy, label, words),) = snippet.run(self=model, annotations=collection(tasks))["lines"]
    assert (xyxy, label, words) == (pytest.approx((10, 20, 30, 40)), "Title", ("Hi",))


@scenario("docs/training-data.md", 'annotations = LabelledTasks.from_file("export.json")')
def a_script(snippet: Snippet) -> None:
    pytest.importorskip("pandas")
    config = CARS.removesuffix("</View>") + TEXTS.removeprefix("<View>")
    (car,), (text, _) = _cars(1), _texts()
    car["data"] |= text["data"]
    car["annotations"][0]["result"] += text["annotations"][0]["result"]
    Path("export.json").write_text(json.dumps([car]))
    Path("label_config.xml").write_text(config)
    (example,) = snippet.run()["examples"]
    assert example.choice == "Good"
    written = json.loads(next(Path("coco").rglob("*.json")).read_text())
    assert [len(written[part]) for part in ("images", "annotations", "categories")] == [1, 1, 1]


class StandInYOLO:
    """ultralytics' `YOLO`, which notes what it is trained with."""

    trained: dict[str, Any]

    def __init__(self, weights: str) -> None:
        assert weights.endswith(".pt")

    def train(self, *, data: str, project: Any) -> None:
        type(self).trained = {"data": data, "project": project}


@scenario("docs/training-data.md", "folder = train.to_yolo(boxes, val=val)")
def yolo(snippet: Snippet) -> None:
    model = snippet.model(CARS, globals={"YOLO": StandInYOLO})
    annotations = collection(_cars(20))
    workdir = snippet.folder / "version"
    workdir.mkdir()
    annotations.use_workdir(workdir)  # as a training does
    model.fit(annotations, workdir=workdir)
    assert StandInYOLO.trained == {"data": str(workdir / "yolo" / "data.yaml"), "project": workdir}
    assert (workdir / "yolo" / "data.yaml").is_file()
