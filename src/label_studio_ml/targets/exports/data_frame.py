"""A pandas data frame with a row for each region, or for each value of a whole task."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from label_studio_ml.targets.example_types import (
    ChoicesExample,
    DateTimeExample,
    Example,
    NumberExample,
    PairExample,
    RankingExample,
    RatingExample,
    RegionExample,
    TaxonomyExample,
    TextsExample,
)
from label_studio_ml.targets.exports.class_list import Omitted
from label_studio_ml.targets.exports.exported import ExportedTargets
from label_studio_ml.targets.exports.pictures.picture_shapes import DAMAGED, run_lengths
from label_studio_ml.targets.target_regions import (
    BoxTarget,
    EllipseTarget,
    MaskTarget,
    PageBoxTarget,
    TargetRegion,
)

if TYPE_CHECKING:
    import pandas

#: The columns of all rows.
COMMON = ("task_id", "annotation_id", "annotator", "ground_truth", "item", "value", "path", "label")
REGION = ("region_id", "labels", "values")

#: The columns of examples of whole tasks.
_WHOLE: dict[type[Example], tuple[str, ...]] = {
    ChoicesExample: ("choices",),
    TaxonomyExample: ("taxonomy",),
    RatingExample: ("rating",),
    NumberExample: ("number",),
    DateTimeExample: ("moment",),
    TextsExample: ("texts",),
    PairExample: ("side", "values"),
    RankingExample: ("ranking", "buckets"),
}

#: The columns of kinds of regions whose fields are not numbers and texts themselves.
_REGIONS: dict[type[TargetRegion], tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {
    BoxTarget: (
        ("xmin", "ymin", "xmax", "ymax", "cx", "cy", "width", "height", "rotation"),
        lambda region: (*region.xyxy, *region.cxcywh, region.rotation),
    ),
    PageBoxTarget: (
        ("page", "xmin", "ymin", "xmax", "ymax", "rotation", "text"),
        lambda region: (region.page, *region.box.xyxy, region.box.rotation, region.text),
    ),
    EllipseTarget: (
        ("cx", "cy", "radius_x", "radius_y", "rotation"),
        lambda region: dataclasses.astuple(region.ellipse),
    ),
    MaskTarget: (("mask",), lambda region: (run_lengths(region.pixels()),)),
}


def data_frame(targets: ExportedTargets) -> "pandas.DataFrame":
    """Return the targets as a data frame; see `Targets.to_pandas`. Raises ModuleNotFoundError without pandas."""
    import pandas as pd

    omitted = Omitted()
    rows = list(_rows(targets, omitted))
    omitted.log("to_pandas()")
    return pd.DataFrame(rows, columns=list(columns_of(targets)))


def columns_of(targets: ExportedTargets) -> tuple[str, ...]:
    """Return the names of the columns, which depend on the control alone."""
    if targets.region_type is None:
        return (*COMMON, *_WHOLE[targets.example_type])
    return (*COMMON, *REGION, *_fields(targets.region_type)[0])


def _fields(region_type: type[TargetRegion]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the columns of a kind of regions, and the function that returns their values."""
    if region_type in _REGIONS:
        return _REGIONS[region_type]
    shared = {field.name for field in dataclasses.fields(TargetRegion)}
    names = tuple(field.name for field in dataclasses.fields(region_type) if field.name not in shared)
    return names, lambda region: tuple(getattr(region, name) for name in names)


def _rows(targets: ExportedTargets, omitted: Omitted) -> Iterator[tuple[Any, ...]]:
    for example in targets:
        common = (
            example.task_id,
            example.annotation_id,
            example.annotator,
            example.is_ground_truth,
            example.item,
            example.value,
            example.path,
        )
        if targets.region_type is None:
            label = example.choice if isinstance(example, ChoicesExample) else None
            yield (*common, label, *(getattr(example, name) for name in _WHOLE[targets.example_type]))
        else:
            yield from _region_rows(common, example, targets.region_type, omitted)


def _region_rows(
    common: tuple[Any, ...], example: RegionExample[Any], region_type: type[TargetRegion], omitted: Omitted
) -> Iterator[tuple[Any, ...]]:
    fields = _fields(region_type)[1]
    for region in example.regions:
        try:
            numbers = fields(region)
        except ValueError:  # only masks are decoded here
            omitted.add(DAMAGED)
            continue
        yield (*common, region.label, region.id, region.labels, dict(region.values), *numbers)
