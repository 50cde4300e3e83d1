"""The gallery's segmentation model answers clicks and boxes on Label Studio's page, and pre-labels pictures."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from label_studio_ml import regions

from ..processes import wait_until
from ..regions_facts.labelling import SELECTED, Labelling
from ..studio import Json, Studio
from .conftest import MakeJourney
from .environments import install_settings
from .journey import Journey, record

CONTROLS = """<KeyPointLabels name="click" toName="image" smart="true" smartOnly="true">
<Label value="Coin" background="#ff0000"/><Label value="Other" background="#0000ff"/></KeyPointLabels>
<RectangleLabels name="box" toName="image" smart="true" smartOnly="true">
<Label value="Coin" background="#ff0000"/><Label value="Other" background="#0000ff"/></RectangleLabels>"""
LABELS = '<Label value="Coin" background="#ff0000"/><Label value="Other" background="#0000ff"/>'
MASKS = f"""<View><Image name="image" value="$image"/>
<BrushLabels name="shape" toName="image">{LABELS}</BrushLabels>{CONTROLS}</View>"""
POLYGONS = MASKS.replace("BrushLabels", "PolygonLabels")

#: The name of the selected tool.
TOOL = """() => SELECTED.objects.find((tag) => tag.type === 'image').getToolsManager().findSelectedTool()?.fullName"""

#: Run in the model's environment: writes pictures of scikit-image and scikit-learn, and the areas of the coins.
#: The areas are those of scikit-image's own tutorial: a watershed of the edges from markers by brightness.
PICTURES = """
import sys
from pathlib import Path
import numpy as np
from scipy import ndimage
from skimage import data, filters, io, segmentation
folder = Path(sys.argv[1])
names = ("astronaut camera cell chelsea clock_motion coffee color horse hubble_deep_field ihc logo microaneurysms moon "
         "motorcycle_left motorcycle_right page phantom retina rocket text coins").split()
for name in names:
    (path,) = Path(data.__file__).parent.glob(f"{name}.*g")
    (folder / path.name).write_bytes(path.read_bytes())
coins = data.coins()
markers = np.where(coins > 150, 2, np.where(coins < 30, 1, 0))
areas = ndimage.binary_fill_holes(segmentation.watershed(filters.sobel(coins), markers) - 1)
numbers, count = ndimage.label(areas)
sizes = ndimage.sum(areas, numbers, range(1, count + 1))
np.save(folder / "coins.npy", np.stack([numbers == at + 1 for at in range(count) if sizes[at] > 200]))
"""

#: Run in the model's environment: two networks with the inputs and outputs of SAM's ONNX export, but no SAM. The
#: embedding is the picture; the mask is the diamond of 20 pixels of the encoder's picture around the first prompt.
STAND_IN = """
import sys
import onnx
encoder = '''<ir_version: 8, opset_import: ["" : 17]>
encoder (float[1, 3, 64, 64] image) => (float[1, 3, 64, 64] image_embeddings) { image_embeddings = Identity(image) }'''
decoder = '''<ir_version: 8, opset_import: ["" : 17]>
decoder (float[1, 3, 64, 64] image_embeddings, float[1, N, 2] point_coords, float[1, N] point_labels,
         float[1, 1, 256, 256] mask_input, float[1] has_mask_input, float[2] orig_im_size)
    => (float[1, 1, H, W] masks, float[1, 1] iou_predictions, float[1, 1, 256, 256] low_res_masks)
<int64[1] first = {0}, int64[1] second = {1}, int64[1] end = {2}, int64[1] axis = {0}, int64[1] column = {-1},
 int64[2] square = {1, 1}, float side = {64}, float reach = {20}, float start = {0}, float step = {1},
 int64[1] rows = {1}, int64 zero = {0}, int64 one = {1}>
{
    height = Gather <axis = 0> (orig_im_size, zero)
    width = Gather <axis = 0> (orig_im_size, one)
    longest = Max(height, width)
    scale = Div(longest, side)
    point = Slice(point_coords, first, second, rows)
    at = Mul(point, scale)
    x = Slice(at, first, second, end)
    y = Slice(at, second, end, end)
    across = Range(start, width, step)
    down = Range(start, height, step)
    down_column = Unsqueeze(down, column)
    x_flat = Reshape(x, square)
    y_flat = Reshape(y, square)
    dx = Sub(across, x_flat)
    dy = Sub(down_column, y_flat)
    ax = Abs(dx)
    ay = Abs(dy)
    distance = Add(ax, ay)
    radius = Mul(reach, scale)
    logits = Sub(radius, distance)
    batch = Unsqueeze(logits, axis)
    masks = Unsqueeze(batch, axis)
    brightness = ReduceMean <keepdims = 0> (image_embeddings)
    share = Sigmoid(brightness)
    iou_predictions = Reshape(share, square)
    low_res_masks = Identity(mask_input)
}'''
for name, text in (("encoder", encoder), ("decoder", decoder)):
    model = onnx.parser.parse_model(text)
    onnx.checker.check_model(model)
    onnx.save(model, f"{sys.argv[1]}/{name}.onnx")
