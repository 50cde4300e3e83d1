"""Masks and polygons of what an annotator clicks on or draws a box around, and of the salient object of a picture."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else importing onnxruntime reports its use to Microsoft

import cv2
import numpy as np
from salient_object import U2Net, grabcut, longest_side
from sam_onnx import Sam

from label_studio_ml import regions
from label_studio_ml.inputs.large_pictures import read_on_white
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.params import Param

SHAPES = ("BrushLabels", "BitmaskLabels", "PolygonLabels")


class SegmentationModel(LabelStudioMLBase):
    """Answers clicks of a smart `<KeyPointLabels>` and boxes of a smart `<RectangleLabels>`; pre-labels pictures."""

    max_batch_size = 1  # a click waits for one picture at most

    params = {
        "salient_label": Param("", "label of the salient object; not needed if there is only one label"),
        "sam_encoder": Param(
            "", "ONNX file of a SAM image encoder, which then answers clicks and boxes", operator_only=True
        ),
        "sam_decoder": Param("", "ONNX file of the SAM prompt decoder", operator_only=True),
    }

    def setup(self):
        """Find the controls that hold masks or polygons, and load the networks."""
        self.shape = self.controls.first(SHAPES, on="Image")
        self.u2net = U2Net()
        if bool(self.params.sam_encoder) != bool(self.params.sam_decoder):
            raise ValueError("A SAM model has two files: set both SAM_ENCODER and SAM_DECODER, or neither")
        self.sam = Sam(self.params.sam_encoder, self.params.sam_decoder) if self.params.sam_encoder else None

    def predict(self, tasks, context=None, **kwargs):
        """Return what was clicked on or boxed; without a context, the salient object of each task."""
        if context:
            return [self.answer(tasks[0], context.get("result") or [])]
        return [self.salient(task) for task in tasks]

    def prewarm(self, task):
        """Prepare a task that the annotator will see soon."""
        self.look(task, None)

    def answer(self, task, drawn):
        """Return the shape for the last click or box, and for the clicks before it that wait with it."""
        drawn = [region for region in drawn if region["type"].startswith(("keypoint", "rectangle"))]
        if not drawn:
            return regions.prediction()
        label, item = label_of(drawn[-1]), drawn[-1].get("item_index")
        look = self.look(task, item)
        size = look["picture"].shape[1::-1]
        points, box = [], None
        for region in drawn:
            if label_of(region) != label or region.get("item_index") != item:
                continue
            if region["type"].startswith("rectangle"):
                box = regions.box_of(region, size).xyxy
            else:
                points.append((*regions.key_point_of(region, size), region.get("is_positive", True)))
        if self.sam:
            inside, score = self.sam.segment(look["embedding"], size, points, box)
        else:
            inside, score = self.u2net.segment(look, points, box, self.keep(task, item))
        return regions.prediction(self.region(inside, score, label, look, item))

    def salient(self, task):
        """Return the salient object of each picture of a task, if it is known which label it gets."""
        names = self.shape.label_names
        label = self.params.salient_label or (names[0] if len(names) == 1 else None)
        if not label:
            return regions.prediction()
        pictures = self.shape.value(task)
        found = []
        for item in range(len(pictures)) if isinstance(pictures, list) else [None]:
            look = self.look(task, item)
            saliency = look["saliency"].astype(np.float32) / 255
            inside = grabcut(look["picture"], saliency)
            score = float(saliency[inside].mean()) if inside.any() else 0.0
            found.append(self.region(inside, score, label, look, item))
        return regions.prediction(found)

    def region(self, inside, score, label, look, item):
        """Return a mask of the working picture as regions, in the size of the original picture."""
        controls = self.controls.all(SHAPES, on="Image")
        control = next((each for each in controls if label in each.label_names), self.shape)
        if label not in control.label_names and len(control.label_names) == 1:
            (label,) = control.label_names
        pixels = cv2.resize(inside.astype(np.float32), tuple(look["size"])) > 0.5
        fields = {"label": label, "score": score, "item_index": item}
        if control.tag == "PolygonLabels":
            return regions.polygons(control, pixels, holes="fill", min_area=pixels.sum() / 50, **fields)
        return regions.mask(control, pixels, **fields)

    def look(self, task, item):
        """Return a picture with all that is computed of it before the first click, from the cache if it is there."""

        def prepare(path):
            path = path[item or 0] if isinstance(path, list) else path
            try:
                full = read_on_white(path)
            except ValueError as error:
                raise ValueError(f"Task {task.get('id')}: {error}") from error
            picture = longest_side(full, 1024)
            look = {
                "size": list(full.shape[1::-1]),
                "picture": picture,
                "saliency": self.u2net.saliency(picture),
            }
            return {**look, "embedding": self.sam.encode(picture)} if self.sam else look

        return self.keep(task, item)("look", prepare)

    def keep(self, task, item):
        """Return a function that computes a value of a picture once: its arguments are a key and a function."""
        return lambda key, compute: self.once(task, f"{key} of {item or 0}", compute, field=self.shape.field)


def label_of(region):
    """Return the label that was chosen when a click or a box was drawn; None without one."""
    return next(iter(region["value"].get(region["type"], [])), None)
