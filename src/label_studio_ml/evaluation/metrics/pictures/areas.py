"""Metrics of polygons, ellipses and masks, all compared pixel by pixel."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.evaluation.metrics.matching import by_label_and_all
from label_studio_ml.evaluation.metrics.pictures.average_precision import average_precision, mean
from label_studio_ml.evaluation.metrics.pictures.boxes import MIN_OVERLAP
from label_studio_ml.evaluation.metrics.results import Measured, ordered, ratio

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
            flat = [
                min(max(position, -_FARTHEST * side), _FARTHEST * side)
                for corner in corners
                for position, side in zip(corner, (width, height), strict=True)
            ]
            return dict(mask.merge(mask.frPyObjects([flat], height, width)))
        inside = self._inside()
        if inside is None:
            outside = {"size": [height, width], "counts": [height * width]}
            return dict(mask.frPyObjects(outside, height, width))
        return dict(mask.encode(inside))

    def _corners(self) -> list[tuple[float, float]] | None:
        """Return the corners of a polygon or ellipse in pixels, None for a mask."""
        value = self.value
        if "points" in value:
            return [(x * self.width / 100, y * self.height / 100) for x, y in value["points"]]
        if "radiusX" not in value:
            return None
        center_x, center_y = value["x"] * self.width / 100, value["y"] * self.height / 100
        radius_x, radius_y = value["radiusX"] * self.width / 100, value["radiusY"] * self.height / 100
        turn = math.radians(value.get("rotation") or 0.0)
        corners = []
        for corner in range(_ELLIPSE_CORNERS):
            angle = 2 * math.pi * corner / _ELLIPSE_CORNERS
            across, down = radius_x * math.cos(angle), radius_y * math.sin(angle)
            corners.append(
                (
                    center_x + across * math.cos(turn) - down * math.sin(turn),
                    center_y + across * math.sin(turn) + down * math.cos(turn),
                )
            )
        return corners

    def _inside(self) -> Any:
        """Return a mask as an array of shape (height, width) with 1 inside; None if it is damaged."""
        import numpy as np

        from label_studio_ml.regions.pictures.mask import mask_of

        value = self.value
        if "rle" in value:
            value = {**value, "rle": list(value["rle"])}
        try:
            inside = mask_of({"value": value}, (self.width, self.height))
        except ValueError:
            return None
        return np.asfortranarray(inside, np.uint8)


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
        found = sorted((area for area in candidates if area.label == label), key=lambda area: -area.score)
        predicted, annotated = predicted + len(found), annotated + len(reference)
        if not reference or not found:
            continue
        overlaps = mask.iou([area.code for area in found], reference, [0] * len(reference))
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
        sides = [mask.merge(codes) for side in pair if (codes := [a.code for a in side if a.label == label])]
        if not sides:
            continue
        total += float(mask.area(mask.merge(sides)))
        if len(sides) == 2:
            common += float(mask.area(mask.merge(sides, intersect=1)))
    return ratio(common, total) if total else None
