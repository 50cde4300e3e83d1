"""Drawings of pictures: prompts, masks of large pictures, damaged values, pages of PDF files, narrow screens."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.converter.brush import encode_rle
from playwright.sync_api import expect

from label_studio_ml import regions
from label_studio_ml.controls import Controls

from ..browser import Browser
from ..processes import wait_until
from ..regions_facts.labelling import png, region, white
from ..regions_facts.round_trip import assert_drawn
from ..studio import Json
from .drawing_page import DrawingPage, tags_of
from .page_layout import wait_until_fits

SIZE = (400, 200)
CONFIG = """<View><Image name="data" value="$image"/>
    <RectangleLabels name="label" toName="data">
        <Label value="A" background="#ff0000"/><Label value="B"/></RectangleLabels>
    <KeyPointLabels name="click" toName="data" smart="true"><Label value="A"/><Label value="B"/></KeyPointLabels>
    <RectangleLabels name="drag" toName="data" smart="true"><Label value="A"/></RectangleLabels>
    <BrushLabels name="mask" toName="data"><Label value="A" background="#0000ff"/></BrushLabels>
    <EllipseLabels name="round" toName="data"><Label value="A"/></EllipseLabels>
    <TextArea name="text" toName="data" perRegion="true"/></View>"""
BOX: Json = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}


@pytest.fixture
def page(browser: Browser) -> Iterator[DrawingPage]:
    """A page of its own for a test."""
    made = DrawingPage(browser.new_page())
    yield made
    made.page.context.close()


def draw(page: DrawingPage, result: list[Any], config: str = CONFIG, **props: Any) -> None:
    given = {"data": "picture.png", "file": white(*SIZE), "title": "prediction", **props}
    page.draw("image.js", "ImageDrawing", **tags_of(config), regions=result, **given)


def box(name: str, label: str = "A", **more: Any) -> Json:
    return region(name, "rectanglelabels", {**BOX, "rectanglelabels": [label], **more})


def test_a_click_a_drag_and_numbers_become_prompts(page: DrawingPage, browser: Browser) -> None:
    draw(page, [box("r")], prompts=True)
    place = page.page.locator(".picture-shapes").bounding_box()
    page.page.mouse.click(place["x"] + 0.25 * place["width"], place["y"] + 0.5 * place["height"])
    page.page.get_by_label("Meaning").select_option("outside")
    page.page.get_by_label("From left (%)").fill("75")
    page.page.get_by_role("button", name="Ask with this point").press("Enter")
    page.page.get_by_label("Tool").select_option("drag")
    place = page.page.locator(".picture-shapes").bounding_box()  # the tool's own fields move the picture
    page.page.mouse.move(place["x"] + 0.9 * place["width"], place["y"] + 0.8 * place["height"])
    page.page.mouse.down()
    page.page.mouse.move(place["x"] + 0.4 * place["width"], place["y"] + 0.2 * place["height"], steps=4)
    browser.keep(page.page, "drawing-prompt")
    page.page.mouse.up()
    click, typed, drag = page.page.evaluate("() => window.prompts")
    assert click == {
        "id": click["id"],
        "type": "keypointlabels",
        "from_name": "click",
        "to_name": "data",
        "original_width": 400,
        "original_height": 200,
        "image_rotation": 0,
        "origin": "manual",
        "is_positive": True,
        "value": {
            "x": pytest.approx(25, abs=0.3),
            "y": pytest.approx(50, abs=0.6),
            "width": 0.5,
            "keypointlabels": ["A"],
            "labels": ["A"],
        },
    }
    assert (typed["value"]["x"], typed["value"]["y"], typed["is_positive"]) == (75, 50, False)
    assert regions.box_of(drag).xyxy == pytest.approx((160, 40, 360, 160), abs=1.5)
    assert (drag["type"], drag["from_name"], drag["value"]["rectanglelabels"]) == (
        "rectanglelabels",
        "drag",
        ["A"],
    )
    assert page.errors == []


def alphas(height: int, width: int) -> Any:
    """Return a mask with soft rims, noise, and long runs."""
    generator = np.random.default_rng(3)
    made = np.zeros((height, width), np.uint8)
    made[height // 4 : height // 2, width // 3 : width // 2] = 255
    made[0, :40] = generator.integers(0, 256, 40)
    made[-3:, -50:] = generator.integers(0, 3, (3, 50)) * 100
    return made


DECODED = """async ([rle, pixels]) => {
    const { decodeBrush } = await import('/dashboard/static/drawings/pictures/brush.js');
    const found = new Uint8Array(pixels);
    await decodeBrush(rle, pixels, (first, end, alpha) => found.fill(alpha, first, end), () => null);
    return Array.from(found) }"""


def test_masks_are_decoded_pixel_by_pixel(page: DrawingPage) -> None:
    mask = alphas(60, 90)
    code = [int(byte) for byte in encode_rle(list(np.repeat(mask.reshape(-1), 4)))]
    assert page.page.evaluate(DECODED, [code, mask.size]) == mask.reshape(-1).tolist()


def test_masks_of_large_pictures_leave_the_page_usable(page: DrawingPage, browser: Browser) -> None:
    controls = Controls(CONFIG)
    masks = []
    for column in range(4):
        mask = np.zeros((3000, 4000), bool)
        mask[500:2500, column * 1000 : column * 1000 + 600].reshape(2000, -1, 20)[..., :5] = True
        masks.append(regions.mask(controls["mask"], mask, label="A"))
    page.page.evaluate(
        """() => { window.longest = 0; let last = performance.now();
            const tick = () => { const now = performance.now();
                window.longest = Math.max(window.longest, now - last); last = now; setTimeout(tick, 0) };
            tick() }"""
    )
    page.files["/large.png"] = ("image/png", large_picture())
    draw(page, masks, file="/large.png")
    page.page.wait_for_function("() => document.querySelector('.picture-masks')?.dataset.painted === 'yes'")
    page.settle()
    covered = page.page.evaluate(
        """() => { const canvas = document.querySelector('.picture-masks');
            const context = canvas.getContext('2d');
            const at = (x, y) => context.getImageData(x, y, 1, 1).data[3] > 0;
            return [canvas.width, canvas.height,
                at(0, 500), at(5, 500), at(0, 499), at(3580, 2499), at(3605, 2499)] }"""
    )
    assert covered == [4000, 3000, True, False, False, True, False]
    # No step keeps the page busy for long; how long depends on the machine, so only a freeze fails.
    assert page.page.evaluate("() => window.longest") < 5000
    browser.keep(page.page, "drawing-large-masks")


def large_picture() -> bytes:
    """Return a white picture of 12 million pixels as a PNG file."""
    return base64.b64decode(white(4000, 3000).partition(",")[2])


BROKEN: dict[str, Json] = {
    "text as a number": {**BOX, "x": "10"},
    "null": {**BOX, "width": None},
    "absurd": {**BOX, "x": -1e300, "width": 1e308, "rotation": 1e9},
    "negative radius": {"x": 1, "y": 2, "radiusX": -3, "radiusY": 1},
    "no width": {"x": 1, "y": 2},
    "points": {"points": [[1, 2], ["3", 4]]},
    "vertices": {"vertices": [[1, 2]]},
    "short code": {"format": "rle", "rle": [0, 4, 226, 0, 57]},
    "no code": {"format": "rle", "rle": ["a"]},
    "no picture": {"imageDataURL": "http://elsewhere.test/mask.png"},
    "damaged picture": {"imageDataURL": "data:image/png;base64,AAAA"},
    "huge picture": {"imageDataURL": png(np.zeros((1, 1, 4)), "RGBA").replace("AAAAAQAAAAE", "AAD//wAA//8")},
}


def test_damaged_values_change_nothing_but_themselves(page: DrawingPage, browser: Browser) -> None:
    hostile = ["<img src=x onerror=alert(1)>", "\u202e\x00\x1b[31m", "ش" * 80, "w" * 100_000]
    result: list[Any] = [
        region(name, "rectanglelabels", {**value, "rectanglelabels": ["A"]}) for name, value in BROKEN.items()
    ]
    result += [box(f"r{at}", label, x=10 + at, y=20 * at) for at, label in enumerate(hostile)]
    result += [None, 5, {"id": "n"}, {"id": "v", "value": None}, region("e", "choices", {"choices": ["c"]})]
    draw(page, [*result, box("r"), {**box("x"), "item_index": 7}])
    page.page.get_by_text("pictures that the task does not have").wait_for()
    expect(page.page.locator(".drawing-region")).to_have_count(len(BROKEN) + len(hostile) + 1)
    # The absurd box is drawn, and those that are whole.
    expect(page.page.locator(".picture-shape")).to_have_count(1 + len(hostile) + 1)
    expect(page.page.locator(".drawing-problem")).to_have_count(len(BROKEN) - 1)
    wait_until_fits(page.page)
    browser.keep(page.page, "drawing-damaged")
    assert page.errors == []


def test_texts_relations_and_the_highlight(page: DrawingPage, browser: Browser) -> None:
    result = [
        box("a"),
        region("a", "textarea", {"text": ["Total: 12.50"]}, "text"),
        box("b", "B", x=60, y=50, score=0.5),
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "bi", "labels": ["belongs to"]},
    ]
    draw(page, result)
    expect(page.page.locator(".picture-caption")).to_have_text(["belongs to", "A: Total: 12.50", "B"])
    entry = page.page.locator(".drawing-region").first
    entry.focus()
    highlighted = page.page.locator(".picture-shape.is-active")
    expect(highlighted).to_have_count(1)
    expect(page.page.locator(".picture-shapes")).to_contain_text("Total: 12.50")
    expect(page.page.locator(".picture-relations")).to_have_text("A (1) ↔ B (2): belongs to")
    browser.keep(page.page, "drawing-relation")
    assert page.errors == []


#: The middle of the first shape as shares of the picture's width and height.
MIDDLE = """() => {
    const shape = document.querySelector('.picture-shape path').getBoundingClientRect();
    const stage = document.querySelector('.picture-stage').getBoundingClientRect();
    return [(shape.x + shape.width / 2 - stage.x) / stage.width,
            (shape.y + shape.height / 2 - stage.y) / stage.height] }"""


def test_boxes_on_pages_of_a_pdf_file(page: DrawingPage, browser: Browser) -> None:
    config = """<View><Pdf name="data" value="$pdf"/>
        <OcrLabels name="label" toName="data"><Label value="A" background="#ff0000"/></OcrLabels></View>"""
    first = regions.page_box(
        Controls(config)["label"], page=0, xyxy=(60, 80, 300, 120), size=(595, 842), label="A", text="Invoice"
    )
    second = regions.page_box(
        Controls(config)["label"], page=2, xyxy=(60, 80, 300, 120), size=(595, 842), label="A", text="Sum"
    )
    draw(page, [first, second], config, data="a.pdf", file="dashboard/api/file?task=1")
    expect(page.page.get_by_text("Page 1 of 3")).to_have_count(1)
    wait_until(
        lambda: page.page.evaluate(MIDDLE) == pytest.approx([180 / 595, 100 / 842], abs=0.003),
        "the box is where the page has it",
    )
    browser.keep(page.page, "drawing-pdf")
    assert page.errors == []


#: Pairs of parts of the page that lie over each other.
OVERLAPPING = """() => {
    const names = ['.picture-tools button', '.picture-tools label', '.picture-frame', '.picture-prompt',
        '.picture-prompt button', '.picture-prompt select', '.drawing-legend', '.drawing-regions'];
    const parts = [...document.querySelectorAll(names.join(','))];
    const isOver = (one, two) => one.left < two.right - 1 && two.left < one.right - 1 &&
        one.top < two.bottom - 1 && two.top < one.bottom - 1;
    return parts.flatMap((part) => parts
        .filter((other) => !part.contains(other) && !other.contains(part))
        .filter((other) => isOver(part.getBoundingClientRect(), other.getBoundingClientRect()))
        .map((other) => [part.outerHTML.slice(0, 60), other.outerHTML.slice(0, 60)])) }"""


def test_a_narrow_screen_and_a_larger_picture(browser: Browser) -> None:
    page = DrawingPage(browser.new_page(viewport={"width": 320, "height": 640}))
    draw(page, [box("r"), box("long", "L" * 80, x=50)], prompts=True)
    assert_drawn(lambda: page.page.evaluate(OVERLAPPING), [])
    wait_until_fits(page.page)
    before = page.page.locator(".picture-stage").bounding_box()["width"]
    page.page.get_by_role("button", name="Larger").click()
    page.page.wait_for_function(
        f"() => document.querySelector('.picture-stage').getBoundingClientRect().width > {before} * 1.4"
    )
    wait_until_fits(page.page)
    browser.keep(page.page, "drawing-narrow")
    assert page.errors == []
    page.page.context.close()
