"""Names of the files in exported folders."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.targets.exports.output_folder import new_folder, suffix_of
from targets.exports.labelled_pictures import CONTROLS, SIZE, collection, task

PAGES = Controls("""<View><Image name="page" valueList="$pages"/>
  <RectangleLabels name="box" toName="page"><Label value="Title"/></RectangleLabels></View>""")


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.PNG", ".png"), ("a", ".jpg"), ("a.b c", ".jpg"), ("a.jpeg", ".jpeg")]
)
def test_the_suffix_is_that_of_the_name_else_of_the_content(tmp_path: Path, name: str, suffix: str) -> None:
    Image.new("RGB", (3, 2)).save(tmp_path / name, "JPEG")
    assert suffix_of(str(tmp_path / name)) == suffix


def test_a_file_that_is_no_picture_has_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    assert suffix_of(str(tmp_path / "a")) == ""


def test_each_picture_of_an_object_with_several_has_a_file(tmp_path: Path) -> None:
    box = regions.box(PAGES["box"], xyxy=(1, 2, 30, 40), size=SIZE, label="Title", item_index=1)
    labelled = {
        "id": 5,
        "data": {"pages": ["/data/upload/1/a.png"] * 2},
        "annotations": [{"id": 1, "result": [box]}],
    }
    folder = collection(tmp_path, labelled).to_coco(PAGES["box"], tmp_path / "coco")
    written = json.loads((folder / "annotations.json").read_bytes())
    assert [image["file_name"] for image in written["images"]] == ["5.png", "5_item1.png"]
    assert [entry["image_id"] for entry in written["annotations"]] == [2]
    yolo = collection(tmp_path, labelled).to_yolo(PAGES["box"], tmp_path / "yolo")
    assert (yolo / "labels" / "train" / "5.txt").read_text() == ""
    assert (yolo / "labels" / "train" / "5_item1.txt").read_text().startswith("0 ")


def test_two_exports_into_one_folder_do_not_touch_each_other(tmp_path: Path) -> None:
    tasks = collection(tmp_path, task(1, [box_region()]))
    path = tmp_path / "coco"
    with new_folder(path):
        (path / "annotations.json").write_text("of the first one")
        with pytest.raises(FileExistsError, match="is not an empty folder"):
            tasks.to_coco(CONTROLS["box"], path)
        assert (path / "annotations.json").read_text() == "of the first one"
    assert [entry.name for entry in path.iterdir()] == ["annotations.json"]


def test_of_two_exports_that_begin_together_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "coco", collection(tmp_path, task(1, [box_region()]))
    made = Path.mkdir

    def both(folder: Path, *args: Any, **options: Any) -> None:
        """Let another export begin after this one has found that there is no folder."""
        monkeypatch.undo()
        other.to_coco(CONTROLS["box"], path)
        made(folder, *args, **options)

    monkeypatch.setattr(Path, "mkdir", both)
    with pytest.raises(FileExistsError, match="is not an empty folder"), new_folder(path):
        raise AssertionError("it is the other one's")
    assert sorted(entry.name for entry in path.iterdir()) == ["annotations.json", "images"]


def box_region() -> Any:
    return regions.box(CONTROLS["box"], xyxy=(1, 2, 30, 40), size=SIZE, label="Car")
