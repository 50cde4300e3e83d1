"""Labelled tasks as typed examples: one type for each kind of control and object, as `annotations.targets` yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from label_studio_ml.inputs.media_size import picture_size_of_file
from label_studio_ml.regions.pictures.picture_size import PictureSize
from label_studio_ml.targets.target_regions import (
    BoxTarget,
    CodeTarget,
    EllipseTarget,
    KeyPointTarget,
    MaskTarget,
    MessageTarget,
    PageBoxTarget,
    PolygonTarget,
    RelationTarget,
    SegmentTarget,
    SpanTarget,
    TargetRegion,
    TimelineTarget,
    TrackTarget,
    VectorTarget,
    VectorTrackTarget,
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One annotation of one task, as seen by one control; the base of all examples.

    `value` is what the control's object shows of the task: a text, a URL. `path` is the local copy of its file; None if
    it has no file, or files are not fetched. `text` is the text that a `<Text>`, `<HyperText>` or `<Paragraphs>` shows
    (see `regions.labelled_text`), None for other objects. `item` is the index of the value in an object with several,
    such as the pages of `<Image valueList="$pages"/>`: each of them is an example of its own.
    """

    task: Mapping[str, Any] = field(repr=False)
    annotation: Mapping[str, Any] = field(repr=False)
    value: Any
    path: str | None = None
    text: str | None = None
    item: int = 0

    @property
    def task_id(self) -> Any:
        """The task's id; None if it has none."""
        return self.task.get("id")

    @property
    def annotation_id(self) -> Any:
        """The annotation's id; None if it has none."""
        return self.annotation.get("id")

    @property
    def annotator(self) -> Any:
        """The id of the user who made the annotation (`completed_by`); None if it is not known."""
        user = self.annotation.get("completed_by")
        return user.get("id") if isinstance(user, Mapping) else user

    @property
    def is_ground_truth(self) -> bool:
        """Whether the annotation is marked as ground truth."""
        return bool(self.annotation.get("ground_truth"))


RegionT = TypeVar("RegionT", bound=TargetRegion)


