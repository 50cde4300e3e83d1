"""Metrics of polygons, ellipses and masks, all compared pixel by pixel."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.evaluation.metrics.matching import by_label_and_all
from label_studio_ml.evaluation.metrics.pictures.average_precision import average_precision
from label_studio_ml.evaluation.metrics.pictures.boxes import MIN_OVERLAP
from label_studio_ml.evaluation.metrics.results import Measured, mean, ordered, ratio
from label_studio_ml.regions.pictures.column_runs import column_runs
from label_studio_ml.regions.pictures.ellipse import Ellipse

#: Corners of the polygon that stands for an ellipse.
_ELLIPSE_CORNERS = 180

#: How far a corner may be outside of the picture, in pictures: the time to fill a polygon grows with its outline.
_FARTHEST = 10

#: COCO's run-length code of a mask.
Code = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Area:
    """An area of a picture. `value` has the fields of the region's value that give the area, in little memory.

    `width` and `height` are the picture's size in pixels. `score` is between 0 and 1.
    """

    label: str
    value: Mapping[str, Any]
    width: int
    height: int
    score: float = 1.0

    def code(self) -> Code:
        """Return the area as a code; an empty one for a mask that is damaged."""
        from faster_coco_eval.core import mask

        height, width = self.height, self.width
        corners = self._corners()
        if corners is not None:
            if not all(math.isfinite(position) for corner in corners for position in corner):
                return _empty(height, width)  # turned, numbers near the largest ones are none
            flat = [
                min(max(position, -_FARTHEST * side), _FARTHEST * side)
                for corner in corners
                for position, side in zip(corner, (width, height), strict=True)
            ]
            return dict(mask.merge(mask.frPyObjects([flat], height, width)))
        inside = self._inside()
        if inside is None:
            return _empty(height, width)
        return dict(mask.frPyObjects({"size": [height, width], "counts": column_runs(inside)}, height, width))

    def _corners(self) -> list[tuple[float, float]] | None:
        """Return the corners of a polygon or ellipse in pixels, None for a mask."""
        value = self.value
        if "points" in value:
            return [(x * self.width / 100, y * self.height / 100) for x, y in value["points"]]
        if "radiusX" not in value:
            return None
        ellipse = Ellipse(
            value["x"] * self.width / 100,
            value["y"] * self.height / 100,
            value["radiusX"] * self.width / 100,
            value["radiusY"] * self.height / 100,
            value.get("rotation") or 0.0,
        )
        return ellipse.outline(_ELLIPSE_CORNERS)

    def _inside(self) -> Any:
        """Return a mask as an array of shape (height, width), True inside; None if it is damaged."""
        from label_studio_ml.regions.pictures.mask import mask_of

        value = self.value
        if "rle" in value:
            value = {**value, "rle": list(value["rle"])}
        try:
            return mask_of({"value": value}, (self.width, self.height))
        except ValueError:
            return None


def _empty(height: int, width: int) -> Code:
    from faster_coco_eval.core import mask

    return dict(mask.frPyObjects({"size": [height, width], "counts": [height * width]}, height, width))


#: A task's annotated areas and its predicted ones.
Pair = tuple[Sequence[Area], Sequence[Area]]


@dataclass(frozen=True, slots=True)
class _Coded:
    """An area with its code."""

    label: str
    score: float
    code: Code


def measure(pairs: Sequence[Pair], config_labels: list[str]) -> Measured:
    """Return COCO's mean average precision of masks; precision, recall and F1; and the overlap of all pixels.

    `map_50`, `map_50_95`, `precision`, `recall` and `f1` are those of boxes (see `boxes.measure`), with the overlap of
    the areas. `iou` takes all areas of a label as one: pixels that are annotated and predicted, divided by those that
    are either, over all tasks; overall, it is the mean of the labels.
    """
    coded = [(_coded(annotated), _coded(predicted)) for annotated, predicted in pairs]
    labels = ordered({area.label for pair in coded for side in pair for area in side}, config_labels)
    precisions = average_precision(coded, labels, "segm", _entry)
    counts = {label: _counts(coded, label) for label in labels}
    overall, by_label = by_label_and_all(counts)
    for label in labels:
        ap50, ap = precisions[label]
        by_label[label] |= {"ap_50": ap50, "ap_50_95": ap, "iou": _pixel_overlap(coded, label)}
    metrics = {
        "map_50": mean([ap50 for ap50, _ in precisions.values()]),
        "map_50_95": mean([ap for _, ap in precisions.values()]),
        **overall,
        "iou": mean([values["iou"] for values in by_label.values()]),
    }
    return Measured(kind="areas", tasks=len(pairs), metrics=metrics, labels=by_label)


def matches(annotated: Sequence[Area], predicted: Sequence[Area]) -> int:
    """Return how many predicted areas of one label match an annotated one, as boxes do."""
    pair = (_coded(annotated), _coded(predicted))
    return sum(_counts([pair], label)[0] for label in {area.label for area in pair[0]})


def _coded(areas: Iterable[Area]) -> list[_Coded]:
    return [_Coded(area.label, area.score, area.code()) for area in areas]


def _entry(area: _Coded) -> dict[str, Any]:
    from faster_coco_eval.core import mask

    box = [float(side) for side in mask.toBbox(area.code)]
    return {"segmentation": area.code, "area": float(mask.area(area.code)), "bbox": box}


def _counts(pairs: Sequence[tuple[list[_Coded], list[_Coded]]], label: str) -> tuple[int, int, int]:
    """Return the numbers of matched, predicted and annotated areas of a label, matched as boxes are."""
    from faster_coco_eval.core import mask

    matched = predicted = annotated = 0
    for truth, candidates in pairs:
        reference = [area.code for area in truth if area.label == label]
        ranked = sorted((area for area in candidates if area.label == label), key=lambda area: -area.score)
        predicted, annotated = predicted + len(ranked), annotated + len(reference)
        if not reference or not ranked:
            continue
        overlaps = mask.iou([area.code for area in ranked], reference, [0] * len(reference))
        unmatched = set(range(len(reference)))
        for row in overlaps:
            best = max(unmatched, key=lambda column: row[column], default=None)
            if best is not None and row[best] >= MIN_OVERLAP:
                unmatched.remove(best)
                matched += 1
    return matched, predicted, annotated


def _pixel_overlap(pairs: Sequence[tuple[list[_Coded], list[_Coded]]], label: str) -> float | None:
    """Return the overlap of a label's annotated and predicted pixels; None if there are none."""
    from faster_coco_eval.core import mask

    common = total = 0.0
    for pair in pairs:
        codes = [[area.code for area in side if area.label == label] for side in pair]
        sides = [mask.merge(side) if len(side) > 1 else side[0] for side in codes if side]
        if not sides:
            continue
        both = sum(float(mask.area(side)) for side in sides)
        overlap = float(mask.iou(sides[:1], sides[1:], [0])[0][0]) if len(sides) == 2 else 0.0
        either = both / (1 + overlap)  # faster than a merge of both sides: overlap = (both - either) / either
        total, common = total + either, common + both - either
    return ratio(common, total) if total else None
