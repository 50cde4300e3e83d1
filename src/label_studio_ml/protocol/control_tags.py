"""Table of Label Studio's control tags: what each one labels, and the regions that it produces.

Source: Label Studio's documentation of its tags, and the SDK's `label_interface.control_tags` and its value classes.
A new tag is a new row.
"""

import enum
from dataclasses import dataclass


class Geometry(enum.StrEnum):
    """The kind of values that a control's regions have."""

    BOX = "box"
    PAGE_BOX = "box on a page"
    ELLIPSE = "ellipse"
    KEY_POINT = "key point"
    POLYGON = "polygon"
    VECTOR = "vector"
    BRUSH = "brush mask"
    BITMASK = "bitmask"
    VIDEO_BOX = "video track"
    VIDEO_VECTOR = "video vector"
    SPAN = "span"
    TIMELINE = "frames"
    CHOICES = "choices"
    TAXONOMY = "taxonomy"
    RATING = "rating"
    NUMBER = "number"
    DATE_TIME = "date and time"
    TEXT = "text"
    PAIR = "pair"
    RANKING = "ranking"
    RELATION = "relation"
    CHAT = "chat message"
    CODE = "data of its own code"


#: Kinds of values that belong to the whole task, or to a region of another control.
WHOLE_TASK = frozenset(
    {
        Geometry.CHOICES,
        Geometry.TAXONOMY,
        Geometry.RATING,
        Geometry.NUMBER,
        Geometry.DATE_TIME,
        Geometry.TEXT,
        Geometry.PAIR,
        Geometry.RANKING,
    }
)

_TEXTS = ("Text", "HyperText", "Paragraphs")


@dataclass(frozen=True, slots=True)
class ControlTag:
    """One control tag.

    `objects` are the tags that it can label; empty if it can label any. `required` are the fields of a region's
    `value` without which Label Studio cannot show it. `labels_field` is the field of `value` with the labels; empty if
    the regions have none of their own.
    """

    tag: str
    geometry: Geometry
    objects: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    labels_field: str = ""

    @property
    def region_type(self) -> str:
        """The `type` of its regions."""
        return self.tag.lower()


def _shape(tag: str, geometry: Geometry, *required: str) -> tuple[ControlTag, ControlTag]:
    """Return the rows of a tool for pictures: without labels of its own, and with labels."""
    return (
        ControlTag(tag, geometry, ("Image",), required),
        ControlTag(f"{tag}Labels", geometry, ("Image",), required, f"{tag}labels".lower()),
    )


_BOX_FIELDS = ("x", "y", "width", "height")

_ROWS = (
    *_shape("Rectangle", Geometry.BOX, *_BOX_FIELDS),
    *_shape("Ellipse", Geometry.ELLIPSE, "x", "y", "radiusX", "radiusY"),
    *_shape("KeyPoint", Geometry.KEY_POINT, "x", "y"),
    *_shape("Polygon", Geometry.POLYGON, "points"),
    *_shape("Vector", Geometry.VECTOR, "vertices"),
    *_shape("Brush", Geometry.BRUSH, "rle"),
    *_shape("Bitmask", Geometry.BITMASK, "imageDataURL"),
    ControlTag("MagicWand", Geometry.BRUSH, ("Image",), ("rle",)),
    ControlTag("OcrLabels", Geometry.PAGE_BOX, ("Pdf", "Image"), _BOX_FIELDS, "ocrlabels"),
    ControlTag("VideoRectangle", Geometry.VIDEO_BOX, ("Video",), ("sequence",)),
    ControlTag("VideoVector", Geometry.VIDEO_VECTOR, ("Video",), ("sequence",)),
    ControlTag("VideoVectorLabels", Geometry.VIDEO_VECTOR, ("Video",), ("sequence",), "labels"),
    ControlTag("TimelineLabels", Geometry.TIMELINE, ("Video",), ("ranges",), "timelinelabels"),
    ControlTag("Labels", Geometry.SPAN, (*_TEXTS, "Audio", "Image", "Video", "Pdf"), (), "labels"),
    ControlTag("HyperTextLabels", Geometry.SPAN, ("HyperText", "Text"), ("start", "end"), "hypertextlabels"),
    ControlTag("ParagraphLabels", Geometry.SPAN, ("Paragraphs",), ("start", "end"), "paragraphlabels"),
    ControlTag("TimeSeriesLabels", Geometry.SPAN, ("TimeSeries",), ("start", "end"), "timeserieslabels"),
    ControlTag("Choices", Geometry.CHOICES, (), ("choices",), "choices"),
    ControlTag("Taxonomy", Geometry.TAXONOMY, (), ("taxonomy",), "taxonomy"),
    ControlTag("Rating", Geometry.RATING, (), ("rating",)),
    ControlTag("Number", Geometry.NUMBER, (), ("number",)),
    ControlTag("DateTime", Geometry.DATE_TIME, (), ("datetime",)),
    ControlTag("TextArea", Geometry.TEXT, (), ("text",)),
    ControlTag("Pairwise", Geometry.PAIR, (), ("selected",)),
    ControlTag("Ranker", Geometry.RANKING, ("List",), ("ranker",)),
    ControlTag("Relations", Geometry.RELATION),
    ControlTag("Chat", Geometry.CHAT),
    ControlTag("ReactCode", Geometry.CODE),
)

#: Tags that are object and control at once: they need no `toName`.
SELF_LABELLING = frozenset({"Chat", "ReactCode"})

#: The rows by tag.
CONTROL_TAGS = {row.tag: row for row in _ROWS}

_BY_REGION_TYPE = {row.region_type: row for row in _ROWS}


def control_tag(name: str) -> ControlTag | None:
    """Return the row of a tag, or of a region type, whatever its case; None if Label Studio has no such control."""
    return _BY_REGION_TYPE.get(name.lower())
