"""The gallery's box learner finds elements of pages and nuclei of cells after some annotated pictures."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy
import pytest
import requests

from label_studio_ml import regions
from label_studio_ml.controls import Controls
from label_studio_ml.gallery.catalogue import model_named

from ..browser import Browser
from ..processes import wait_until
from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio
from .box_scores import Labelled, f1
from .conftest import MakeJourney
from .element_pages import SIDE, element_pages
from .environments import environment, install_model
from .journey import Journey, record
from .package_files import file_of

CONFIG = """<View><Image name="picture" value="$image"/><RectangleLabels name="box" toName="picture">
{}</RectangleLabels></View>"""
PAGES = CONFIG.format('<Label value="Code" background="red"/><Label value="Note" background="blue"/>')
CELLS = CONFIG.format('<Label value="Nucleus" background="red"/>')
#: Side of the tiles of the microscope's picture, in pixels.
TILE = 128


@pytest.mark.gallery
@pytest.mark.timeout(2400)
def test_learns_elements_of_pages(
    label_studio: Studio,
    browser: Browser,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    pages = element_pages(browser.new_page(), tmp_path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    project = label_studio.create_project("Pages", PAGES)
    *tasks, bad = label_studio.upload_files(project, [*(each.path for each in pages), broken])
    (gone,) = label_studio.import_tasks(project, [{"image": "/data/upload/1/gone.png"}])
    model = connected(journey, project)
    assert_training_without_annotations_says_what_is_missing(label_studio, model)

    held_out = dict(zip(tasks[1::2], pages[1::2], strict=True))
    assert all(not prediction["result"] for prediction in model.predict(list(held_out)[:4]).values())
    for task, each in zip(tasks[::2], pages[::2], strict=True):
        label_studio.annotate(task, result(PAGES, each.boxes, SIDE))
    for task in (bad, gone):
        label_studio.annotate(task, [])
    model.train()

    begun = time.monotonic()
    predictions: dict[int, Json] = {}
    for start in range(0, len(held_out), 8):
        predictions |= model.predict(list(held_out)[start : start + 8])
    speed = len(held_out) / (time.monotonic() - begun)
    truth, found = (
        [each.boxes for each in held_out.values()],
        [boxes(predictions[task]) for task in held_out],
    )
    scores = {label: f1(truth, found, label) for label in ("Code", "Note")}
    mean = sum(scores.values()) / len(scores)
    print(scores, f"{speed:.2f} tasks a second")
    record(
        "box-learner",
        before=0.0,
        after=round(mean, 3),
        labelled=len(tasks) - len(held_out),
        measured_on=len(held_out),
        measure="mean F1 of boxes (overlap of half or more) on other pages; "
        + ", ".join(f"{label} {score:.2f}" for label, score in scores.items()),
        tasks_per_second=round(speed, 1),
    )
    assert mean > 0.6

    label_studio.retrieve_predictions(project, [bad, gone, tasks[1]])
    latest = {item["task"] for item in label_studio.predictions(project) if item["task"] in (bad, gone)}
    assert not latest, "the broken picture and the one that is gone have no prediction"
    for task in list(held_out)[:20]:
        page.open_task(project, task, predictions[task]["id"])
        shown = page.evaluate("() => SELECTED.serializeAnnotation()")
        assert [places(region) for region in shown] == [
            pytest.approx(places(region), abs=0.01) for region in predictions[task]["result"]
        ]
    keep_picture(page.page, "box-learner")


@pytest.mark.gallery
@pytest.mark.timeout(1800)
def test_learns_nuclei_of_cells(label_studio: Studio, journey: MakeJourney, tmp_path: Path) -> None:
    tiles = nuclei(tmp_path)
    project = label_studio.create_project("Cells", CELLS)
    tasks = label_studio.upload_files(project, [path for path, _ in tiles])
    model = connected(journey, project)
    half = len(tiles) // 2
    for task, (_, found) in zip(tasks[:half], tiles, strict=False):
        label_studio.annotate(task, result(CELLS, found, TILE))
    model.train()
    predictions = model.predict(tasks[half:])
    truth = [found for _, found in tiles[half:]]
    score = f1(truth, [boxes(predictions[task]) for task in tasks[half:]], "Nucleus")
    print("F1 of nuclei", score)
    record("box-learner", nuclei=round(score, 3))
    assert score > 0.5


@pytest.mark.gallery
def test_features_of_no_boxes() -> None:
    """Candidates that all lie on objects leave none without one: their features are as wide as those of others."""
    venv, folder = environment("vision"), model_named("box-learner").folder
    install_model(venv, folder)
    script = """import torch; from features import of_boxes
