"""Text recognition with the PP-OCR networks of RapidOCR: a region and its text for each line of a picture."""

import math
import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else importing onnxruntime reports its use to Microsoft

import numpy as np
from rapidocr import RapidOCR
from rapidocr.utils.process_img import get_rotate_crop_image

from label_studio_ml import regions
from label_studio_ml.inputs.large_pictures import read_on_white
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

BOXES = ("Rectangle", "RectangleLabels")
POLYGONS = ("Polygon", "PolygonLabels")

#: The types of regions whose text is read while a person draws.
DRAWN = {tag.lower() for tag in BOXES + POLYGONS}

#: Boxes of lines that are turned by fewer degrees are drawn upright.
UPRIGHT = 2.0


class OcrModel(LabelStudioMLBase):
    """Fills boxes or polygons with a `<TextArea perRegion="true">`, and a `<TextArea>` for the whole picture."""

    max_batch_size = 1  # a drawn box waits for one picture at most

    params = {
        "min_score": Param(0.5, "leave out lines that are read with a lower score", ge=0, le=1),
        "text_label": Param(
            "", "label of the lines; by default Text if the project has it, else its first label"
        ),
        "upside_down": Param(False, "look for lines that are upside down; some others are then misread"),
        "detection_model": Param(
            None, "ONNX file of another PP-OCR detection network", type=str, operator_only=True
        ),
        "recognition_model": Param(
            None, "ONNX file of another PP-OCR recognition network", type=str, operator_only=True
        ),
    }

    def setup(self):
        """Find the controls of the project, and load the networks."""
        self.shape = self.controls.find(BOXES, on="Image") or self.controls.find(POLYGONS, on="Image")
        self.text = self.controls.find("TextArea", on="Image", per_region=True)
        self.page_text = self.controls.find("TextArea", on="Image", per_region=False)
        self.labels = self.controls.find("Labels", on="Image")
        if self.shape is None or self.text is None:
            self.shape = None  # without both, only the text of the whole picture is wanted
            self.page_text = self.controls.first("TextArea", on="Image", per_region=False)
        settings = {"Global.log_level": "error"}
        if self.params.detection_model:
            settings["Det.model_path"] = self.params.detection_model
        if self.params.recognition_model:
            settings["Rec.model_path"] = self.params.recognition_model
        self.engine = RapidOCR(params=settings)

    def predict(self, tasks, context=None, **kwargs):
        """Return the lines of each task's pictures; with a `context`, the text of the region that was drawn last."""
        if context:
            return self.read_drawn(tasks[0], context.get("result") or [])
        return [self.read_task(task) for task in tasks]

    def read_task(self, task):
        """Return the prediction for a task: regions with their texts, and the text of the whole picture."""
        found, pages, scores = [], [], []
        for each in self.inputs(self.shape or self.page_text, [task]):
            lines = self.read(open_picture(each))
            pages.append("\n".join(text for _, text, _ in lines))
            scores += [score for _, _, score in lines]
            if self.shape is not None:
                found += [self.region(*line, each) for line in lines]
        if self.page_text is not None and any(pages):
            found.append(regions.texts(self.page_text, "\n\n".join(pages)))
        return regions.prediction(found, score=float(np.mean(scores)) if scores else 0.0)

    def read_drawn(self, task, result):
        """Return the region that was drawn last with its text; nothing if it is no box and no polygon."""
        drawn = [each for each in result if each["type"] in DRAWN]
        if not drawn or self.text is None:
            return []
        control = self.controls[drawn[-1]["from_name"]]
        picture = open_picture(self.inputs(control, [task])[drawn[-1].get("item_index", 0)])
        text, score = self.read_part(picture, corners_of(drawn[-1]))
        parts = [each for each in result if each["id"] == drawn[-1]["id"] and each["type"] != "textarea"]
        return [regions.prediction(parts, regions.attach(drawn[-1], self.text, text), score=score)]

    def read(self, picture):
        """Return corners, text and score of each line in a picture, from top to bottom."""
        try:
            found = self.engine(
                picture, use_det=True, use_cls=self.params.upside_down, text_score=self.params.min_score
            )
        except (
            Exception
        ) as error:  # its own errors may have no text, such as of a picture that is one pixel wide
            height, width = picture.shape[:2]
            cause = str(error) or type(error).__name__
            raise ValueError(
                f"RapidOCR cannot read a picture of {width} x {height} pixels: {cause}"
            ) from error
        return list(zip(found.boxes, found.txts, map(float, found.scores))) if len(found) else []

    def read_part(self, picture, corners):
        """Return the text within four corners and its score: several lines, or what is read as one line."""
        part = get_rotate_crop_image(picture, np.float32(corners))
        lines = self.read(part)
        if lines:
            return "\n".join(text for _, text, _ in lines), float(np.mean([score for _, _, score in lines]))
        line = self.engine(part, use_det=False, use_cls=self.params.upside_down)
        return line.txts[0], float(line.scores[0])

    def region(self, corners, text, score, each):
        """Return the entries of a line: its box or polygon, its label, and its text."""
        place = {"size": each.size, "score": score}
        if self.shape.object.is_list:
            place["item_index"] = each.item
        if self.shape.label_names:
            place["label"] = self.label_of(self.shape)
        if self.shape.tag in POLYGONS:
            shape = regions.polygon(self.shape, points=corners, **place)
        else:
            box, angle = turned_box(corners)
            shape = regions.box(self.shape, cxcywh=box, rotation=angle, **place)
        parts = [shape, regions.attach(shape, self.text, text, score=score)]
        if self.labels is not None and self.labels.label_names:
            parts.insert(1, regions.attach(shape, self.labels, self.label_of(self.labels)))
        return parts

    def label_of(self, control):
        """Return the label of a line of text."""
        if self.params.text_label:
            return self.params.text_label
        return "Text" if control.label_map.knows("Text") else control.label_names[0]


def open_picture(each):
    """Return a picture as Label Studio shows it: an array of blue, green and red, on white where it is transparent.

    `each` is what `self.inputs` has of it. Raises ValueError if Pillow cannot read the file, or it is too large.
    """
    try:
        return np.ascontiguousarray(read_on_white(each.path)[:, :, ::-1])
    except ValueError as error:
        raise ValueError(f"Task {each.task.get('id')}: {error}") from error


def turned_box(corners):
    """Return centre, width and height of a line, and its angle in degrees; its first corner is the top left one."""
    a, b, c, d = np.asarray(corners, float)
    across, down = (b - a + c - d) / 2, (d - a + c - b) / 2
    angle = math.degrees(math.atan2(across[1], across[0]))
    if abs(angle) < UPRIGHT:
        (left, top), (right, bottom) = np.min(corners, axis=0), np.max(corners, axis=0)
        return ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), 0.0
    return (*np.mean(corners, axis=0), np.linalg.norm(across), np.linalg.norm(down)), angle


def corners_of(region):
    """Return the four corners of a drawn box, or of the upright box around a polygon, in pixels."""
    if region["type"].startswith("rectangle"):
        return regions.box_of(region).corners
    points = np.array(regions.polygon_of(region))
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return (left, top), (right, top), (right, bottom), (left, bottom)
