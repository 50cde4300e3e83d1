"""From a model's output to Label Studio's regions, and back.

box = self.controls.first("RectangleLabels", on="Image")
regions.prediction(regions.boxes(box, xyxy=array, labels=labels, scores=scores, size=(width, height)))
"""

from label_studio_ml.regions.attachment import attach
from label_studio_ml.regions.pictures.box import Box, box, box_of, boxes
from label_studio_ml.regions.pictures.ellipse import Ellipse, ellipse, ellipse_of
from label_studio_ml.regions.pictures.key_point import key_point, key_point_of, key_points
from label_studio_ml.regions.pictures.mask import mask, mask_of, masks
from label_studio_ml.regions.pictures.picture_size import PictureSize, size_of
from label_studio_ml.regions.pictures.polygon import polygon, polygon_of
from label_studio_ml.regions.pictures.video_track import KeyFrame, boxes_of, key_frames_of, track
from label_studio_ml.regions.region import Region, prediction
from label_studio_ml.regions.segment import frames, frames_of, interval_of, segment, segments
from label_studio_ml.regions.task_value import (
    best_choices,
    choices,
    date_time,
    pair,
    quantity,
    rating,
    relation,
    texts,
)
from label_studio_ml.regions.text_spans.labelled_text import LabelledText, labelled_text

__all__ = [
    "Box",
    "Ellipse",
    "KeyFrame",
    "LabelledText",
    "PictureSize",
    "Region",
    "attach",
    "best_choices",
    "box",
    "box_of",
    "boxes",
    "boxes_of",
    "choices",
    "date_time",
    "ellipse",
    "ellipse_of",
    "frames",
    "frames_of",
    "interval_of",
    "key_frames_of",
    "key_point",
    "key_point_of",
    "key_points",
    "labelled_text",
    "mask",
    "mask_of",
    "masks",
    "pair",
    "polygon",
    "polygon_of",
    "prediction",
    "quantity",
    "rating",
    "relation",
    "segment",
    "segments",
    "size_of",
    "texts",
    "track",
]