"""


def prepare(journey: Journey, folder: Path, script: str, *packages: str) -> None:
    """Run a script in the model's environment, after an installation of what only the test needs there."""
    python = journey.venv / "bin" / "python"
    install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", *packages]
    subprocess.run(install, check=True, env=install_settings(journey.venv) | {"PATH": "/usr/bin:/bin"})
    subprocess.run([python, "-c", script, folder], check=True)


class ClickPage:
    """The labelling page of a task with Auto-Annotation on, and Auto-Accept Suggestions if `accept` is."""

    def __init__(self, page: Labelling, project: int, task: int, *, accept: bool = True) -> None:
        self.page = page
        page.project, page.task = project, task
        page.page.goto(f"{page.studio.url}/projects/{project}/data?task={task}")
        page.page.wait_for_function(f"() => {SELECTED}?.type === 'annotation' && {SELECTED}.userGenerate")
        page.image_place()
        switches = {"bottombar-auto-annotation-toggle": True, "bottombar-auto-accept-toggle": accept}
        for name, wanted in switches.items():
            toggle = page.page.get_by_test_id(name)
            if toggle.is_checked() != wanted:
                expect(toggle).to_be_visible()  # the page may draw it anew after the other one
                toggle.click(force=True)
                # The page may show the new state only later; `set_checked` looks once, at once.
                expect(toggle).to_be_checked(checked=wanted)

    def choose(self, control: str, label: str) -> None:
        """Unselect, press "Auto-Detect" until the toolbar has the control's smart tool, then a label of the control."""
        self.page.page.keyboard.press("Escape")
        for _ in range(6):
            if (
                self.page.evaluate(TOOL)
                == {"click": "KeyPointTool-dynamic", "box": "RectangleTool-dynamic"}[control]
            ):
                break
            self.page.page.locator(".lsf-toolbar .lsf-tool_smart").first.click()
        self.choose_label(control, label)

    def choose_label(self, control: str, label: str) -> None:
        """Select a label of the control, unless it is selected."""
        labels = self.page.page.locator(".lsf-labels").nth({"click": 1, "box": 2}[control])
        if not labels.locator(".lsf-label_selected", has_text=label).count():
            labels.get_by_text(label).click()

    def at(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        """Return the place on the screen of a pixel of the picture."""
        left, top, width, height, *_ = self.page.image_place()
        return left + (x + 0.5) / size[0] * width, top + (y + 0.5) / size[1] * height

    def ask(
        self, x: float, y: float, size: tuple[int, int], *, inside: bool = True
    ) -> tuple[list[bool], Json]:
        """Click on a pixel of the picture, with Alt held down if it is not `inside` the object.

        Return whether each of the clicks that the page sent is inside, and the shape that the model answered.
        """
        page = self.page.page
        with page.expect_response(lambda answer: "interactive-annotating" in answer.url) as answered:
            if not inside:
                page.keyboard.down("Alt")
            page.mouse.click(*self.at(x, y, size))
            if not inside:
                page.keyboard.up("Alt")
        sent = answered.value.request.post_data_json["context"]["result"]
        (shape,) = answered.value.json()["data"]["result"]
        return [region["is_positive"] for region in sent], shape

    def shapes(self) -> list[Json]:
        """Return the masks and polygons of the annotation, as it would be submitted."""
        found = self.page.evaluate("() => SELECTED.serializeAnnotation()")
        return [region for region in found if region["from_name"] == "shape"]

    def wait_for(self, count: int) -> Json:
        """Wait until there are so many shapes; return the newest."""
        wait_until(lambda: len(self.shapes()) == count, f"{count} shapes on the page")
        return self.shapes()[-1]


def overlap(found: Any, truth: Any) -> float:
    """Return the intersection over the union of two masks."""
    return float((found & truth).sum() / (found | truth).sum())


def middle(truth: Any) -> tuple[int, int]:
    """Return x and y of the middle of a mask."""
    y, x = np.nonzero(truth)
    return round(x.mean()), round(y.mean())


@pytest.mark.gallery
def test_clicks_on_coins(
    label_studio: Studio,
    journey: MakeJourney,
    page: Labelling,
    keep_picture: Callable[[Any, str], None],
    tmp_path: Path,
) -> None:
    project = label_studio.create_project("Coins", MASKS)
    segmentation = journey("segmentation", project)
    folder = tmp_path / "pictures"
    folder.mkdir()
    prepare(segmentation, folder, PICTURES, "scikit-image")
    truths = np.load(folder / "coins.npy")
    size = truths.shape[:0:-1]
    files = sorted(path for path in folder.iterdir() if path.suffix != ".npy")
    tasks = dict(zip([path.stem for path in files], label_studio.upload_files(project, files), strict=True))
    segmentation.init()
    assert segmentation.chosen() == "segmentation"
    segmentation.start()
    segmentation.connect("--no-prelabel", "--interactive")
    assert segmentation.backend is not None

    clicks = ClickPage(page, project, tasks["coins"])
    overlaps, seconds = _click_on_each(clicks, truths[:12])
    _draw_a_box_around(clicks, truths[-1], 13)
    drawn = page.drawn()
    share = 100 * truths[:12].any(axis=0).mean()
    assert drawn is not None
    assert min(overlaps) > 0.8
    assert drawn["area"] == pytest.approx(share, abs=1)
    keep_picture(page.page, "segmentation")
    record(
        "segmentation",
        after=sum(overlaps) / len(overlaps),
        labelled=0,
        measured_on=len(overlaps),
        measure="IoU with a watershed of the coins, one click each",
        first_click_s=round(seconds[0], 2),
        next_clicks_s=round(float(np.median(seconds[1:])), 2),
        red_area_percent=drawn["area"],
        coins_area_percent=share,
    )

    del tasks["coins"]
    _predict_salient_objects(segmentation, page, project, tasks)

    polygons = label_studio.create_project("Coins as polygons", POLYGONS)
    (task,) = label_studio.upload_files(polygons, [folder / "coins.png"])
    label_studio.add_backend(polygons, segmentation.backend.url, is_interactive=True)
    clicks = ClickPage(page, polygons, task)
    clicks.choose("click", "Coin")
    page.page.mouse.click(*clicks.at(*middle(truths[4]), size))
    region = clicks.wait_for(1)
    assert region["value"]["polygonlabels"] == ["Coin"]
    assert overlap(regions.mask_of(region), truths[4]) > 0.9


def _click_on_each(clicks: ClickPage, truths: Any) -> tuple[list[float], list[float]]:
    """Click into each coin; return the overlap of each answer with the coin, and the seconds that it took."""
    overlaps, seconds = [], []
    clicks.choose("click", "Coin")
    for count, truth in enumerate(truths, 1):
        clicks.choose("click", "Coin")
        begin = time.monotonic()
        clicks.page.page.mouse.click(*clicks.at(*middle(truth), truth.shape[::-1]))
        region = clicks.wait_for(count)
        seconds.append(time.monotonic() - begin)
        assert region["value"]["brushlabels"] == ["Coin"]
        overlaps.append(overlap(regions.mask_of(region), truth))
    return overlaps, seconds


def _draw_a_box_around(clicks: ClickPage, truth: Any, count: int) -> None:
    """Draw a box around a coin, which becomes region number `count`."""
    clicks.choose("box", "Other")
    size, mouse = truth.shape[::-1], clicks.page.page.mouse
    y, x = np.nonzero(truth)
    mouse.move(*clicks.at(x.min() - 3, y.min() - 3, size))
    mouse.down()
    mouse.move(*clicks.at(x.max() + 3, y.max() + 3, size), steps=5)
    mouse.up()
    region = clicks.wait_for(count)
    assert region["value"]["brushlabels"] == ["Other"]
    assert overlap(regions.mask_of(region), truth) > 0.9


def _predict_salient_objects(
    segmentation: Journey, page: Labelling, project: int, tasks: dict[str, int]
) -> None:
    """Predict the pictures without prompts: most have an object, which the page shows."""
    assert segmentation.backend is not None
    body = {"project": project, "url": segmentation.backend.url, "extra_params": {"salient_label": "Other"}}
    segmentation.studio.call("PATCH", f"/api/ml/{segmentation.backend_id}", json=body)
    begin = time.monotonic()
    predictions = segmentation.predict(list(tasks.values()))
    record("segmentation", tasks_per_second=round(len(tasks) / (time.monotonic() - begin), 2))
    with_object = [task for task in tasks.values() if predictions[task]["result"]]
    assert len(with_object) >= 15
    assert {tasks[name] for name in ("astronaut", "chelsea", "coffee", "rocket")} <= set(with_object)
    for task in tasks.values():
        page.open_task(project, task, predictions[task]["id"])
        assert [region["labels"] for region in page.regions()] == [["Other"]] * (task in with_object)


@pytest.mark.gallery
def test_a_click_outside_and_the_next_picture(
    label_studio: Studio, journey: MakeJourney, page: Labelling, tmp_path: Path
) -> None:
    """Alt and a click take away what the first click had too much; meanwhile the next picture is prepared."""
    project = label_studio.create_project("Suits", MASKS)
    segmentation = journey("segmentation", project)
    prepare(segmentation, tmp_path, PICTURES, "scikit-image")
    first, _ = label_studio.upload_files(
        project, [tmp_path / f"{name}.png" for name in ("astronaut", "coffee")]
    )
    segmentation.init()
    segmentation.start({"PREWARM": "1"})
    segmentation.connect("--no-prelabel", "--interactive")
    computed = segmentation.folder / "data" / "once"

    clicks = ClickPage(page, project, first, accept=False)
    clicks.choose("click", "Coin")
    face, size = (220, 120), (512, 512)
    sent, shape = clicks.ask(*face, size)
    assert sent == [True]
    whole = regions.mask_of(shape)
    assert whole[face[::-1]]
    of_first = {path for path in computed.rglob("*") if path.is_file()}
    wait_until(
        lambda: {path for path in computed.rglob("*") if path.is_file()} - of_first,
        "the next picture is prepared",
    )
    y, x = np.nonzero(whole)
    farthest = int(np.argmax((x - face[0]) ** 2 + (y - face[1]) ** 2))
    clicks.choose_label("click", "Coin")
    sent, shape = clicks.ask(x[farthest], y[farthest], size, inside=False)
    assert sent == [True, False]
    rest = regions.mask_of(shape)
    assert rest[face[::-1]]
    assert not rest[y[farthest], x[farthest]]


@pytest.mark.gallery
def test_a_sam_of_two_files(label_studio: Studio, journey: MakeJourney, tmp_path: Path) -> None:
    """Stand-ins with SAM's inputs and outputs: prompts have the encoder's scale, masks the size of the picture."""
    project = label_studio.create_project("Two files of a SAM", MASKS)
    sam = journey("segmentation", project)
    prepare(sam, tmp_path, STAND_IN, "onnx")
    prepare(sam, tmp_path, PICTURES, "scikit-image")
    (task,) = label_studio.upload_files(project, [tmp_path / "coins.png"])
    sam.init()
    sam.start({"SAM_ENCODER": str(tmp_path / "encoder.onnx"), "SAM_DECODER": str(tmp_path / "decoder.onnx")})
    sam.connect("--no-prelabel", "--interactive")
    width, height = 384, 303
    point: Json = {"x": 50, "y": 40, "width": 1, "keypointlabels": ["Coin"]}
    click: Json = {
        "id": "a",
        "type": "keypointlabels",
        "from_name": "click",
        "to_name": "image",
        "value": point,
    }
    click |= {"original_width": width, "original_height": height, "image_rotation": 0, "is_positive": True}
    answer = label_studio.interactive(sam.backend_id, task, {"result": [click]})["data"]
    (region,) = answer["result"]
    across, down = np.arange(width), np.arange(height)[:, None]
    diamond = np.abs(across - 0.5 * width) + np.abs(down - 0.4 * height) < 20 * width / 64
    assert overlap(regions.mask_of(region), diamond) > 0.97
    assert region["value"]["brushlabels"] == ["Coin"]
    assert 0 < region["score"] < 1
