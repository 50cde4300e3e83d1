"""The gallery's layout model finds titles, texts and tables on pages whose blocks the browser has placed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml import regions

from ..browser import Browser
from ..regions_facts.labelling import Labelling
from ..studio import Json, Studio
from .conftest import MakeJourney
from .document_pages import Page, package_pages
from .journey import record
from .layout_scores import Labelled, found_blocks, right_boxes

#: A project's own names: "Heading" for titles, "Caption" for two labels of the network, no label for references.
CONFIG = """<View><Image name="page" value="$page"/>
<RectangleLabels name="block" toName="page">
  <Label value="Heading" background="red"/><Label value="Body" predicted_values="text" background="blue"/>
  <Label value="Table" background="green"/><Label value="Figure"/><Label value="Caption"/>
</RectangleLabels></View>"""

#: The label of each kind of block in HTML.
LABELS = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "Heading"),
    **dict.fromkeys(("p", "ul", "ol", "pre", "blockquote"), "Body"),
    "table": "Table",
}
PAGES = 24


@pytest.mark.gallery
@pytest.mark.timeout(1800)
def test_finds_blocks_of_pages(
    label_studio: Studio,
    browser: Browser,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    pages = package_pages(browser.new_page(), tmp_path, PAGES)
    broken = tmp_path / "broken.png"
    broken.write_text("This is no picture.")
    project = label_studio.create_project("Pages", CONFIG)
    *tasks, bad = label_studio.upload_files(project, [*(item.path for item in pages), broken])

    layout = journey("document-layout", project, venv="documents")
    layout.init()
    assert layout.chosen() == "document-layout"
    layout.start()
    layout.connect("--no-prelabel")

    label_studio.retrieve_predictions(project, [bad, tasks[0]])
    assert [item["task"] for item in label_studio.predictions(project)] == [tasks[0]]
    started = time.monotonic()
    predictions: dict[int, Json] = {}
    for at in range(0, PAGES, 8):
        predictions |= layout.predict(tasks[at : at + 8])
    rate = PAGES / (time.monotonic() - started)

    boxes = {task: _boxes(predictions[task]) for task in tasks}
    recall, precision = _scores(pages, [boxes[task] for task in tasks])
    print(f"recall {recall}, precision {precision}, {rate:.2f} tasks a second")
    assert recall["Heading"] >= 0.8
    assert precision["Heading"] >= 0.9
    assert recall["Body"] >= 0.65
    assert precision["Body"] >= 0.85
    record(
        "document-layout",
        after=round(recall["Heading"], 3),
        labelled=0,
        measured_on=PAGES,
        measure=f"recall of headings; their precision is {precision['Heading']:.2f}, "
        f"recall of texts {recall['Body']:.2f}, their precision {precision['Body']:.2f}",
        tasks_per_second=round(rate, 2),
    )

    for task in tasks[:20]:
        page.open_task(project, task, predictions[task]["id"])
        shown = [region["labels"] for region in page.regions()]
        assert shown == [[label] for label, _ in boxes[task]]
    keep_picture(page.page, "document-layout")


def _boxes(prediction: Json) -> list[Labelled]:
    """Return the labels and boxes of a prediction, in its order."""
    return [(item["value"]["rectanglelabels"][0], regions.box_of(item).xyxy) for item in prediction["result"]]


def _scores(pages: list[Page], boxes: list[list[Labelled]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return recall and precision by label, over all pages."""
    recall, precision = {}, {}
    for label in dict.fromkeys(LABELS.values()):
        found = right = count = predicted = 0
        for item, every in zip(pages, boxes, strict=True):
            blocks = [(name, box) for tag, box in item.blocks if (name := LABELS.get(tag)) == label]
            own = [(name, box) for name, box in every if name == label]
            found, right = found + found_blocks(blocks, own), right + right_boxes(blocks, own)
            count, predicted = count + len(blocks), predicted + len(own)
        recall[label], precision[label] = found / count, right / max(predicted, 1)
    return recall, precision
