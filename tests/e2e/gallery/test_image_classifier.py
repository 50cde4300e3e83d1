"""The gallery's image classifier learns handwritten digits and textures from annotated pictures."""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from ..regions_facts.labelling import Labelling
from ..studio import Studio, choice, chosen
from .conftest import MakeJourney
from .journey import record
from .package_files import file_of

SCIKIT_IMAGE = "scikit-image==0.26.0"
#: Side of the tiles that photographs of textures are cut into, in pixels.
TILE = 64


@dataclass(frozen=True)
class DataSet:
    """Pictures with their classes, in a random order; the first `labelled` ones are annotated, the others measured."""

    pictures: list[Any]
    names: list[str]
    labelled: int

    @property
    def accuracy_of_pixels(self) -> float:
        """The accuracy of logistic regression on the pixels of the pictures, made grey and 16 x 16 pixels large."""
        rows = [
            numpy.asarray(Image.fromarray(pixels).convert("L").resize((16, 16))).ravel() / 255
            for pixels in self.pictures
        ]
        model = LogisticRegression(max_iter=2000).fit(rows[: self.labelled], self.names[: self.labelled])
        return float(model.score(rows[self.labelled :], self.names[self.labelled :]))


@pytest.mark.gallery
def test_learns_pictures(
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    measured, pixels, speeds = {}, {}, []
    for title, data in (("digits", digits()), ("textures", textures())):
        pixels[title] = data.accuracy_of_pixels
        folder = tmp_path / title
        folder.mkdir()
        project, tasks = project_of(label_studio, title, data, folder)
        model = journey("image-classifier", project, venv="vision")
        model.folder = folder / "image_classifier"
        model.init()
        assert model.chosen() == "image-classifier"
        model.start()
        model.connect("--no-prelabel")
        held_out = tasks[data.labelled :]
        assert all(prediction["result"] == [] for prediction in model.predict(held_out[:20]).values())
        for task, name in zip(tasks[: data.labelled], data.names, strict=False):
            label_studio.annotate(task, choice(name, "image", "class"))
        model.train()
        model.train()  # The first may end with a version that was begun before the last annotation.
        begun = time.monotonic()
        found = model.predict(held_out)
        speeds.append(len(held_out) / (time.monotonic() - begun))
        right = [
            chosen(found[task]) == name
            for task, name in zip(held_out, data.names[data.labelled :], strict=True)
        ]
        measured[title] = sum(right) / len(right)
        model.stop()
        print(title, measured[title], pixels[title])
    record(
        "image-classifier",
        before=0.0,
        after=round(measured["textures"], 3),
        labelled=data.labelled,
        measured_on=len(held_out),
        measure="accuracy on textures; "
        + ", ".join(f"{title} {measured[title]:.2f} (on pixels {pixels[title]:.2f})" for title in measured),
        tasks_per_second=round(speeds[-1], 1),
    )
    for task in held_out[:20]:
        page.open_task(project, task, found[task]["id"])
        page.shows(
            f"() => {sorted(set(data.names))}"
            ".filter((name) => document.querySelector(`input[name=${name}]:checked`))",
            [chosen(found[task])],
        )
    keep_picture(page.page, "image-classifier")
    assert measured["textures"] > max(0.9, pixels["textures"] + 0.2)
    assert measured["digits"] > 0.85


def project_of(studio: Studio, title: str, data: DataSet, folder: Path) -> tuple[int, list[int]]:
    """Make a project with the pictures of a data set; return its id and those of its tasks, in the pictures' order."""
    choices = "".join(f'<Choice value="{name}"/>' for name in sorted(set(data.names)))
    config = f"""<View><Image name="image" value="$image" maxWidth="300px"/>
    <Choices name="class" toName="image" choice="single">
    {choices}</Choices></View>"""
    project = studio.create_project(title, config)
    files = []
    for number, pixels in enumerate(data.pictures):
        files.append(folder / f"{title}_{number:03d}.png")
        Image.fromarray(pixels).save(files[-1])
    return project, studio.upload_files(project, files)


def textures() -> DataSet:
    """Return tiles of three photographs: a wall of bricks, grass, gravel."""
    pictures, names = [], []
    for name in ("brick", "grass", "gravel"):
        picture = Image.open(io.BytesIO(file_of(SCIKIT_IMAGE, f"data/{name}.png"))).convert("L")
        pixels = numpy.asarray(picture)
        for top in range(0, pixels.shape[0], TILE):
            for left in range(0, pixels.shape[1], TILE):
                pictures.append(pixels[top : top + TILE, left : left + TILE])
                names.append(name)
    return shuffled(pictures, names, 100, labelled=24)


def digits() -> DataSet:
    """Return scikit-learn's handwritten digits, of 8 x 8 pixels."""
    loaded = load_digits()
    pictures = [(picture * 15.9).astype("uint8") for picture in loaded.images]
    return shuffled(pictures, [f"digit {digit}" for digit in loaded.target], 160, labelled=100)


def shuffled(pictures: Sequence[Any], names: Sequence[str], size: int, labelled: int) -> DataSet:
    """Return a random part of pictures with their names, the same in each run."""
    order = numpy.random.default_rng(1).permutation(len(names))[:size]
    return DataSet([pictures[index] for index in order], [names[index] for index in order], labelled)
