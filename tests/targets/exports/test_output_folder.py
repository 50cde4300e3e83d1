"""Names of the files in exported folders."""

import json
from pathlib import Path

import pytest
from PIL import Image

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.targets.exports.output_folder import suffix_of
from targets.exports.labelled_pictures import SIZE, collection

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
    task = {
        "id": 5,
        "data": {"pages": ["/data/upload/1/a.png"] * 2},
        "annotations": [{"id": 1, "result": [box]}],
    }
    folder = collection(tmp_path, task).to_coco(PAGES["box"], tmp_path / "coco")
    written = json.loads((folder / "annotations.json").read_bytes())
    assert [image["file_name"] for image in written["images"]] == ["5.png", "5_item1.png"]
    assert [entry["image_id"] for entry in written["annotations"]] == [2]
    yolo = collection(tmp_path, task).to_yolo(PAGES["box"], tmp_path / "yolo")
    assert (yolo / "labels" / "train" / "5.txt").read_text() == ""
    assert (yolo / "labels" / "train" / "5_item1.txt").read_text().startswith("0 ")