@dataclass(frozen=True, kw_only=True)
class RegionExample(Example, Generic[RegionT]):
    """An example with regions: all of the control's, in the annotation's order; none of a negative example.

    `relations` are those of the annotation between any of its regions.
    """

    regions: tuple[RegionT, ...] = ()
    relations: tuple[RelationTarget, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PictureExample(RegionExample[RegionT]):
    """A picture with regions in its pixels. `annotated_size` is the size in the annotation, or the one passed."""

    annotated_size: PictureSize | None = field(default=None, repr=False)

    @cached_property
    def size(self) -> PictureSize | None:
        """Width and height in pixels: those in the annotation, else those of the file, else None."""
        return self.annotated_size or picture_size_of_file(self.path)


class BoxExample(PictureExample[BoxTarget]):
    """A picture with boxes."""

    @property
    def boxes(self) -> tuple[BoxTarget, ...]:
        """The boxes (another name of `regions`)."""
        return self.regions


class EllipseExample(PictureExample[EllipseTarget]):
    """A picture with ellipses."""

    @property
    def ellipses(self) -> tuple[EllipseTarget, ...]:
        """The ellipses (another name of `regions`)."""
        return self.regions


class KeyPointExample(PictureExample[KeyPointTarget]):
    """A picture with key points."""

    @property
    def key_points(self) -> tuple[KeyPointTarget, ...]:
        """The key points (another name of `regions`)."""
        return self.regions


class PolygonExample(PictureExample[PolygonTarget]):
    """A picture with polygons."""

    @property
    def polygons(self) -> tuple[PolygonTarget, ...]:
        """The polygons (another name of `regions`)."""
        return self.regions


class MaskExample(PictureExample[MaskTarget]):
    """A picture with masks."""

    @property
    def masks(self) -> tuple[MaskTarget, ...]:
        """The masks (another name of `regions`)."""
        return self.regions


class VectorExample(PictureExample[VectorTarget]):
    """A picture with vectors."""

    @property
    def vectors(self) -> tuple[VectorTarget, ...]:
        """The vectors (another name of `regions`)."""
        return self.regions


class PageBoxExample(RegionExample[PageBoxTarget]):
    """A PDF file with boxes on its pages."""

    @property
    def boxes(self) -> tuple[PageBoxTarget, ...]:
        """The boxes (another name of `regions`)."""
        return self.regions


class SpanExample(RegionExample[SpanTarget]):
    """A text with spans; `text` is never None."""

    @property
    def spans(self) -> tuple[SpanTarget, ...]:
        """The spans (another name of `regions`)."""
        return self.regions


class _SegmentExample(RegionExample[SegmentTarget]):
    @property
    def segments(self) -> tuple[SegmentTarget, ...]:
        """The segments (another name of `regions`)."""
        return self.regions


class AudioExample(_SegmentExample):
    """A recording with segments in seconds."""


class TimeSeriesExample(_SegmentExample):
    """A time series with segments in values of its time column."""


class TrackExample(RegionExample[TrackTarget]):
    """A video with tracks of boxes."""

    @property
    def tracks(self) -> tuple[TrackTarget, ...]:
        """The tracks (another name of `regions`)."""
        return self.regions


class VectorTrackExample(RegionExample[VectorTrackTarget]):
    """A video with vectors that move."""

    @property
    def tracks(self) -> tuple[VectorTrackTarget, ...]:
        """The moving vectors (another name of `regions`)."""
        return self.regions


class ChatExample(RegionExample[MessageTarget]):
    """A conversation: the messages of the annotation. `value` has those of the task."""

    @property
    def messages(self) -> tuple[MessageTarget, ...]:
        """The messages (another name of `regions`)."""
        return self.regions


class CodeExample(RegionExample[CodeTarget]):
    """A task with what the code of a `<ReactCode>` has stored in its regions."""


class TimelineExample(RegionExample[TimelineTarget]):
    """A video with labelled frames."""

    @property
    def timelines(self) -> tuple[TimelineTarget, ...]:
        """The labelled frames (another name of `regions`)."""
        return self.regions


@dataclass(frozen=True, kw_only=True)
class ChoicesExample(Example):
    """A task with choices; without any, it was annotated without a choice."""

    choices: tuple[str, ...] = ()

    @property
    def choice(self) -> str | None:
        """The first choice; None if there is none."""
        return self.choices[0] if self.choices else None


@dataclass(frozen=True, kw_only=True)
class TaxonomyExample(Example):
    """A task with paths in a taxonomy, each from the top."""

    taxonomy: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RatingExample(Example):
    """A task with a rating; None if it was annotated without one."""

    rating: float | None = None


@dataclass(frozen=True, kw_only=True)
class NumberExample(Example):
    """A task with a number; None if it was annotated without one."""

    number: float | None = None


@dataclass(frozen=True, kw_only=True)
class DateTimeExample(Example):
    """A task with a date or time, as text in the control's format; None if it was annotated without one."""

    moment: str | None = None


@dataclass(frozen=True, kw_only=True)
class TextsExample(Example):
    """A task with the texts of a `<TextArea>`."""

    texts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PairExample(Example):
    """A comparison of two objects, left and right: `values`, the `paths` of their files, and the `side` chosen.

    `side` is None if it was annotated without one. `value` and `path` are those of the left object.
    """

    values: tuple[Any, ...] = ()
    paths: tuple[str | None, ...] = ()
    side: Literal["left", "right"] | None = None


@dataclass(frozen=True, kw_only=True)
class RankingExample(Example):
    """Items of a `<List>` in order: their ids. With buckets, `buckets` has the ids in each, `"_"` those in none."""

    ranking: tuple[str, ...] = ()
    buckets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
