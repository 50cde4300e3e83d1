"""From a model's output to Label Studio's regions, and back.

box = self.controls.first("RectangleLabels", on="Image")
regions.prediction(regions.boxes(box, xyxy=array, labels=labels, scores=scores, size=(width, height)))
"""

from label_studio_ml.regions.box import Box, box, box_of, boxes
from label_studio_ml.regions.ellipse import Ellipse, ellipse, ellipse_of
from label_studio_ml.regions.key_point import key_point, key_points, point_of
from label_studio_ml.regions.labelled_text import LabelledText, labelled_text
from label_studio_ml.regions.picture import PictureSize, size_of
from label_studio_ml.regions.polygon import points_of, polygon
from label_studio_ml.regions.region import Region, attach, prediction

__all__ = [
    "Box",
    "Ellipse",
    "LabelledText",
    "PictureSize",
    "Region",
    "attach",
    "box",
    "box_of",
    "boxes",
    "ellipse",
    "ellipse_of",
    "key_point",
    "key_points",
    "labelled_text",
    "point_of",
    "points_of",
    "polygon",
    "prediction",
    "size_of",
]
