"""Table of the kinds of targets: which example a control makes, and how its regions are read.

A new kind is a new row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.inputs.content import Content
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.code_value import react_code_of
from label_studio_ml.regions.conversation import message_of
from label_studio_ml.regions.pictures.box import Box
from label_studio_ml.regions.pictures.ellipse import ellipse_of
from label_studio_ml.regions.pictures.key_point import key_point_of
from label_studio_ml.regions.pictures.page_box import page_box_of
from label_studio_ml.regions.pictures.polygon import polygon_of
from label_studio_ml.regions.pictures.vector import vector_of
from label_studio_ml.regions.region import Region, fields_in, number, position
from label_studio_ml.regions.segment import frames_of, interval_of
from label_studio_ml.regions.videos.key_frames import frame_count_of
from label_studio_ml.regions.videos.vector_track import vectors_of
from label_studio_ml.regions.videos.video_track import key_frames_of
from label_studio_ml.targets import example_types, target_regions

#: Reads the fields of a target from a region, beside those that all targets have. Raises ValueError.
Reader = Callable[[Region, Content], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class TargetKind:
    """One kind of targets: its type of examples; and for controls with regions, their type and how they are read."""

    example: type[example_types.Example]
    region: type[target_regions.TargetRegion] | None = None
    read: Reader = lambda region, content: {}


def _box(region: Region, content: Content) -> dict[str, Any]:
    return {"box": Box.of_value(region["value"], content.size(region))}


def _ellipse(region: Region, content: Content) -> dict[str, Any]:
    return {"ellipse": ellipse_of(region, content.size(region))}


def _key_point(region: Region, content: Content) -> dict[str, Any]:
    x, y = key_point_of(region, content.size(region))
    return {"x": x, "y": y}


def _polygon(region: Region, content: Content) -> dict[str, Any]:
    points = polygon_of(region, content.size(region))
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    return {"points": tuple(points)}


def _mask(region: Region, content: Content) -> dict[str, Any]:
    if not {"rle", "imageDataURL"} & region["value"].keys():
        raise ValueError(f"the region has no mask: its value has {fields_in(region)}")
    return {"size": content.size(region)}


def _span(region: Region, content: Content) -> dict[str, Any]:
    if content.text is None:
        raise ValueError("its text is in a file, which files=False leaves out")
    start, end = content.text.offsets(region)
    return {"start": start, "end": end, "text": content.text.text[start:end]}


def _segment(region: Region, content: Content) -> dict[str, Any]:
    start, end = interval_of(region)
    for edge, name in ((start, "start"), (end, "end")):
        if not isinstance(edge, str):
            number(edge, name)  # raises for what is none; nanoseconds stay whole numbers
    return {"start": start, "end": end}


def _audio_segment(region: Region, content: Content) -> dict[str, Any]:
    start, end = (
        number(edge, name) for edge, name in zip(interval_of(region), ("start", "end"), strict=True)
    )
    if start > end:
        raise ValueError(f"the segment ends before its start: {start:g} to {end:g}")
    return {"start": start, "end": end, "channel": position(region["value"].get("channel") or 0, "channel")}


def _timeline(region: Region, content: Content) -> dict[str, Any]:
    return {"ranges": tuple(frames_of(region))}


def _track(region: Region, content: Content) -> dict[str, Any]:
    size = content.size(region)
    frame_count = frame_count_of(region["value"])
    return {"size": size, "key_frames": tuple(key_frames_of(region, size)), "frame_count": frame_count}


def _vector(region: Region, content: Content) -> dict[str, Any]:
    size = content.size(region)
    return {"vector": vector_of(region, size), "size": size}


def _page_box(region: Region, content: Content) -> dict[str, Any]:
    found = page_box_of(region, content.given_size)
    return {"page": found.page, "box": found.box, "text": found.text}


def _vector_track(region: Region, content: Content) -> dict[str, Any]:
    size = content.size(region)
    vectors_of(region, size)  # raises for what cannot be read
    return {"size": size, "frame_count": frame_count_of(region["value"])}


def _message(region: Region, content: Content) -> dict[str, Any]:
    message = message_of(region)
    return {"role": message.role, "content": message.content, "created_at": message.created_at}


def _code(region: Region, content: Content) -> dict[str, Any]:
    return {"data": react_code_of(region)}


_SPANS = TargetKind(example_types.SpanExample, target_regions.SpanTarget, _span)
_MASKS = TargetKind(example_types.MaskExample, target_regions.MaskTarget, _mask)

_BY_GEOMETRY = {
    Geometry.BOX: TargetKind(example_types.BoxExample, target_regions.BoxTarget, _box),
    Geometry.ELLIPSE: TargetKind(example_types.EllipseExample, target_regions.EllipseTarget, _ellipse),
    Geometry.KEY_POINT: TargetKind(example_types.KeyPointExample, target_regions.KeyPointTarget, _key_point),
    Geometry.POLYGON: TargetKind(example_types.PolygonExample, target_regions.PolygonTarget, _polygon),
    Geometry.BRUSH: _MASKS,
    Geometry.BITMASK: _MASKS,
    Geometry.VIDEO_BOX: TargetKind(example_types.TrackExample, target_regions.TrackTarget, _track),
    Geometry.TIMELINE: TargetKind(example_types.TimelineExample, target_regions.TimelineTarget, _timeline),
    Geometry.VECTOR: TargetKind(example_types.VectorExample, target_regions.VectorTarget, _vector),
    Geometry.PAGE_BOX: TargetKind(example_types.PageBoxExample, target_regions.PageBoxTarget, _page_box),
    Geometry.VIDEO_VECTOR: TargetKind(
        example_types.VectorTrackExample, target_regions.VectorTrackTarget, _vector_track
    ),
    Geometry.CHAT: TargetKind(example_types.ChatExample, target_regions.MessageTarget, _message),
    Geometry.CODE: TargetKind(example_types.CodeExample, target_regions.CodeTarget, _code),
    Geometry.CHOICES: TargetKind(example_types.ChoicesExample),
    Geometry.TAXONOMY: TargetKind(example_types.TaxonomyExample),
    Geometry.RATING: TargetKind(example_types.RatingExample),
    Geometry.NUMBER: TargetKind(example_types.NumberExample),
    Geometry.DATE_TIME: TargetKind(example_types.DateTimeExample),
    Geometry.TEXT: TargetKind(example_types.TextsExample),
    Geometry.PAIR: TargetKind(example_types.PairExample),
    Geometry.RANKING: TargetKind(example_types.RankingExample),
}

#: Kinds of `<Labels>` and its relatives, whose regions depend on the object.
_SPANS_BY_OBJECT = {
    "Text": _SPANS,
    "HyperText": _SPANS,
    "Paragraphs": _SPANS,
    "Audio": TargetKind(example_types.AudioExample, target_regions.SegmentTarget, _audio_segment),
    "AudioPlus": TargetKind(example_types.AudioExample, target_regions.SegmentTarget, _audio_segment),
    "TimeSeries": TargetKind(example_types.TimeSeriesExample, target_regions.SegmentTarget, _segment),
}


def kind_of_control(control: Control) -> TargetKind:
    """Return the kind of targets of a control.

    Raises LabelConfigError if there is none: its values belong to regions of another control, or cannot be read.
    """
    geometry, tag = control.kind.geometry, control.object.tag
    if control.is_per_region and geometry in _BY_GEOMETRY:
        raise LabelConfigError(
            f"The values of {control} belong to regions",
            fix="Pass the control that draws the regions: each of its targets has them in values"
            f"[{control.name!r}]",
            field="label_config",
        )
    kind = _SPANS_BY_OBJECT.get(tag) if geometry is Geometry.SPAN else _BY_GEOMETRY.get(geometry)
    if kind is not None and control.kind.tag:  # of a tag that the table lacks, nothing is known
        return kind
    if geometry is Geometry.SPAN:
        raise LabelConfigError(
            f"{control} draws no regions: it labels those of another control",
            fix="Pass that control, such as <Rectangle> or <VideoRectangle>, and this one as labels_control=…",
            field="label_config",
        )
    raise LabelConfigError(f"It is not known how to read the values of {control}", field="label_config")
