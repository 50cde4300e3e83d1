"""The gallery's OCR model reads pages of package descriptions, a photographed page, and a box that a person draws."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from label_studio_ml import regions
from label_studio_ml.gallery.catalogue import model_named

from ..browser import Browser
from ..processes import wait_until
from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio
from .conftest import MakeJourney
from .document_pages import WIDTH, Box, package_pages
from .environments import environment
from .journey import record
from .text_recognition import Line, character_errors, found_lines

#: Label Studio's template "Optical Character Recognition", with smart tools.
CONFIG = """<View>
  <Image name="image" value="$ocr"/>
  <Labels name="label" toName="image">
    <Label value="Text" background="green"/><Label value="Handwriting" background="blue"/></Labels>
  <Rectangle name="bbox" toName="image" strokeWidth="3" smart="true"/>
  <Polygon name="poly" toName="image" strokeWidth="3" smart="true"/>
  <TextArea name="transcription" toName="image" editable="true" perRegion="true" required="true"
            maxSubmissions="1" rows="5" placeholder="Recognized Text" displayMode="region-list"/>
</View>"""

#: Pages of package descriptions, and pixels of their height at most.
PAGES, HEIGHT = 22, 400
#: The lines of scikit-image's photograph of a printed page.
PHOTOGRAPHED = [
    "Region-based segmentation",
    "Let us first determine markers of the coins and the",
    "background. These markers are pixels that we can label",
    "unambiguously as either object or background. Here,",
    "the markers are found at the two extreme parts of the",
    "histogram of grey values:",
    ">>> markers = np.zeros_like(coins)",
]


@pytest.mark.gallery
@pytest.mark.timeout(1800)
def test_reads_pages(
    label_studio: Studio,
    browser: Browser,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    pages = package_pages(browser.new_page(), tmp_path, PAGES, HEIGHT)
    broken = tmp_path / "broken.png"
    broken.write_text("This is no picture.")
    project = label_studio.create_project("Documents", CONFIG)
    *tasks, photograph, bad = label_studio.upload_files(
        project, [*(item.path for item in pages), _photograph(), broken]
    )

    ocr = journey("ocr", project, venv="documents")
    ocr.init()
    assert ocr.chosen() == "ocr"
    ocr.start()
    ocr.connect("--interactive", "--no-prelabel")

    label_studio.retrieve_predictions(project, [bad, photograph])
    assert [item["task"] for item in label_studio.predictions(project)] == [photograph]
    started = time.monotonic()
    predictions: dict[int, Json] = {}
    for at in range(0, PAGES, 4):
        predictions |= ocr.predict(tasks[at : at + 4])
    rate = PAGES / (time.monotonic() - started)

    read = {task: _lines(predictions[task]) for task in tasks}
    scores = [character_errors(item.lines, read[task]) for task, item in zip(tasks, pages, strict=True)]
    errors = sum(wrong for wrong, _ in scores) / sum(length for _, length in scores)
    found = sum(found_lines(item.lines, read[task]) for task, item in zip(tasks, pages, strict=True))
    recall = found / sum(len(item.lines) for item in pages)
    texts = [text for text, _ in _lines(ocr.predict([photograph])[photograph])]
    print(f"character error rate {errors:.4f}, box recall {recall:.3f}, {rate:.2f} tasks a second; {texts}")
    assert errors <= 0.04
    assert recall >= 0.85
    assert sum(line in PHOTOGRAPHED for line in texts) >= 4
    record(
        "ocr",
        after=round(1 - errors, 4),
        labelled=0,
        measured_on=PAGES,
        measure=f"1 - character error rate; box recall at IoU 0.5 is {recall:.2f}",
        tasks_per_second=round(rate, 2),
    )

    for task in tasks[:20]:
        page.open_task(project, task, predictions[task]["id"])
        page.shows(_TEXTS, [text for text, _ in read[task]])
        assert [region["labels"] for region in page.regions()] == [["Text"]] * len(read[task])
    keep_picture(page.page, "ocr")


@pytest.mark.gallery
def test_reads_a_box_that_a_person_draws(
    label_studio: Studio,
    browser: Browser,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    (item,) = package_pages(browser.new_page(), tmp_path, 1, HEIGHT)
    project = label_studio.create_project("Drawn boxes", CONFIG)
    (task,) = label_studio.upload_files(project, [item.path])
    ocr = journey("ocr", project, venv="documents")
    ocr.init()
    ocr.start()
    ocr.connect("--interactive", "--no-prelabel")

    text, box = item.lines[0]
    _draw(page, project, task, box)
    try:
        wait_until(lambda: len(page.evaluate(_DRAWN)) == 3, "box, label and text are in the editor")
        assert page.evaluate(_DRAWN) == [None, ["Text"], [text]]
    finally:
        keep_picture(page.page, "ocr-drawn")


@pytest.mark.gallery
def test_label_configs_and_settings(browser: Browser, tmp_path: Path) -> None:
    (item,) = package_pages(browser.new_page(), tmp_path, 1, HEIGHT)
    text, (left, top, right, bottom) = item.lines[0]
    line = tmp_path / "line.png"
    Image.open(item.path).crop((int(left) - 20, int(top) - 8, int(right) + 20, int(bottom) + 8)).save(line)
    model = model_named("ocr").folder
    venv = environment("documents")
    requirements = ["-m", "pip", "install", "--quiet", "-r", str(model / "requirements.txt")]
    subprocess.run([venv / "bin" / "python", *requirements], check=True)
    cases = [venv / "bin" / "python", Path(__file__).with_name("ocr_cases.py"), model, line]
    printed = subprocess.run(cases, check=True, capture_output=True, text=True).stdout
    predictions = {name: case[0]["result"] for name, case in json.loads(printed).items()}

    texts = {
        name: [_text(part) for part in case if "text" in part["value"]] for name, case in predictions.items()
    }
    assert texts == {
        **{name: [text] for name in predictions},
        "no text": [],
        "pages": [text, text],
        "drawn without text": [""],
    }
    assert predictions["labels"][0]["value"]["rectanglelabels"] == ["Print"]
    assert predictions["label setting"][0]["value"]["rectanglelabels"] == ["Handwriting"]
    assert predictions["turned box"][0]["value"]["rotation"] == pytest.approx(12, abs=1)
    assert predictions["polygon"][0]["type"] == "polygonlabels"
    assert [part["item_index"] for part in predictions["pages"]] == [0, 0, 1, 1]
    assert [part["id"] for part in predictions["drawn"]] == ["drawn", "drawn"]


#: The texts of the regions in the editor.
_TEXTS = """() => window.Htx.annotationStore.selected.serializeAnnotation()
    .filter((item) => item.type === 'textarea').map((item) => item.value.text.join('|'))"""

#: What the editor says of the box that was drawn, beside the regions of the prediction: box, label and text.
_DRAWN = """() => window.Htx.annotationStore.selected.serializeAnnotation()
    .filter((item) => item.origin === 'manual').map(({value}) => value.labels ?? value.text ?? null)"""


def _photograph() -> Path:
    """Return scikit-image's photograph of a page of a book; the package is installed without what it needs."""
    venv = environment("documents")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "scikit-image"]
    subprocess.run([venv / "bin" / "python", *install], check=True)
    (picture,) = venv.glob("lib/python*/site-packages/skimage/data/page.png")
    return picture


