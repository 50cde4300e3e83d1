"""`to_coco`, read back with a COCO library."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from label_studio_ml import regions
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.targets.exports.pictures.picture_shapes import clipped, run_lengths
from label_studio_ml.training.dataset import LabelledTasks
from targets.exports.labelled_pictures import CONFIG, CONTROLS, HEIGHT, SIZE, WIDTH, collection, task

faster_coco_eval = pytest.importorskip("faster_coco_eval")


def coco(folder: Path) -> Any:
    return faster_coco_eval.COCO(str(folder / "annotations.json"))


def content(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "annotations.json").read_bytes())
    return read


def box(*xyxy: float, label: str = "Car", **fields: Any) -> Any:
    return regions.box(CONTROLS["box"], xyxy=xyxy or (10, 20, 30, 60), size=SIZE, label=label, **fields)


def test_boxes_have_the_ids_of_the_label_config_and_the_pictures_their_own(tmp_path: Path) -> None:
    tasks = collection(tmp_path, task(7, [box()]), task(8, []), task(9, [box(label="Person"), box()]))
    folder = tasks.to_coco(CONTROLS["box"], tmp_path / "coco")
    written = content(folder)
    assert folder == tmp_path / "coco"
    assert written["categories"] == [{"id": 1, "name": "Person"}, {"id": 2, "name": "Car"}]
    assert [(image["id"], image["task_id"], image["file_name"]) for image in written["images"]] == [
        (1, 7, "7.png"),
        (2, 8, "8.png"),
        (3, 9, "9.png"),
    ]
    assert {(image["width"], image["height"]) for image in written["images"]} == {SIZE}
    assert [(a["id"], a["image_id"], a["category_id"]) for a in written["annotations"]] == [
        (1, 1, 2),
        (2, 3, 1),
        (3, 3, 2),
    ]
    first = written["annotations"][0]
    assert first["bbox"] == pytest.approx([10, 20, 20, 40], abs=1e-3)
    assert first["area"] == pytest.approx(800, abs=0.1)
    assert sorted(path.name for path in folder.iterdir()) == ["annotations.json", "images"]
    assert len(coco(folder).getAnnIds(imgIds=[3])) == 2


def test_pictures_are_links_to_the_cached_file_or_stay_where_they_are(tmp_path: Path) -> None:
    tasks = collection(tmp_path, task(7, [box()]))
    folder = tasks.to_coco(CONTROLS["box"], tmp_path / "coco")
    source = tmp_path / "cache" / "a.png"
    assert (folder / "images" / "7.png").samefile(source)
    beside = tasks.to_coco(CONTROLS["box"], tmp_path / "other", images=False)
    assert [image["file_name"] for image in content(beside)["images"]] == [str(source)]
    assert not (beside / "images").exists()
    unfetched = tasks.to_coco(CONTROLS["box"], tmp_path / "third", files=False)
    assert content(unfetched)["images"][0]["file_name"] == "/data/upload/1/a.png"


def test_pictures_are_copied_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    tasks = collection(tmp_path, task(7, [box()]))
    monkeypatch.setattr("os.link", refuse)
    copy = tasks.to_coco(CONTROLS["box"], tmp_path / "coco") / "images" / "7.png"
    assert copy.read_bytes() == (tmp_path / "cache" / "a.png").read_bytes()


def test_names_of_files_are_safe_and_unique(tmp_path: Path) -> None:
    strange = [task(number, [box()]) for number in ("../../x", "..", "", None, 5, 5)]
    folder = collection(tmp_path, *strange).to_coco(CONTROLS["box"], tmp_path / "coco")
    names = [image["file_name"] for image in content(folder)["images"]]
    assert names == ["______x.png", "__.png", "_.png", "task.png", "5.png", "5-6.png"]
    assert sorted(path.name for path in (folder / "images").iterdir()) == sorted(names)
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "coco"}


def test_all_annotations_of_a_task_are_pictures_of_their_own(tmp_path: Path) -> None:
    tasks = collection(tmp_path, task(7, [box()], []))
    images = content(tasks.to_coco(CONTROLS["box"], tmp_path / "coco", annotation="all"))["images"]
    assert [(image["file_name"], image["annotator"]) for image in images] == [
        ("7_annotation1.png", 11),
        ("7_annotation2.png", 12),
    ]


def test_a_turned_box_has_its_upright_box_and_its_corners(tmp_path: Path) -> None:
    turned = regions.box(CONTROLS["box"], cxcywh=(100, 50, 40, 20), rotation=90, size=SIZE, label="Car")
    folder = collection(tmp_path, task(1, [turned])).to_coco(CONTROLS["box"], tmp_path / "coco")
    (entry,) = content(folder)["annotations"]
    assert entry["bbox"] == pytest.approx([90, 30, 20, 40], abs=1e-2)
    assert entry["area"] == pytest.approx(800, abs=0.1)
    pixels = coco(folder).annToMask(entry)
    assert pixels[30:70, 90:110].mean() > 0.99
    assert pixels.sum() == pytest.approx(800, abs=80)


def test_polygons_and_ellipses_are_polygons(tmp_path: Path) -> None:
    triangle = regions.polygon(CONTROLS["area"], points=[(0, 0), (100, 0), (0, 50)], size=SIZE, label="Wall")
    circle = regions.ellipse(CONTROLS["round"], center=(100, 50), radii=(20, 20), size=SIZE, label="Wheel")
    tasks = collection(tmp_path, task(1, [triangle, circle]))
    (polygon,) = content(tasks.to_coco(CONTROLS["area"], tmp_path / "area"))["annotations"]
    assert polygon["segmentation"] == [pytest.approx([0, 0, 100, 0, 0, 50], abs=1e-3)]
    assert (polygon["bbox"], polygon["area"]) == (pytest.approx([0, 0, 100, 50]), pytest.approx(2500))
    (ellipse,) = content(tasks.to_coco(CONTROLS["round"], tmp_path / "round"))["annotations"]
    assert ellipse["bbox"] == pytest.approx([80, 30, 40, 40], abs=0.01)
    assert ellipse["area"] == pytest.approx(np.pi * 400, rel=0.005)


def test_what_is_outside_of_the_picture_is_cut_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inside = box(-50, 50, 50, 300, clip=False)
    outside = box(300, 0, 400, 50, clip=False)
    folder = collection(tmp_path, task(1, [inside, outside])).to_coco(CONTROLS["box"], tmp_path / "coco")
    (entry,) = content(folder)["annotations"]
    assert entry["bbox"] == pytest.approx([0, 50, 50, 50])
    assert "leaves out: 1 regions outside of the picture or without an area" in caplog.text


def test_masks_are_the_same_bit_by_bit(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    masks = [generator.random((HEIGHT, WIDTH)) < share for share in (0.5, 0.001)]
    masks[0][0, 0] = True  # the code then begins with an empty run
    result = [regions.mask(CONTROLS["brush"], mask, label="Sea") for mask in masks]
    folder = collection(tmp_path, task(1, result)).to_coco(CONTROLS["brush"], tmp_path / "coco")
    library = coco(folder)
    for mask, entry in zip(masks, content(folder)["annotations"], strict=True):
        np.testing.assert_array_equal(library.annToMask(entry).astype(bool), mask)
        assert entry["area"] == mask.sum()
        left, top, width, height = map(int, entry["bbox"])
        assert mask[top : top + height, left : left + width].sum() == mask.sum()
        assert mask[:, left].any()
        assert mask[top].any()


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_run_lengths_are_those_of_coco(pixels: Any) -> None:
    code = run_lengths(pixels)
    decoded = np.repeat(np.arange(len(code["counts"])) % 2 == 1, code["counts"])
    np.testing.assert_array_equal(decoded.reshape(pixels.shape, order="F"), pixels)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(-50, 250), st.floats(-50, 150)), min_size=3, max_size=8))
def test_a_clipped_polygon_is_within_the_picture(points: list[tuple[float, float]]) -> None:
    for x, y in clipped(points, regions.PictureSize(200, 100)):
        assert 0 <= x <= 200
        assert 0 <= y <= 100


def test_a_damaged_mask_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    damaged = regions.mask(CONTROLS["brush"], np.ones((HEIGHT, WIDTH)), label="Sea")
    assert damaged is not None
    damaged["value"]["rle"] = damaged["value"]["rle"][:4]
    folder = collection(tmp_path, task(1, [damaged])).to_coco(CONTROLS["brush"], tmp_path / "coco")
    assert content(folder)["annotations"] == []
    assert "1 masks that are damaged" in caplog.text


def test_key_points_are_objects(tmp_path: Path) -> None:
    def point(x: float, y: float, label: str, parent: str | None = None) -> Any:
        made: Any = regions.key_point(CONTROLS["joint"], xy=(x, y), size=SIZE, label=label)
        return {**made, "parentID": parent} if parent else made

    person = box(0, 0, 60, 80, label="Person", id="p1")
    result = [person, point(10, 20, "hand", "p1"), point(30, 40, "head", "p1"), point(90, 90, "head")]
    result.append(point(100, 95, "head"))  # a second head without a parent: another object
    folder = collection(tmp_path, task(1, result)).to_coco(CONTROLS["joint"], tmp_path / "coco")
    written = content(folder)
    assert written["categories"] == [
        {"id": 1, "name": "Person", "keypoints": ["head", "hand"], "skeleton": []},
        {"id": 2, "name": "joint", "keypoints": ["head", "hand"], "skeleton": []},
    ]
    first, second, third = written["annotations"]
    assert first["keypoints"] == pytest.approx([30, 40, 2, 10, 20, 2], abs=1e-3)
    assert first["bbox"] == pytest.approx([0, 0, 60, 80], abs=1e-3)
    assert (first["category_id"], first["num_keypoints"]) == (1, 2)
    assert (second["category_id"], second["keypoints"]) == (2, pytest.approx([90, 90, 2, 0, 0, 0], abs=1e-3))
    assert third["keypoints"][:2] == pytest.approx([100, 95], abs=1e-3)
    assert len(coco(folder).anns) == 3


def test_key_points_outside_of_the_picture_are_not_labelled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def point(x: float, y: float, parent: Any) -> Any:
        made: Any = regions.key_point(CONTROLS["joint"], xy=(x, y), size=SIZE, label="head", clip=False)
        return {**made, "parentID": parent}

    inside, outside = point(10, 20, None), point(WIDTH + 50, 20, ["damaged"])
    person = box(WIDTH - 60, 0, WIDTH + 60, 80, label="Person", id="p1", clip=False)
    half = point(WIDTH + 10, 20, "p1")
    folder = collection(tmp_path, task(1, [person, inside, outside, half])).to_coco(
        CONTROLS["joint"], tmp_path / "coco"
    )
    first, second = content(folder)["annotations"]
    assert first["keypoints"][:3] == pytest.approx([10, 20, 2], abs=1e-3)
    assert (second["keypoints"][:3], second["num_keypoints"]) == ([0, 0, 0], 0)
    assert second["bbox"] == pytest.approx([WIDTH - 60, 0, 60, 80], abs=1e-3)
    assert "1 regions outside of the picture" in caplog.text


def test_what_is_no_character_is_replaced(tmp_path: Path) -> None:
    region = {**box(), "id": "r\ud800"}
    labelled = task("7\udfff", [region], image="\ud83d.png")
    folder = collection(tmp_path, labelled).to_coco(
        CONTROLS["box"], tmp_path / "o", files=False, images=False
    )
    written = content(folder)
    assert written["annotations"][0]["region_id"] == "r\ufffd"
    assert written["images"][0]["task_id"] == "7\ufffd"
    assert written["images"][0]["file_name"].endswith("\ufffd.png")


def test_regions_without_a_label(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shape = regions.box(CONTROLS["shape"], xyxy=(1, 2, 30, 40), size=SIZE)
    unlabelled = {**box(), "value": {**box()["value"], "rectanglelabels": []}}
    tasks = collection(tmp_path, task(1, [shape, unlabelled]))
    assert content(tasks.to_coco(CONTROLS["shape"], tmp_path / "a"))["categories"] == [
        {"id": 1, "name": "shape"}
    ]
    with caplog.at_level(logging.WARNING):
        assert content(tasks.to_coco(CONTROLS["box"], tmp_path / "b"))["annotations"] == []
    assert "1 regions without a label" in caplog.text


def test_an_export_without_any_task_is_a_valid_file(tmp_path: Path) -> None:
    folder = collection(tmp_path).to_coco(CONTROLS["box"], tmp_path / "coco")
    assert content(folder)["images"] == content(folder)["annotations"] == []


def test_the_converter_of_the_sdk_turns_boxes_in_percent_and_has_no_ellipses_and_masks(
    tmp_path: Path,
) -> None:
    """That is why it is not used. If this fails, see whether it can be."""
    from label_studio_sdk.converter import Converter

    result = [
        regions.box(CONTROLS["box"], cxcywh=(100, 50, 40, 20), rotation=90, size=SIZE, label="Car"),
        regions.ellipse(CONTROLS["round"], center=(50, 50), radii=(5, 5), size=SIZE, label="Wheel"),
        regions.mask(CONTROLS["brush"], np.ones((HEIGHT, WIDTH)), label="Sea"),
    ]
    exported = task(1, result)
    collection(tmp_path, exported)
    exported["data"]["image"] = str(tmp_path / "cache" / "a.png")
    (tmp_path / "export.json").write_text(json.dumps([exported]))
    Converter(CONFIG, str(tmp_path)).convert_to_coco(
        str(tmp_path / "export.json"), str(tmp_path / "sdk"), is_dir=False
    )
    (entry,) = json.loads((tmp_path / "sdk" / "result.json").read_text())["annotations"]
    assert entry["bbox"] == pytest.approx([70, 30, 40, 20], abs=1e-3)  # upright, it is [90, 30, 20, 40]
    assert entry["category_id"] < 10
    assert entry["id"] == 0


# Where it is written to


def test_without_a_folder_it_is_in_the_working_folder_of_fit(tmp_path: Path) -> None:
    tasks = collection(tmp_path, task(1, [box()]))
    with pytest.raises(ValueError, match="folder must be given: only annotations that fit was called with"):
        tasks.to_coco(CONTROLS["box"])
    tasks.use_workdir(tmp_path / "version")
    assert tasks.to_coco(CONTROLS["box"]) == tmp_path / "version" / "coco"
    train, _ = tasks.split(test=0.2)
    assert train.targets(CONTROLS["box"]).to_coco(tmp_path / "half") == tmp_path / "half"


def test_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    tasks = collection(tmp_path, task(1, [box()]))
    (tmp_path / "empty").mkdir()
    tasks.to_coco(CONTROLS["box"], tmp_path / "empty")
    with pytest.raises(FileExistsError, match="empty exists and is not an empty folder: pass another one"):
        tasks.to_coco(CONTROLS["box"], tmp_path / "empty")
    assert (tmp_path / "empty" / "annotations.json").exists()


def test_nothing_is_left_of_an_export_that_fails(tmp_path: Path) -> None:
    strange = task(2, [{**box(), "value": {**box()["value"], "rectanglelabels": ["Tree"]}}])
    tasks = collection(tmp_path, task(1, [box()]), strange)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(LabelConfigError, match="no label 'Tree'"):
            tasks.to_coco(CONTROLS["box"], tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "empty"}
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("name", ["line", "quality"])
def test_what_coco_has_no_form_for_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabelConfigError, match=f'COCO has no form for what <.* name="{name}">'):
        collection(tmp_path).to_coco(CONTROLS[name], tmp_path / "coco")
    assert not (tmp_path / "coco").exists()


def test_it_reads_the_tasks_once_and_keeps_none(tmp_path: Path) -> None:
    alive: list[int] = []
    most = 0

    class Counted(dict[str, Any]):
        def __init__(self, content: dict[str, Any]) -> None:
            super().__init__(content)
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    class Tasks:
        reads = 0

        def __iter__(self) -> Any:
            nonlocal most
            self.reads += 1
            for number in range(200):
                entry = task(number, [box()])
                yield {**entry, "data": Counted(entry["data"])}
                most = max(most, len(alive))

    source = Tasks()
    LabelledTasks.from_tasks(source).to_coco(CONTROLS["box"], tmp_path / "coco", files=False)
    assert source.reads == 1
    assert most < 40
    assert len(content(tmp_path / "coco")["images"]) == 200
