"""A right model: answers clicks and boxes of smart tools with a mask, and no task without them."""

import numpy as np

from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase

KNOWN = ("keypointlabels", "rectanglelabels")


class Clicks(LabelStudioMLBase):
    def setup(self):
        self.mask = self.controls.first("BrushLabels", on="Image")

    def predict(self, tasks, context=None, **kwargs):
        drawn = [each for each in (context or {}).get("result", []) if each["type"] in KNOWN]
        if not drawn:
            return []
        last = drawn[-1]
        width, height = last["original_width"], last["original_height"]
        inside = np.zeros((height, width), bool)
        if last["type"] == "keypointlabels":
            x, y = regions.key_point_of(last)
            if last.get("is_positive", True):
                inside[int(y) - 3 : int(y) + 3, int(x) - 3 : int(x) + 3] = True
        else:
            left, top, right, bottom = regions.box_of(last).xyxy
            inside[int(top) : int(bottom), int(left) : int(right)] = True
        label = last["value"][last["type"]][0]
        return [regions.prediction(regions.mask(self.mask, inside, label=label, score=0.9))]