def _text(item: Json) -> str:
    """Return the text of a region of a `<TextArea>`."""
    (text,) = item["value"]["text"]
    return str(text)


def _lines(prediction: Json) -> list[Line]:
    """Return the texts and boxes of a prediction's lines, in its order."""
    return [(_text(item), _box(item)) for item in prediction["result"] if item["type"] == "textarea"]


def _box(item: Json) -> Box:
    """Return the upright box around a region in pixels."""
    xs, ys = zip(*regions.box_of(item).corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _draw(page: Labelling, project: int, task: int, box: Box) -> None:
    """Draw around a box of the picture with the smart tool, and wait for the model's answer."""
    browser_page = page.page
    browser_page.goto(f"{page.studio.url}/projects/{project}/data?task={task}")
    for toggle in ("bottombar-auto-annotation-toggle", "bottombar-auto-accept-toggle"):
        browser_page.locator("label", has=browser_page.get_by_test_id(toggle)).first.click()
    browser_page.locator(".lsf-tool_smart").first.click()
    browser_page.locator(".lsf-tool_smart[aria-label=rectangle-tool]").first.click()
    browser_page.keyboard.press("1")
    left, top, width, _, _, _ = page.image_place()
    scale = width / WIDTH
    browser_page.mouse.move(left + (box[0] - 6) * scale, top + (box[1] - 3) * scale)
    browser_page.mouse.down()
    browser_page.mouse.move(left + (box[0] + 60) * scale, top + (box[1] + 8) * scale, steps=4)
    browser_page.mouse.move(left + (box[2] + 6) * scale, top + (box[3] + 3) * scale, steps=6)
    with browser_page.expect_response(lambda answer: "interactive-annotating" in answer.url) as answer:
        browser_page.mouse.up()
    assert answer.value.ok, answer.value.text()
