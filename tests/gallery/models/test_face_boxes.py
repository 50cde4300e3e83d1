"""The gallery's cascades, on the photograph of Grace Hopper that Matplotlib ships."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from matplotlib import cbook

from .model_file import model_class

CONFIG = """<View><Image name="photo" value="$image"/><RectangleLabels name="box" toName="photo">
<Label value="{}"/><Label value="Car"/></RectangleLabels></View>"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "hopper.jpg"
    shutil.copy(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)), path)
    return path


def model(config: str, path: Path) -> Any:
    made = model_class("face-boxes")(label_config=config)
    made.get_local_path = lambda url, **kwargs: str(path)
    return made


def regions_of(made: Any) -> list[dict[str, Any]]:
    (prediction,) = made.predict([{"id": 1, "data": {"image": "hopper.jpg"}}])
    return list(prediction["result"])


def test_a_label_is_found_by_its_name_or_its_predicted_values(photo: Path) -> None:
    for label in ("face", "Face", 'Head" predicted_values="face,profile face'):
        (face,) = regions_of(model(CONFIG.format(label), photo))
        value = face["value"]
        assert value["rectanglelabels"] == [label.partition('"')[0]]
        assert value["x"] < 50 < value["x"] + value["width"]
        assert 0 < face["score"] < 1


def test_pages_of_a_document_are_searched_one_by_one(photo: Path) -> None:
    made = model(CONFIG.format("Face").replace('value="$image"', 'valueList="$image"'), photo)
    (prediction,) = made.predict([{"id": 1, "data": {"image": ["a.jpg", "b.jpg"]}}])
    assert [region["item_index"] for region in prediction["result"]] == [0, 1]


def test_a_picture_that_pillow_takes_for_a_bomb_has_boxes(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = regions_of(model(CONFIG.format("Face"), photo))
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 1000)
    (face,) = regions_of(model(CONFIG.format("Face"), photo))
    assert face["value"] == expected[0]["value"]


def test_a_large_picture_that_is_decoded_smaller_has_boxes_in_its_own_size(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (expected,) = regions_of(model(CONFIG.format("Face"), photo))
    monkeypatch.setattr("label_studio_ml.inputs.large_pictures.OPENCV_PIXELS", 100_000)
    (face,) = regions_of(model(CONFIG.format("Face"), photo))
    for name in ("original_width", "original_height"):
        assert face[name] == expected[name]
    for name in ("x", "y", "width", "height"):
        assert face["value"][name] == pytest.approx(expected["value"][name], abs=3)


def test_an_error_has_no_content_of_the_task(photo: Path) -> None:
    photo.write_bytes(b"no picture")
    made = model(CONFIG.format("Face"), photo)
    with pytest.raises(ValueError, match="OpenCV") as raised:
        made.predict([{"id": 1, "data": {"image": "data:image/png;base64," + "A" * 1_000_000}}])
    assert len(str(raised.value)) < 200


def test_what_cannot_be_read_is_an_error_of_the_task(photo: Path) -> None:
    photo.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="Task 1: OpenCV cannot read the picture"):
        regions_of(model(CONFIG.format("Face"), photo))


def test_a_project_without_a_label_that_it_knows(photo: Path) -> None:
    with pytest.raises(Exception, match="has one of the labels face"):
        model(CONFIG.format("Dog"), photo)
