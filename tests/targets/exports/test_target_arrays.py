"""`to_pandas` and `to_arrays`."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from label_studio_ml import regions
from label_studio_ml.errors import LabelConfigError
from targets.exports import labelled_pictures as pictures
from targets.exports.labelled_texts import CONTROLS, collection, task

pd: Any = pytest.importorskip("pandas")


def chosen(name: str, *labels: str) -> tuple[Any, ...]:
    return (regions.choices(CONTROLS[name], *labels),)


# Data frames


def test_a_row_for_each_box(tmp_path: Path) -> None:
    box = regions.box(
        pictures.CONTROLS["box"], xyxy=(10, 20, 30, 60), size=pictures.SIZE, label="Car", id="r1"
    )
    tasks = pictures.collection(tmp_path, pictures.task(7, [box, box]), pictures.task(8, []))
    frame = tasks.to_pandas(pictures.CONTROLS["box"])
    assert len(frame) == 2
    row = frame.iloc[0]
    assert (row.task_id, row.annotation_id, row.annotator, row.ground_truth, row["item"]) == (
        7,
        1,
        11,
        False,
        0,
    )
    assert (row.value, row.path) == ("/data/upload/1/a.png", str(tmp_path / "cache" / "a.png"))
    assert (row.label, row.labels, row.region_id) == ("Car", ("Car",), "r1")
    numbers = frame[["xmin", "ymin", "xmax", "ymax", "cx", "cy", "width", "height", "rotation"]].iloc[0]
    assert list(numbers) == pytest.approx([10, 20, 30, 60, 20, 40, 20, 40, 0], abs=1e-3)


def test_a_row_for_each_span_and_its_text() -> None:
    frame = collection(task("Ann of Acme", (0, 3, "PER"), (7, 11, "ORG"))).to_pandas(CONTROLS["ner"])
    assert frame[["label", "start", "end", "text"]].values.tolist() == [
        ["PER", 0, 3, "Ann"],
        ["ORG", 7, 11, "Acme"],
    ]


def test_a_row_for_each_value_of_a_task() -> None:
    others = (
        *chosen("mood", "glad"),
        *chosen("topics", "art", "war"),
        regions.rating(CONTROLS["stars"], 4),
        regions.texts(CONTROLS["summary"], "short"),
    )
    tasks = collection(task("a", others=others))
    assert tasks.to_pandas(CONTROLS["mood"])[["value", "label"]].values.tolist() == [["a", "glad"]]
    assert tasks.to_pandas(CONTROLS["topics"]).choices[0] == ("art", "war")
    assert tasks.to_pandas(CONTROLS["stars"]).rating[0] == 4
    assert tasks.to_pandas(CONTROLS["summary"]).texts[0] == ("short",)


def test_without_a_row_there_are_the_same_columns(tmp_path: Path) -> None:
    every = [*pictures.CONTROLS, *CONTROLS]
    for control in every:
        frame = pictures.collection(tmp_path).to_pandas(control)
        assert list(frame.columns)[:8] == [
            *("task_id", "annotation_id", "annotator", "ground_truth", "item", "value", "path", "label")
        ]
        assert len(frame.columns) > 8, control
        assert len(set(frame.columns)) == len(frame.columns), control


def test_masks_and_ellipses_in_a_data_frame(tmp_path: Path) -> None:
    mask = np.zeros((100, 200), dtype=bool)
    mask[1, 0] = True
    brush = regions.mask(pictures.CONTROLS["brush"], mask, label="Sea")
    ellipse = regions.ellipse(
        pictures.CONTROLS["round"], center=(50, 40), radii=(5, 4), size=pictures.SIZE, label="Wheel"
    )
    tasks = pictures.collection(tmp_path, pictures.task(1, [brush, ellipse]))
    assert tasks.to_pandas(pictures.CONTROLS["brush"])["mask"][0] == {
        "size": [100, 200],
        "counts": [1, 1, 19998],
    }
    numbers = tasks.to_pandas(pictures.CONTROLS["round"])[["cx", "cy", "radius_x", "radius_y"]].iloc[0]
    assert list(numbers) == pytest.approx([50, 40, 5, 4], abs=1e-3)


# Arrays


def test_a_damaged_mask_is_no_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    brush = pictures.CONTROLS["brush"]
    whole: Any = regions.mask(brush, np.ones((pictures.HEIGHT, pictures.WIDTH)), label="Sea")
    damaged = {**whole, "value": {**whole["value"], "rle": whole["value"]["rle"][:4]}}
    frame = pictures.collection(tmp_path, pictures.task(1, [damaged, whole])).to_pandas(brush)
    assert list(frame["region_id"]) == [whole["id"]]
    assert "1 masks that are damaged" in caplog.text


def test_arrays_of_one_choice(caplog: pytest.LogCaptureFixture) -> None:
    tasks = collection(
        task("b", number=1, others=chosen("mood", "sad")),
        task("a", number=2, others=chosen("mood", "glad")),
        task("c", number=3),
    )
    x, y, classes = tasks.to_arrays(CONTROLS["mood"])
    assert (x, y.tolist(), y.dtype, classes) == (["b", "a"], [1, 0], np.int64, ["glad", "sad"])
    assert "leaves out: 1 tasks without a choice" in caplog.text


def test_arrays_of_several_choices() -> None:
    tasks = collection(
        task("b", number=1, others=chosen("topics", "war", "art")),
        task("a", number=2, others=chosen("topics", "war")),
        task("c", number=3),
    )
    x, y, classes = tasks.to_arrays(CONTROLS["topics"])
    assert (x, y.tolist(), classes) == (["b", "a", "c"], [[1, 1], [0, 1], [0, 0]], ["art", "war"])


def test_classes_that_tasks_bring_are_in_the_order_of_their_appearance() -> None:
    control = CONTROLS["own"]
    result = (regions.choices(control.for_task(task("")), "q"),)
    _, y, classes = collection(task("a", others=result)).to_arrays(control)
    assert (y.tolist(), classes) == ([0], ["q"])


def test_arrays_of_numbers() -> None:
    tasks = collection(task("a", others=(regions.rating(CONTROLS["stars"], 4),)), task("b", number=2))
    x, y = tasks.to_arrays(CONTROLS["stars"])
    assert (x, y.tolist()) == (["a"], [4.0])


def test_arrays_of_boxes(tmp_path: Path) -> None:
    box = regions.box(pictures.CONTROLS["box"], xyxy=(10, 20, 30, 60), size=pictures.SIZE, label="Car")
    tasks = pictures.collection(tmp_path, pictures.task(7, [box, box]), pictures.task(8, []))
    arrays = tasks.to_arrays(pictures.CONTROLS["box"])
    assert arrays.x == [str(tmp_path / "cache" / "a.png")] * 2
    assert [each.shape for each in arrays.boxes] == [(2, 4), (0, 4)]
    assert arrays.boxes[0][0] == pytest.approx([10, 20, 30, 60], abs=1e-3)
    assert [each.tolist() for each in arrays.labels] == [[1, 1], []]
    assert arrays.classes == ["Person", "Car"]


def test_there_are_no_arrays_of_others() -> None:
    with pytest.raises(
        LabelConfigError, match=r"no arrays of what <Labels .*to_pandas\(\) takes any control"
    ):
        collection().to_arrays(CONTROLS["ner"])


def test_the_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *args: None if name == "datasets" else find(name, *args)
    )
    with pytest.raises(ModuleNotFoundError, match="pip install datasets"):
        collection().to_hf(CONTROLS["mood"], tmp_path / "hf")
    with pytest.raises(LabelConfigError, match="no usual form"):
        collection().to_hf(CONTROLS["tree"], tmp_path / "hf")
