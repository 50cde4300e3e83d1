"""From a model's output to Label Studio's regions, and back.

box = self.controls.first("RectangleLabels", on="Image")
regions.prediction(regions.boxes(box, xyxy=array, labels=labels, scores=scores, size=(width, height)))
"""

from label_studio_ml.regions.attachment import attach
from label_studio_ml.regions.code_value import react_code, react_code_of
from label_studio_ml.regions.conversation import ChatMessage, chat_message, chat_messages, message_of
from label_studio_ml.regions.item_ranking import buckets, buckets_of, order_of, ranking
from label_studio_ml.regions.pictures.box import Box, box, box_of, boxes
from label_studio_ml.regions.pictures.ellipse import Ellipse, ellipse, ellipse_of
from label_studio_ml.regions.pictures.key_point import key_point, key_point_of, key_points
from label_studio_ml.regions.pictures.mask import mask, mask_of, masks
from label_studio_ml.regions.pictures.mask_polygons import polygons
from label_studio_ml.regions.pictures.page_box import PageBox, page_box, page_box_of
from label_studio_ml.regions.pictures.picture_size import PictureSize, size_of
from label_studio_ml.regions.pictures.polygon import polygon, polygon_of
from label_studio_ml.regions.pictures.vector import Vector, vector, vector_of
from label_studio_ml.regions.region import Region, nest, prediction, relation
from label_studio_ml.regions.segment import frames, frames_of, interval_of, segment, segments
from label_studio_ml.regions.task_value import (
    best_choices,
    choices,
    date_time,
    pair,
    quantity,
    rating,
    texts,
)
from label_studio_ml.regions.text_spans.labelled_text import LabelledText, labelled_text
from label_studio_ml.regions.videos.vector_track import vector_track, vectors_of
from label_studio_ml.regions.videos.video_track import KeyFrame, boxes_of, key_frames_of, track

__all__ = [
    "Box",
    "ChatMessage",
    "Ellipse",
    "KeyFrame",
    "LabelledText",
    "PageBox",
    "PictureSize",
    "Region",
    "Vector",
    "attach",
    "best_choices",
    "box",
    "box_of",
    "boxes",
    "boxes_of",
    "buckets",
    "buckets_of",
    "chat_message",
    "chat_messages",
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
    "message_of",
    "nest",
    "order_of",
    "page_box",
    "page_box_of",
    "pair",
    "polygon",
    "polygon_of",
    "polygons",
    "prediction",
    "quantity",
    "ranking",
    "rating",
    "react_code",
    "react_code_of",
    "relation",
    "segment",
    "segments",
    "size_of",
    "texts",
    "track",
    "vector",
    "vector_of",
    "vector_track",
    "vectors_of",
]
