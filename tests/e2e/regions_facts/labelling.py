"""The labelling page of a real Label Studio: open a prediction, read what is drawn, submit it, read it back."""

import base64
import contextlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy
from PIL import Image
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import TimeoutError as Late
from playwright.sync_api import expect

from ..browser import PATIENCE
from ..processes import wait_until
from ..studio import Json, Studio

#: The selected annotation or prediction in the page's store.
SELECTED = "window.Htx?.annotationStore?.selected"

#: Text of each highlighted piece by region id, in this document and in those of HyperText's frames.
SPANS = """() => {
    const found = {};
    const frames = [...document.querySelectorAll('iframe')].map((frame) => frame.contentDocument);
    for (const page of [document, ...frames])
        for (const span of page.querySelectorAll('.htx-highlight')) {
            const id = span.className.match(/htx-highlight-([A-Za-z]+)-/)?.[1];
            (found[id] ??= []).push(span.textContent);
        }
    return found }"""

#: Where the image lies on the screen: left, top, width, height, right, bottom. Null while the page makes its canvas.
_IMAGE_PLACE = """() => {
    const image = SELECTED.objects.find((tag) => tag.type === 'image');
    if (!image.stageRef) return null;
    const box = image.stageRef.container().getBoundingClientRect();
    return [box.x + image.zoomingPositionX, box.y + image.zoomingPositionY,
            image.stageWidth * image.stageScale, image.stageHeight * image.stageScale,
            box.right, box.bottom] }"""

#: What the editor does with a region that was read: its labels, text and score.
REGIONS = """() => SELECTED.regionStore.regions.map((region) => ({
    id: region.cleanId, type: region.type, score: region.score ?? null,
    labels: region.labels, text: region.text ?? null }))"""

#: Left and right end of each region below the plot of a time series, shown as a whole, in shares of its width.
SERIES_REGIONS = """() => {
    const regions = [...document.querySelectorAll('rect.region')];
    if (!regions.length) return [];
    const all = regions[0].closest('svg').querySelector('rect.overlay').getBoundingClientRect();
    return regions.map((region) => {
        const place = region.getBoundingClientRect();
        return [(place.left - all.left) / all.width, (place.right - all.left) / all.width] }) }"""


@dataclass(frozen=True)
class Submitted:
    """What one prediction became: the editor's own serialisation of it, and the annotation that was stored."""

    shown: list[Json]
    stored: list[Json]

    @property
    def values(self) -> dict[str, Json]:
        """The stored values by region id; of several items with one id, the last."""
        return {item["id"]: item["value"] for item in self.stored if "id" in item}


