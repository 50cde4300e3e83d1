"""Table of the checks of a region's value, by the kind of its values and the object that it labels."""

from label_studio_ml.protocol.control_tags import Geometry, control_tag
from label_studio_ml.validation.kinds import (
    field_checks,
    mask_checks,
    segment_checks,
    shape_checks,
    span_checks,
)
from label_studio_ml.validation.kinds.values import ValueCheck

#: Checks of values whose meaning does not depend on the object.
_BY_GEOMETRY = {
    Geometry.BOX: shape_checks.BOX,
    Geometry.ELLIPSE: shape_checks.ELLIPSE,
    Geometry.KEY_POINT: shape_checks.KEY_POINT,
    Geometry.POLYGON: shape_checks.POLYGON,
    Geometry.VECTOR: shape_checks.VECTOR,
    Geometry.BRUSH: mask_checks.BRUSH,
    Geometry.BITMASK: mask_checks.BITMASK,
    Geometry.VIDEO_BOX: segment_checks.TRACK,
    Geometry.TIMELINE: segment_checks.FRAMES,
    Geometry.CHOICES: field_checks.CHOICES,
    Geometry.TAXONOMY: field_checks.TAXONOMY,
    Geometry.RATING: field_checks.RATING,
    Geometry.NUMBER: field_checks.NUMBER,
    Geometry.DATE_TIME: field_checks.DATE,
    Geometry.TEXT: field_checks.TEXTS,
    Geometry.PAIR: field_checks.PAIR,
    Geometry.RANKING: field_checks.RANKING,
}

#: Checks of spans, by the object's tag.
_BY_OBJECT = {
    "Text": span_checks.TEXT,
    "HyperText": span_checks.PAGE,
    "Paragraphs": span_checks.PARAGRAPHS,
    "Audio": segment_checks.SECONDS,
    "TimeSeries": segment_checks.SERIES,
}


def value_check(region_type: str, object_tag: str) -> ValueCheck | None:
    """Return the check of a region's value; None if nothing is known of such values.

    `region_type` is in lower case. `object_tag` is the tag of the object that the region is for, empty if unknown.
    """
    row = control_tag(region_type)
    if row is None:
        return segment_checks.TRACK if region_type == "videorectanglelabels" else None
    if row.geometry is Geometry.SPAN:
        if region_type == "hypertextlabels":
            return span_checks.PAGE
        return _BY_OBJECT.get(object_tag)
    return _BY_GEOMETRY.get(row.geometry)
