"""`to_yolo`: the numbers in its files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError
from targets.exports.labelled_pictures import CONTROLS, HEIGHT, SIZE, WIDTH, collection, task


def box(*xyxy: float, label: str = "Car", **fields: Any) -> Any:
    return regions.box(CONTROLS["box"], xyxy=xyxy or (10, 20, 30, 60), size=SIZE, label=label, **fields)


def lines(folder: Path, name: str = "1", subset: str = "train") -> list[list[float]]:
    text = (folder / "labels" / subset / f"{name}.txt").read_text()
    return [[float(number) for number in line.split()] for line in text.splitlines()]


def test_a_folder_for_detection_with_both_halves(tmp_path: Path) -> None:
    tasks = collection(tmp_path, task(1, [box(), box(label="Person")]), task(2, []))
    val = collection(tmp_path, task(3, [box()]))
    folder = tasks.to_yolo(CONTROLS["box"], tmp_path / "yolo", val=val)
    expected = [20 / 200, 40 / 100, 20 / 200, 40 / 100]
    assert lines(folder) == [pytest.approx([1, *expected], abs=1e-5), pytest.approx([0, *expected], abs=1e-5)]
    assert lines(folder, "2") == []
    assert lines(folder, "3", "val") == [pytest.approx([1, *expected], abs=1e-5)]
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    pictures = {"images/train/1.png", "images/train/2.png", "images/val/3.png"}
    labels = {"labels/train/1.txt", "labels/train/2.txt", "labels/val/3.txt"}
    assert files == pictures | labels | {"data.yaml", "classes.txt"}
    assert yaml.safe_load((folder / "data.yaml").read_text()) == {
        "train": "images/train",
        "val": "images/val",
        "names": {0: "Person", 1: "Car"},
    }
    assert (folder / "classes.txt").read_text() == "Person\nCar\n"


def test_without_a_second_half_the_first_one_is_validated_on(tmp_path: Path) -> None:
    folder = collection(tmp_path, task(1, [box()])).targets(CONTROLS["box"]).to_yolo(tmp_path / "yolo")
    assert yaml.safe_load((folder / "data.yaml").read_text())["val"] == "images/train"


def test_names_in_data_yaml_may_be_any_text(tmp_path: Path) -> None:
    names = ["yes", "a: b", "- #1", "naïve 🚗", 'x"y', "1"]
    labels = "".join(f"<Label value='{name}'/>" for name in names)
    control = f"<RectangleLabels name='b' toName='i'>{labels}</RectangleLabels>"
    config = f"<View><Image name='i' value='$image'/>{control}</View>"
    folder = collection(tmp_path).to_yolo(Controls(config)["b"], tmp_path / "yolo")
    assert yaml.safe_load((folder / "data.yaml").read_bytes())["names"] == dict(enumerate(names))


def test_numbers_are_within_the_picture(tmp_path: Path) -> None:
    result = [box(-50, 50, 50, 300, clip=False), box(300, 0, 400, 50, clip=False)]
    result.append(regions.box(CONTROLS["box"], cxcywh=(0, 0, 40, 20), rotation=30, size=SIZE, label="Car"))
    tasks = collection(tmp_path, task(1, result))
    for form in ("detect", "segment", "obb"):
        written = lines(tasks.to_yolo(CONTROLS["box"], tmp_path / form, task=form))
        assert len(written) == 2
        assert all(0 <= share <= 1 for line in written for share in line[1:])
    assert lines(tmp_path / "detect")[0] == pytest.approx([1, 0.125, 0.75, 0.25, 0.5], abs=1e-5)


def test_turned_boxes_as_oriented_boxes(tmp_path: Path) -> None:
    turned = regions.box(CONTROLS["box"], cxcywh=(100, 50, 40, 20), rotation=90, size=SIZE, label="Car")
    tasks = collection(tmp_path, task(1, [turned]))
    (line,) = lines(tasks.to_yolo(CONTROLS["box"], tmp_path / "obb", task="obb"))
    corners = [(110, 30), (110, 70), (90, 70), (90, 30)]
    assert line[1:] == pytest.approx([share for x, y in corners for share in (x / 200, y / 100)], abs=1e-4)
    (line,) = lines(tasks.to_yolo(CONTROLS["box"], tmp_path / "detect"))
    assert line == pytest.approx([1, 0.5, 0.5, 0.1, 0.4], abs=1e-4)


def test_polygons_and_masks_as_segments(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    triangle = regions.polygon(CONTROLS["area"], points=[(0, 0), (100, 0), (0, 50)], size=SIZE, label="Wall")
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[10:60, 20:80] = True
    mask[20:40, 30:50] = False  # a hole
    mask[70:90, 150:180] = True  # a second area
    brush = regions.mask(CONTROLS["brush"], mask, label="Sea")
    tasks = collection(tmp_path, task(1, [triangle, brush]))
    (line,) = lines(tasks.to_yolo(CONTROLS["area"], tmp_path / "area"))
    assert line == pytest.approx([1, 0, 0, 0.5, 0, 0, 0.5], abs=1e-5)
    (line,) = lines(tasks.to_yolo(CONTROLS["brush"], tmp_path / "brush"))
    assert line[0] == 1
    corners = np.array(line[1:]).reshape(-1, 2) * (WIDTH, HEIGHT)
    scale = 8  # fillPoly also fills the pixels on the line itself
    filled = cv2.fillPoly(
        np.zeros((HEIGHT * scale, WIDTH * scale), np.uint8), [np.rint(corners * scale).astype(np.int32)], 1
    )
    centres = filled[scale // 2 :: scale, scale // 2 :: scale].astype(bool)
    assert (centres != mask).mean() < 0.002


def test_key_points_as_poses(tmp_path: Path) -> None:
    def point(x: float, y: float, label: str) -> Any:
        made: Any = regions.key_point(CONTROLS["joint"], xy=(x, y), size=SIZE, label=label)
        return {**made, "parentID": "p1"}

    result = [box(0, 0, 100, 50, label="Person", id="p1"), point(20, 10, "hand")]
    folder = collection(tmp_path, task(1, result)).to_yolo(CONTROLS["joint"], tmp_path / "pose")
    assert lines(folder) == [pytest.approx([0, 0.25, 0.25, 0.5, 0.5, 0, 0, 0, 0.1, 0.1, 2], abs=1e-5)]
    settings = yaml.safe_load((folder / "data.yaml").read_text())
    assert (settings["kpt_shape"], settings["names"]) == ([2, 3], {0: "Person"})


def test_wrong_arguments_say_what_is_possible(tmp_path: Path) -> None:
    tasks = collection(tmp_path, task(1, [box()]))
    for name, form in (("box", "pose"), ("joint", "detect"), ("area", "obb"), ("box", "classify")):
        with pytest.raises(ValueError, match=r"^task must be"):
            tasks.to_yolo(CONTROLS[name], tmp_path / "yolo", task=form)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leave files=False out"):
        tasks.to_yolo(CONTROLS["box"], tmp_path / "yolo", files=False)
    with pytest.raises(LabelConfigError, match="YOLO has no form"):
        tasks.to_yolo(CONTROLS["quality"], tmp_path / "yolo")
    with pytest.raises(ValueError, match="folder must be given"):
        tasks.to_yolo(CONTROLS["box"])
    with pytest.raises(ValueError, match="val must be targets of the same kind"):
        tasks.targets(CONTROLS["box"]).to_yolo(tmp_path / "yolo", val=tasks.targets(CONTROLS["area"]))
    assert not (tmp_path / "yolo").exists()


def test_tasks_with_the_same_id_have_files_of_their_own(tmp_path: Path) -> None:
    folder = collection(tmp_path, task(1, [box()]), task(1, [])).to_yolo(CONTROLS["box"], tmp_path / "yolo")
    assert (len(lines(folder, "1")), len(lines(folder, "1-2"))) == (1, 0)
    assert {path.name for path in (folder / "images" / "train").iterdir()} == {"1.png", "1-2.png"}


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\x7fb", "\ufeffa", "👩\u200d👩", "a\n: b"])
def test_names_may_have_characters_that_yaml_refuses(tmp_path: Path, name: str) -> None:
    config = f"""<View><Image name="photo" value="$image"/><RectangleLabels name="box" toName="photo">
      <Label value="{name.replace(chr(10), "&#10;")}"/></RectangleLabels></View>"""
    folder = collection(tmp_path, task(1, [])).to_yolo(Controls(config)["box"], tmp_path / "yolo")
    assert yaml.safe_load((folder / "data.yaml").read_bytes())["names"] == {0: name}