class Labelling:
    """One logged-in browser page. Each `open` makes a project with one task and one prediction."""

    def __init__(self, studio: Studio, page: Any) -> None:
        self.studio = studio
        self.page = page
        self.project = 0
        self.task = 0

    def open(
        self,
        config: str,
        data: Json,
        result: Sequence[Json],
        score: float | None = None,
        patience: float | None = None,
    ) -> None:
        """Import the task with its prediction and open it; the page then shows the prediction.

        Raises TimeoutError after `patience` milliseconds. Without it the page is loaded a second time if it does not
        get ready, which was seen once with a recording, on a busy machine.
        """
        self.project = self.studio.create_project("Facts", config)
        prediction: Json = {"result": list(result), "model_version": "facts"}
        if score is not None:
            prediction["score"] = score
        answer = self.studio.call(
            "POST",
            f"/api/projects/{self.project}/import?return_task_ids=true",
            json=[{"data": data, "predictions": [prediction]}],
        )
        (self.task,) = answer["task_ids"]
        if patience is not None:
            return self._show(patience)
        with contextlib.suppress(Late):
            return self._show(25_000)
        return self._show(60_000)

    def open_task(self, project: int, task: int, prediction: int) -> None:
        """Open a task of any project; the page then shows this one of its predictions."""
        self.project, self.task = project, task
        self._show(PATIENCE, f"store.predictions.find((item) => item.pk === '{prediction}')")

    def _show(self, patience: float, prediction: str = "store.predictions[0]") -> None:
        """Load the page and select a prediction, which the JavaScript `prediction` finds in the editor's `store`."""
        self.page.goto(f"{self.studio.url}/projects/{self.project}/data?task={self.task}")
        # The page selects a tab of its own while it loads, so the selection is repeated until it holds.
        self.page.wait_for_function(
            f"""() => {{ const store = window.Htx?.annotationStore;
                const wanted = store && {prediction};
                if (!wanted) return false;
                const now = performance.now();
                if ({SELECTED}?.id === wanted.id) return (window.selectedAt ??= now) < now - 400;
                delete window.selectedAt;
                store.selectPrediction(wanted.id); return false }}""",
            polling=100,
            timeout=patience,
        )
        self._settle(patience)

    def breaks(self, config: str, data: Json, result: Sequence[Json]) -> bool:
        """Return whether the page never shows the prediction, or cannot serialise it."""
        try:
            self.open(config, data, result, patience=8_000)
            self.evaluate("() => SELECTED.serializeAnnotation()")
        except BrowserError:
            return True
        return False

    def _settle(self, patience: float = 60_000) -> None:
        """Wait until every object tag is ready, and give what depends on it the time to be drawn."""
        script = f"() => {SELECTED}.objects.every((tag) => tag.isReady !== false)"
        self.page.wait_for_function(script, timeout=patience)
        # Not `evaluate`, which has no time-out: a prediction may have stopped the page.
        script = "() => (window.settling ??= performance.now()) < performance.now() - 400"
        self.page.wait_for_function(script, timeout=patience)
        self.page.wait_for_function("() => delete window.settling", timeout=patience)

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Run JavaScript in the page; `SELECTED` in it is the selected annotation or prediction."""
        return self.page.evaluate(script.replace("SELECTED", SELECTED), argument)

    def image_place(self) -> list[float]:
        """Return left, top, width and height of the image on the screen, and the right and bottom of its canvas.

        The page makes the canvas anew after a change of the picture: it is waited for.
        """
        return cast("list[float]", wait_until(lambda: self.evaluate(_IMAGE_PLACE), "the image has a canvas"))

    def shows(self, script: str, expected: Any) -> None:
        """Assert that JavaScript returns a value, at the latest after a while."""
        with_deadline = [None]

        def holds() -> bool:
            with_deadline[0] = self.evaluate(script)
            return bool(with_deadline[0] == expected)

        try:
            wait_until(holds, "the page shows it")
        except AssertionError:
            assert with_deadline[0] == expected

    def regions(self) -> list[Json]:
        """Return id, type, score, labels and text of each region that the editor made."""
        return cast("list[Json]", self.evaluate(REGIONS))

    def drawn(self) -> dict[str, float] | None:
        """Return where red pixels lie on the image, in percent of its width and height; None without any.

        `left`, `right`, `top` and `bottom` are the outermost ones, `left_y`, `right_y`, `top_x` and
        `bottom_x` their other coordinate, `area` the part of the image that is red, in percent.
        """
        left, top, width, height, right, bottom = self.image_place()
        self.page.mouse.move(5, 5)
        pixels = numpy.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")).astype(int)
        red = (pixels[..., 0] > 150) & (pixels[..., 1] < 120) & (pixels[..., 2] < 120)
        ys, xs = numpy.nonzero(red)
        inside = (xs >= left) & (xs < right) & (ys >= top) & (ys < bottom)
        x, y = (xs[inside] + 0.5 - left) / width * 100, (ys[inside] + 0.5 - top) / height * 100
        if not len(x):
            return None
        return {
            "left": float(x.min()),
            "left_y": float(y[x.argmin()]),
            "right": float(x.max()),
            "right_y": float(y[x.argmax()]),
            "top": float(y.min()),
            "top_x": float(x[y.argmin()]),
            "bottom": float(y.max()),
            "bottom_x": float(x[y.argmax()]),
            "area": len(x) / (width * height) * 100,
        }

    def copy_to_annotation(self) -> list[Json]:
        """Copy the prediction into an annotation and select it; return what the prediction serialises to."""
        shown = cast("list[Json]", self.evaluate("() => SELECTED.serializeAnnotation()"))
        self.evaluate(
            """() => { const store = window.Htx.annotationStore;
                store.selectAnnotation(store.addAnnotationFromPrediction(SELECTED).id) }"""
        )
        self.page.wait_for_function(f"() => {SELECTED}.type === 'annotation'")
        self._settle()
        return shown

    @property
    def submit_button(self) -> Any:
        return self.page.get_by_role("button", name=re.compile("^submit", re.I)).first

    def submit(self) -> Submitted:
        """Copy the prediction into an annotation and submit it; return what was stored."""
        shown = self.copy_to_annotation()
        expect(self.submit_button).to_be_enabled()
        with self.page.expect_response(
            lambda answer: "/annotations" in answer.url and answer.request.method == "POST"
        ) as posted:
            self.submit_button.click()
        assert posted.value.status < 300, posted.value.text()
        return Submitted(shown, self.studio.get_task(self.task)["annotations"][-1]["result"])

    def is_refused(self) -> bool:
        """Copy the prediction, press "Submit", and return whether no annotation came of it."""
        self.copy_to_annotation()
        if self.submit_button.is_disabled():
            return True
        try:
            with self.page.expect_response(
                lambda answer: "/annotations" in answer.url and answer.request.method == "POST", timeout=3000
            ):
                self.submit_button.click()
        except Late:
            return not self.studio.get_task(self.task)["annotations"]
        return False

    def upload(self, name: str, content: bytes, kind: str) -> str:
        """Upload a file as the import page does and return the URL that tasks have for it."""
        project = self.studio.create_project("Files", '<View><Text name="text" value="$text"/></View>')
        self.studio.call("POST", f"/api/projects/{project}/import", files=[(name, (name, content, kind))])
        (task,) = self.studio.tasks(project)
        return str(next(iter(task["data"].values())))


def red_stretches(labelling: Labelling, selector: str) -> list[tuple[float, float]]:
    """Return from where to where an element is red, from left to right, in shares of its width."""
    left, top, width, height = labelling.evaluate(
        """(selector) => { const place = document.querySelector(selector).getBoundingClientRect();
            return [place.x, place.y, place.width, place.height].map(Math.round) }""",
        selector,
    )
    labelling.page.mouse.move(5, 5)
    screen = Image.open(io.BytesIO(labelling.page.screenshot())).convert("RGB")
    red, green, _ = (
        numpy.asarray(screen)[top : top + height, left : left + width].astype(int).transpose(2, 0, 1)
    )
    is_red = (red - green > 30).mean(axis=0) > 0.5
    ends = numpy.flatnonzero(numpy.diff(numpy.concatenate(([False], is_red, [False])).astype(int)))
    return [(start / width, end / width) for start, end in ends.reshape(-1, 2).tolist()]


def region(
    region_id: str, kind: str, value: Json, from_name: str = "label", to_name: str = "data", **more: Any
) -> Json:
    """Return one item of a result."""
    return {"id": region_id, "type": kind, "from_name": from_name, "to_name": to_name, "value": value, **more}


def png(pixels: Any, mode: str = "RGB") -> str:
    """Return an array as the data URL of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(numpy.asarray(pixels, numpy.uint8), mode).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def white(width: int, height: int) -> str:
    """Return a white image as a data URL."""
    return png(numpy.full((height, width, 3), 255))
