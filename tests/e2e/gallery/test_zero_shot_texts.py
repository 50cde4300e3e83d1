"""The gallery's zero-shot model predicts sections and formats of Debian's packages without any annotation."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio
from .conftest import MakeJourney
from .debian_packages import packages
from .journey import record

#: The sections with a hint for each.
SECTIONS = {
    "fonts": "fonts and typefaces",
    "games": "a game to play",
    "graphics": "images, photos and drawing",
    "mail": "e-mail",
    "science": "scientific research",
    "sound": "music and audio",
}
#: The works-with tags that are choices of the third control, with what they mean.
FORMATS = {
    "audio": "music and audio",
    "db": "databases",
    "image": "images and photos",
    "mail": "e-mail",
    "video": "video and films",
}
CONFIG = f"""<View><Text name="text" value="$text"/>
<Choices name="section" toName="text" choice="single" showInline="true">
{"".join(f'<Choice value="{name}"/>' for name in SECTIONS)}</Choices>
<Choices name="hinted" toName="text" choice="single" showInline="true">
{"".join(f'<Choice value="{name}" hint="{hint}"/>' for name, hint in SECTIONS.items())}</Choices>
<Choices name="format" toName="text" choice="multiple" showInline="true">
{"".join(f'<Choice value="{name}" hint="{hint}"/>' for name, hint in FORMATS.items())}</Choices></View>"""
#: Texts to measure with.
TASKS = 120

#: All names of choices, and which of them the page shows as chosen in any of the controls.
NAMES = sorted({*SECTIONS, *FORMATS})
CHOSEN = f"() => {NAMES}.filter((name) => document.querySelector(`input[name='${{name}}']:checked`))"


@pytest.mark.gallery
def test_predicts_sections_without_annotations(
    label_studio: Studio, journey: MakeJourney, page: Labelling, keep_picture: Callable[[Any, str], None]
) -> None:
    sample = packages(list(SECTIONS), each=TASKS // len(SECTIONS))
    project = label_studio.create_project("Sections without annotations", CONFIG)
    tasks = label_studio.import_tasks(project, [{"text": package.description} for package in sample])
    (empty,) = label_studio.import_tasks(project, [{"text": ""}])

    model = journey("zero-shot-texts", project, venv="texts")
    model.init("--example", "zero-shot-texts")
    model.start()
    model.connect("--no-prelabel")
    begun = time.monotonic()
    predictions = model.predict(tasks)
    speed = len(tasks) / (time.monotonic() - begun)
    said = [values(predictions[task]) for task in tasks]
    accuracy = {
        name: sum(each[name] == [package.section] for each, package in zip(said, sample, strict=True))
        / len(tasks)
        for name in ("section", "hinted")
    }
    f1 = micro_f1(
        [set(each.get("format", [])) for each in said],
        [{name for name in FORMATS if f"works-with::{name}" in package.tags} for package in sample],
        [any(tag.startswith("works-with::") for tag in package.tags) for package in sample],
    )
    record(
        "zero-shot-texts",
        before=round(1 / len(SECTIONS), 3),
        after=round(accuracy["section"], 3),
        with_hints=round(accuracy["hinted"], 3),
        multiple_f1=round(f1, 3),
        labelled=0,
        measured_on=len(tasks),
        measure="accuracy, 6 classes (before: chance)",
        tasks_per_second=round(speed, 1),
    )
    assert accuracy["section"] >= 0.65
    assert accuracy["hinted"] >= 0.65
    assert f1 >= 0.4
    assert model.predict([empty])[empty]["result"] == []

    for task in tasks[:20]:
        page.open_task(project, task, predictions[task]["id"])
        shown = values(predictions[task])
        page.shows(CHOSEN, sorted({*shown["section"], *shown["hinted"], *shown.get("format", [])}))
    keep_picture(page.page, "zero-shot-texts")


def values(prediction: Json) -> dict[str, list[str]]:
    """Return the choices of a prediction by the control's name."""
    return {region["from_name"]: region["value"]["choices"] for region in prediction["result"]}


def micro_f1(said: list[set[str]], true: list[set[str]], is_tagged: list[bool]) -> float:
    """Return the F1 of choices, over the packages that have tags of this kind at all."""
    pairs = [(found, right) for found, right, tagged in zip(said, true, is_tagged, strict=True) if tagged]
    common = sum(len(found & right) for found, right in pairs)
    return 2 * common / sum(len(found) + len(right) for found, right in pairs)
