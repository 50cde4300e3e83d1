"""From a model's output to Label Studio's regions, and back.

box = self.controls.first("RectangleLabels", on="Image")
regions.prediction(regions.boxes(box, xyxy=array, labels=labels, scores=scores, size=(width, height)))
"""

from label_studio_ml.regions.box import Box, box, box_of, boxes
from label_studio_ml.regions.picture import PictureSize, size_of
from label_studio_ml.regions.region import Region, attach, prediction

__all__ = ["Box", "PictureSize", "Region", "attach", "box", "box_of", "boxes", "prediction", "size_of"]
