"""Exports of regions on pictures: their outlines, and the formats COCO and YOLO."""
