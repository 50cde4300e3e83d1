"""Compare an annotation with the prediction that it began as: which regions were kept, changed, removed and added.

When an annotator begins with a prediction, Label Studio copies its regions with their ids, sets the annotation's
`parent_prediction` to the prediction's id, and notes in each region's `origin` whether it is still as it was predicted
("prediction"), was changed ("prediction-changed"), or was drawn by the annotator ("manual"). Seen with Label Studio
1.23. Regions that come from scripts have no `origin`: their values are compared.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from label_studio_ml.evaluation.metrics.regions import labels_of

Region = Mapping[str, Any]

#: The largest difference between two numbers of a region that count as equal: Label Studio rounds coordinates, which
#: are percentages, when it copies a region.
TOLERANCE = 0.01


class RegionUse(StrEnum):
    """What became of a predicted region, or that a region was added by the annotator."""

    KEPT = "kept"
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"


class AnnotationUse(StrEnum):
    """What became of a prediction: accepted as it was, changed, or discarded (no region of it was kept or changed)."""

    ACCEPTED = "accepted"
    CHANGED = "changed"
    DISCARDED = "discarded"


def region_uses(predicted: Sequence[Region], annotated: Sequence[Region]) -> list[tuple[str, RegionUse]]:
    """Return the label of each region of both results with what became of it.

    The label of a region with several labels is that of the first; a region without one has the name of its control.
    A predicted region whose label was changed counts for the predicted label.
    """
    remaining = {
        _key(region, number): region for number, region in enumerate(annotated) if _is_region(region)
    }
    uses: list[tuple[str, RegionUse]] = []
    unmatched: list[Region] = []
    for number, region in enumerate(region for region in predicted if _is_region(region)):
        key = _key(region, number)
        if "id" in region and key in remaining:
            other = remaining.pop(key)
            uses.append((label_of(region), RegionUse.KEPT if _is_kept(region, other) else RegionUse.CHANGED))
        else:
            unmatched.append(region)
    for region in unmatched:
        uses.append((label_of(region), _use_without_id(region, remaining)))
    uses += [(label_of(region), RegionUse.ADDED) for region in remaining.values()]
    return uses


def annotation_use(uses: Sequence[tuple[str, RegionUse]]) -> AnnotationUse:
    """Return what became of a prediction, from its regions. An empty one without added regions was accepted."""
    kinds = {use for _, use in uses}
    if kinds <= {RegionUse.KEPT}:
        return AnnotationUse.ACCEPTED
    if kinds & {RegionUse.KEPT, RegionUse.CHANGED} or RegionUse.REMOVED not in kinds:
        return AnnotationUse.CHANGED
    return AnnotationUse.DISCARDED


def label_of(region: Region) -> str:
    """Return the first label of a region, the name of its control in brackets if it has none."""
    labels = labels_of(region)
    return labels[0] if labels else f"({region.get('from_name')})"


def _is_region(item: Region) -> bool:
    """Return whether an item of a result has a value: relations have none."""
    return isinstance(item, Mapping) and isinstance(item.get("value"), Mapping)


def _key(region: Region, number: int) -> tuple[Any, ...]:
    """Return what identifies a region in a result; its position there if it has no id."""
    region_id = region.get("id")
    return (region_id if isinstance(region_id, str) else number, region.get("from_name"))


def _use_without_id(region: Region, remaining: dict[tuple[Any, ...], Region]) -> RegionUse:
    """Return what became of a predicted region whose id the annotation has not, and remove its match in `remaining`.

    A region that was drawn again with the same value was kept. A value of the whole task, such as a choice, that has
    another value was changed.
    """
    same_control = [key for key, other in remaining.items() if _has_same_control(region, other)]
    for key in same_control:
        if _is_equal(region["value"], remaining[key]["value"]):
            del remaining[key]
            return RegionUse.KEPT
    if same_control and not _has_place(region) and not _has_place(remaining[same_control[0]]):
        del remaining[same_control[0]]
        return RegionUse.CHANGED
    return RegionUse.REMOVED


def _has_same_control(region: Region, other: Region) -> bool:
    return region.get("from_name") == other.get("from_name") and region.get("to_name") == other.get("to_name")


def _has_place(region: Region) -> bool:
    """Return whether a region has more in its value than labels, texts and ratings of the whole task."""
    return bool(
        region["value"].keys() & {"x", "start", "points", "vertices", "rle", "imageDataURL", "sequence"}
    )


def _is_kept(predicted: Region, annotated: Region) -> bool:
    return annotated.get("origin") == "prediction" or _is_equal(predicted["value"], annotated["value"])


def _is_equal(predicted: Any, annotated: Any) -> bool:
    """Return whether two values are equal, as far as the predicted one says: Label Studio adds fields to regions."""
    if isinstance(predicted, Mapping) and isinstance(annotated, Mapping):
        return all(
            _is_equal(value, annotated[name]) if name in annotated else not value
            for name, value in predicted.items()
        )
    if isinstance(predicted, list | tuple) and isinstance(annotated, list | tuple):
        return len(predicted) == len(annotated) and all(map(_is_equal, predicted, annotated))
    if _is_number(predicted) and _is_number(annotated):
        return math.isclose(predicted, annotated, rel_tol=0.0, abs_tol=TOLERANCE)
    return bool(predicted == annotated)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
