"""Annotated regions as training needs them, a type for each kind: in pixels, characters, seconds or frames."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from label_studio_ml.regions.pictures.box import Box
from label_studio_ml.regions.pictures.ellipse import Ellipse
from label_studio_ml.regions.pictures.mask import mask_of
from label_studio_ml.regions.pictures.picture_size import PictureSize
from label_studio_ml.regions.pictures.vector import Vector
from label_studio_ml.regions.videos.vector_track import vectors_of
from label_studio_ml.regions.videos.video_track import KeyFrame, boxes_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRegion:
    """One annotated region.

    `region` is its entry in the annotation's `result`. `labels` are the control's, or those of a `<Labels>` with the
    same region. `values` are what other controls say of the region, by the name of the control: a tuple of texts,
    choices or labels, a number, or a date as text.
    """

    region: Mapping[str, Any] = field(repr=False)
    labels: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The region's id, which relations name; empty if it has none."""
        return str(self.region.get("id") or "")

    @property
    def label(self) -> str | None:
        """The first label; None if the region has none."""
        return self.labels[0] if self.labels else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxTarget(TargetRegion):
    """A box in pixels."""

    box: Box

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom; of a turned box those of the upright box around it."""
        return self.box.xyxy

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Left, top, width, height; of a turned box those of the upright box around it."""
        return self.box.xywh

    @property
    def cxcywh(self) -> tuple[float, float, float, float]:
        """Centre, width and height, without the rotation."""
        return self.box.cxcywh

    @property
    def rotation(self) -> float:
        """The rotation around the centre, clockwise in degrees."""
        return self.box.rotation

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """The four corners, clockwise from the one that is top left before the box is turned."""
        return self.box.corners


@dataclass(frozen=True, slots=True, kw_only=True)
class EllipseTarget(TargetRegion):
    """An ellipse in pixels."""

    ellipse: Ellipse


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPointTarget(TargetRegion):
    """A key point in pixels."""

    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolygonTarget(TargetRegion):
    """A polygon: its corners in pixels, the first one not repeated."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskTarget(TargetRegion):
    """A mask of a picture of `size`, which is decoded each time that it is asked for."""

    size: PictureSize

    def pixels(self) -> "NDArray[np.bool_]":
        """Return the mask as an array of shape (height, width): True inside. Raises ValueError if it is damaged."""
        return mask_of(self.region, self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorTarget(TargetRegion):
    """A vector in pixels of a picture of `size`: points and the lines between them."""

    vector: Vector
    size: PictureSize


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBoxTarget(TargetRegion):
    """A box on a page of a PDF file, and the text in it; None if there is none. Pages are counted from 0.

    The box is in shares of the page from 0 to 1, or in the unit of the `size` passed to `targets`.
    """

    page: int
    box: Box
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanTarget(TargetRegion):
    """A span of a text: `example.text[start:end]` is `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTarget(TargetRegion):
    """A segment: of audio in seconds, of a time series in values of its time column as Label Studio stores them.

    `channel` is that of audio, from 0.
    """

    start: Any
    end: Any
    channel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineTarget(TargetRegion):
    """Frames of a video: first and last frame of each range, counted from 0, both included."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackTarget(TargetRegion):
    """An object in a video of `size`: a box in each key frame, in pixels; frames are counted from 0.

    `frame_count` is the video's number of frames, 0 if the annotation does not say it.
    """

    size: PictureSize
    key_frames: tuple[KeyFrame, ...]
    frame_count: int = 0

    def boxes(self, frame_count: int | None = None) -> dict[int, Box]:
        """Return the box in each frame in which the object is shown, between key frames too.

        After the last key frame, they go up to `frame_count`, by default the one that the annotation says.
        """
        return boxes_of(self.region, self.size, frame_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorTrackTarget(TargetRegion):
    """A vector that moves in a video of `size`. `frame_count` is as that of `TrackTarget`."""

    size: PictureSize
    frame_count: int = 0

    def vectors(self, frame_count: int | None = None) -> dict[int, Vector]:
        """Return the vector in each frame in which it is shown, as `TrackTarget.boxes` does."""
        return vectors_of(self.region, self.size, frame_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTarget(TargetRegion):
    """A message of a `<Chat>`: who says it, its text, and when it was made (UTC); None if that is not known."""

    role: str
    content: str
    created_at: datetime.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTarget(TargetRegion):
    """What the code of a `<ReactCode>` has stored."""

    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RelationTarget:
    """A relation of two regions, named by their ids.

    `direction` is `"right"` (from the first to the second), `"left"` or `"bi"`.
    """

    from_id: str
    to_id: str
    direction: str = "right"
    labels: tuple[str, ...] = ()
