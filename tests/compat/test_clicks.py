"""Answers to clicks only."""

from typing import Any

import pytest

from live import TOKEN

from .contents import picture
from .served import Served, serving

CLICKS = (
    '<View><Image name="image" value="$image"/>'
    '<BrushLabels name="mask" toName="image"><Label value="Cat"/></BrushLabels>'
    '<KeyPointLabels name="point" toName="image" smart="true"><Label value="Cat"/></KeyPointLabels>'
    '<RectangleLabels name="box" toName="image"><Label value="Cat"/></RectangleLabels>'
    '<TextArea name="words" toName="image"/></View>'
)

clicks = serving("clicks", CLICKS, ("start",), LABEL_STUDIO_ACCESS_TOKEN=TOKEN)


def drawn(kind: str, **value: Any) -> dict[str, Any]:
    """Return what an annotator has drawn on a picture of 4 by 2 pixels."""
    name = {"keypointlabels": "point", "rectanglelabels": "box", "textarea": "words"}[kind]
    size = {"original_width": 4, "original_height": 2, "image_rotation": 0}
    return {"id": "r1", "type": kind, "from_name": name, "to_name": "image", **size, "value": value}


@pytest.fixture
def small(clicks: Served) -> dict[str, Any]:
    return {"image": clicks.studio.file("small.png", picture(4, 2))}


def test_nothing_without_a_click(clicks: Served, small: dict[str, Any]) -> None:
    """As all interactive examples do it, `interactive_substring_matching` too."""
    assert clicks.health()["model_class"] == "Clicks"
    clicks.wait_for_version("Clicks-v0.0.1")
    assert clicks.predict(small, small) == []
    assert clicks.predict(small, context={"result": []}) == []


def test_a_mask_for_a_key_point(clicks: Served, small: dict[str, Any]) -> None:
    """As `segment_anything_model`, `segment_anything_2_image` and `grounding_dino` do it: `predictor.py` fetches the
    picture by the bound method that it is given, once."""
    point = {**drawn("keypointlabels", x=50, y=0, width=1, keypointlabels=["Cat"]), "is_positive": True}
    for _ in range(2):
        (entry,) = clicks.predict(small, context={"result": [point]})
        assert (entry["score"], entry["model_version"]) == (1.0, "Clicks-v0.0.1"), "the picture was read once"
        (region,) = entry["result"]
        assert (region["type"], region["value"]["brushlabels"]) == ("brushlabels", ["Cat"])
        assert region["value"]["format"] == "rle"
        assert len(region["value"]["rle"]) > 8


def test_a_text_for_a_box_beside_the_box_itself(clicks: Served, small: dict[str, Any]) -> None:
    """As `tesseract` does it, with `predict(self, tasks, **kwargs)`."""
    box = drawn("rectanglelabels", x=0, y=0, width=50, height=50, rectanglelabels=["Cat"])
    (entry,) = clicks.predict(small, context={"result": [box]})
    text, same = entry["result"]
    assert text["value"]["text"] == [f"{len(picture(4, 2))} bytes"]
    assert (text["type"], text["from_name"], same) == ("textarea", "words", box)
    assert entry["score"] == 0


def test_a_predict_that_changes_the_task_and_returns_none(clicks: Served, small: dict[str, Any]) -> None:
    """As `deepgram` does it, with a client that the module makes."""
    clicks.studio.add(1, CLICKS, {"id": 1, "data": small, "annotations": []})
    context = {"result": [drawn("textarea", text=["a cat"])], "user_id": 7}
    assert clicks.predict(small, context=context) == []
    assert clicks.studio.changed == [(1, {"data": {"text": "a cat", "by": 7}})]
    assert clicks.predict(small, context={"result": [drawn("textarea", text=["nothing"])]}) == []