sums, box = torch.rand(8, 9, 9), torch.tensor([[0.0, 0.0, 40.0, 40.0]])
assert of_boxes(sums, box[:0]).shape == (0, of_boxes(sums, box).shape[1])"""
    subprocess.run([venv / "bin" / "python", "-c", script], cwd=folder, check=True)


def connected(journey: MakeJourney, project: int) -> Journey:
    """Return the model's running backend; it trains only on request."""
    model = journey("box-learner", project, venv="vision")
    model.init()
    assert model.chosen() == "box-learner"
    model.start(env={"TRAIN_EVERY": "0"})
    model.connect("--no-prelabel")
    return model


def assert_training_without_annotations_says_what_is_missing(studio: Studio, model: Journey) -> None:
    assert model.backend is not None
    url = f"{model.backend.url}/jobs?project={model.project}"
    studio.start_training(model.backend_id)

    def failure() -> str:
        jobs = requests.get(url, timeout=60).json()["jobs"]
        return next(
            (str(job) for job in jobs if job["job_status"] in ("failed", "interrupted", "finished")), ""
        )

    assert "annotat" in wait_until(failure, "the training without annotations ends", 600.0, every=0.5)


def result(config: str, labelled: Sequence[Labelled], side: int) -> list[Json]:
    """Return the result of an annotation with these boxes of a square picture."""
    made = regions.boxes(
        Controls(config).first("RectangleLabels"),
        xyxy=[box for _, box in labelled],
        labels=[label for label, _ in labelled],
        size=(side, side),
    )
    return list(made)


def boxes(prediction: Json) -> list[Labelled]:
    """Return the labels and boxes of a prediction, in pixels, the surest first."""
    found = sorted(prediction["result"], key=lambda region: -region["score"])
    return [(region["value"]["rectanglelabels"][0], regions.box_of(region).xyxy) for region in found]


def places(region: Json) -> list[float]:
    return [region["value"][name] for name in ("x", "y", "width", "height")]


def nuclei(folder: Path) -> list[tuple[Path, list[Labelled]]]:
    """Write tiles of StarDist's picture of stained nuclei; return their files and the boxes of its masks, in pixels."""
    picture, masks = (tiff(f"images/{name}.tif") for name in ("img2d", "mask2d"))
    bright = numpy.clip(picture / numpy.percentile(picture, 99.8) * 255, 0, 255).astype("uint8")
    tiles = []
    for top in range(0, bright.shape[0], TILE):
        for left in range(0, bright.shape[1], TILE):
            part = masks[top : top + TILE, left : left + TILE]
            tiles.append((folder / f"cells_{top:03}_{left:03}.png", boxes_of_masks(part)))
            cv2.imwrite(str(tiles[-1][0]), bright[top : top + TILE, left : left + TILE])
    return tiles


def tiff(name: str) -> Any:
    """Return the pixels of a picture in StarDist's package."""
    pixels = cv2.imdecode(
        numpy.frombuffer(file_of("stardist==0.9.2", name), numpy.uint8), cv2.IMREAD_UNCHANGED
    )
    assert pixels is not None, name
    return pixels


def boxes_of_masks(masks: Any) -> list[Labelled]:
    """Return the boxes of the nuclei in a tile, without slivers of nuclei that its border cuts."""
    found: list[Labelled] = []
    for number in numpy.unique(masks)[1:]:
        rows, columns = numpy.nonzero(masks == number)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        if min(box[2] - box[0], box[3] - box[1]) >= 6:
            left, top, right, bottom = (float(side) for side in box)
            found.append(("Nucleus", (left, top, right, bottom)))
    return found
