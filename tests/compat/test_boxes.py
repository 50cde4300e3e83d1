"""Constructors that read the label config, label maps, and a fit that is not implemented."""

import pytest

from .contents import picture
from .served import Served, serving

BOXES = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image" score_threshold="0.55">'
    '<Label value="Cat"/><Label value="Plane" predicted_values="airplane, jet"/></RectangleLabels></View>'
)

boxes = serving("boxes", BOXES)


def test_boxes_by_a_constructor_that_reads_the_label_config(boxes: Served) -> None:
    """As `yolo`, `mmdetection-3`, `easyocr` and `grounding_sam` do it."""
    assert boxes.health()["model_class"] == "Boxes"
    boxes.wait_for_version("Boxes-v0.0.1", extra_params='{"prompt": "find"}')
    wide = {"image": boxes.studio.file("wide.png", picture(8, 4))}
    tall = {"$undefined$": boxes.studio.file("tall.png", picture(4, 8))}
    (entry,) = boxes.predict(wide)
    found = [(region["value"]["rectanglelabels"], region["value"]["width"]) for region in entry["result"]]
    assert found == [(["Cat"], 0), (["Plane"], 100)]
    assert entry["score"] == pytest.approx(0.75)
    assert entry["model_version"] == "Boxes-v0.0.1"
    built = entry["result"][0]["built"]
    assert built["labels"] == ["Cat", "Plane"]
    assert built["map"] == {"airplane": "Plane", "jet": "Plane"}
    assert built["prompt"] == "find"
    if boxes.way == "start":  # below gunicorn, this _wsgi.py gives nothing of config.json to init_app
        assert (built["labels_file"], built["image_dir"]) == ("labels.json", "pictures")
    else:
        assert built["labels_file"] is None
        assert built["image_dir"].endswith("upload")

    first, nothing, last = boxes.predict(wide, tall, wide)
    assert first["result"] == last["result"] == entry["result"]
    assert "result" not in nothing
    assert nothing["error"] == "predict returned 0 predictions for 1 task"
    several = boxes.predict({**wide, "first_only": 1}, wide)
    assert [len(entry["result"]) for entry in several] == [2, 2], "each task was asked for alone"


def test_a_fit_that_is_not_implemented(boxes: Served) -> None:
    boxes.wait_for_version("Boxes-v0.0.1")
    job = boxes.train("ANNOTATION_CREATED")
    assert job["job_status"] == "failed"
    assert "NotImplementedError: Training is not implemented yet (boxes.py, line" in job["error"]
    wide = {"image": boxes.studio.file("wide.png", picture(8, 4))}
    (entry,) = boxes.predict(wide)
    assert entry["model_version"] == "Boxes-v0.0.1"
