"""Table of the kinds of regions that have a metric. A new kind of region is a new row.

`validation/region_checks.py` has a table of its own, of the fields that each of Label Studio's region types needs: a
region's kind here depends on the fields that it has, because one type (`labels`) is used for several kinds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.evaluation.metrics import choices, numbers, rankings, regions, spans, transcripts
from label_studio_ml.evaluation.metrics.pictures import areas, boxes, key_points
from label_studio_ml.evaluation.metrics.regions import Region
from label_studio_ml.evaluation.metrics.results import Measured

#: Fields of a region's value that give a position.
_POSITION = frozenset(
    {"x", "start", "startOffset", "points", "vertices", "rle", "imageDataURL", "ranges", "sequence"}
)


@dataclass(frozen=True, slots=True)
class RegionKind:
    """One kind of region and its metric.

    `tags` are the controls that produce regions of this kind only. A region belongs to the kind if its value has all
    of `fields`, and `unless` does not hold. Without `fields`, regions of this kind describe the whole task: they have
    the type of one of the `tags`, and no position.

    `pair(annotated, predicted, score)` returns the regions of one place in a task as the metric compares them;
    `measure(pairs, labels)` returns the metric, with the labels of the control in order; `is_equal(annotated,
    predicted)` returns whether the two sides of a pair are equal, and is None if a share of equal pairs says nothing.
    """

    name: str
    tags: frozenset[str]
    pair: Callable[[Sequence[Region], Sequence[Region], float], tuple[Any, Any]]
    measure: Callable[[list[Any], list[str]], Measured]
    is_equal: Callable[[Any, Any], bool] | None = None
    fields: frozenset[str] = frozenset()
    unless: Callable[[Region, Mapping[str, Any]], bool] = lambda region, value: False


def _pair_of_choices(
    annotated: Sequence[Region], predicted: Sequence[Region], score: float
) -> tuple[list[str], list[str]]:
    return regions.choices(annotated), regions.choices(predicted)


def _have_equal_labels(annotated: Sequence[str], predicted: Sequence[str]) -> bool:
    return set(annotated) == set(predicted)


#: Measured instead of CHOICES if a task may have several.
MULTIPLE_CHOICES = RegionKind(
    "multiple choices",
    frozenset(),
    _pair_of_choices,
    choices.measure_multiple,
    is_equal=_have_equal_labels,
)
#: Measured as MULTIPLE_CHOICES unless each task has at most one choice.
CHOICES = RegionKind(
    "choices",
    frozenset({"Choices", "Pairwise"}),
    _pair_of_choices,
    choices.measure_exclusive,
    is_equal=_have_equal_labels,
)
KINDS = (
    CHOICES,
    RegionKind(
        "taxonomy",
        frozenset({"Taxonomy"}),
        lambda annotated, predicted, score: (regions.paths(annotated), regions.paths(predicted)),
        choices.measure_taxonomy,
        is_equal=lambda annotated, predicted: set(annotated) == set(predicted),
    ),
    RegionKind(
        "text",
        frozenset({"TextArea"}),
        lambda annotated, predicted, score: (regions.text(annotated), regions.text(predicted)),
        lambda pairs, labels: transcripts.measure(pairs),
        is_equal=lambda annotated, predicted: annotated == predicted,
    ),
    RegionKind(
        "numbers",
        frozenset({"Rating", "Number"}),
        lambda annotated, predicted, score: (regions.rating(annotated), regions.rating(predicted)),
        lambda pairs, labels: numbers.measure(pairs),
    ),
    RegionKind(
        "rankings",
        frozenset({"Ranker"}),
        regions.ranking_pair,
        lambda pairs, labels: rankings.measure(pairs),
        is_equal=rankings.is_equal,
    ),
    RegionKind(
        "boxes",
        frozenset({"Rectangle", "RectangleLabels"}),
        regions.box_pair,
        boxes.measure,
        fields=frozenset({"x", "y", "width", "height"}),
        unless=lambda region, value: "ellipse" in str(region.get("type")),
    ),
    RegionKind(
        "spans",
        frozenset({"HyperTextLabels", "ParagraphLabels", "TimeSeriesLabels"}),
        regions.span_pair,
        spans.measure,
        fields=frozenset({"start", "end"}),
        unless=lambda region, value: "sequence" in value,
    ),
    RegionKind(
        "frames",
        frozenset({"TimelineLabels"}),
        regions.frame_range_pair,
        spans.measure,
        fields=frozenset({"ranges"}),
    ),
    *(
        RegionKind(name, frozenset(tags), regions.area_pair, areas.measure, fields=frozenset(fields))
        for name, tags, fields in (
            ("polygons", ("Polygon", "PolygonLabels"), ("points",)),
            ("ellipses", ("Ellipse", "EllipseLabels"), ("radiusX", "radiusY")),
            ("brush masks", ("Brush", "BrushLabels", "MagicWand"), ("rle",)),
            ("bitmasks", ("Bitmask", "BitmaskLabels"), ("imageDataURL",)),
        )
    ),
    RegionKind(
        "key points",
        frozenset({"KeyPoint", "KeyPointLabels"}),
        regions.point_pair,
        key_points.measure,
        fields=frozenset({"x", "y"}),
        unless=lambda region, value: "height" in value or "radiusX" in value,
    ),
)

_BY_TAG = {tag: kind for kind in KINDS for tag in kind.tags}
_BY_TYPE = {tag.lower(): kind for kind in KINDS if not kind.fields for tag in kind.tags}
_BY_FIELDS = [kind for kind in KINDS if kind.fields]


def kind_of_tag(tag: str) -> RegionKind | None:
    """Return the kind of all regions of a control, None if its tag produces several kinds or none with a metric."""
    return _BY_TAG.get(tag)


def kind_of(region: Region) -> RegionKind | None:
    """Return the kind of a region, None if there is no metric for it."""
    value = region.get("value") or {}
    kind = _BY_TYPE.get(str(region.get("type")))
    if kind is not None:
        return None if _POSITION & value.keys() else kind
    return next(
        (kind for kind in _BY_FIELDS if kind.fields <= value.keys() and not kind.unless(region, value)),
        None,
    )
