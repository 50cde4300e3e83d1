"""Key points of a picture as objects: those of one parent region, or of the picture, are one object's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.regions.pictures.box import Box
from label_studio_ml.regions.pictures.picture_size import PictureSize
from label_studio_ml.targets.example_types import PictureExample
from label_studio_ml.targets.exports.class_list import UNLABELLED, Omitted
from label_studio_ml.targets.exports.pictures.picture_shapes import rounded
from label_studio_ml.targets.target_regions import KeyPointTarget

XYWH = tuple[float, float, float, float]


@dataclass
class PointGroup:
    """The key points of one object, by name. `label` is that of the region that contains them, None without one.

    `box` is that region's, as left, top, width and height; None if it is no upright or turned box.
    """

    label: str | None = None
    box: XYWH | None = None
    points: dict[str, KeyPointTarget] = field(default_factory=dict)

    @property
    def bbox(self) -> XYWH:
        """Left, top, width and height: of the region that contains the points, else of the points."""
        if self.box is not None:
            return self.box
        xs, ys = [point.x for point in self.points.values()], [point.y for point in self.points.values()]
        return rounded(min(xs)), rounded(min(ys)), rounded(max(xs) - min(xs)), rounded(max(ys) - min(ys))

    def bbox_in(self, size: PictureSize) -> XYWH | None:
        """Return the part of `bbox` that is in a picture of this size; None if there is none.

        A single point has a box without an area.
        """
        left, top, width, height = self.bbox
        right, bottom = min(left + width, size.width), min(top + height, size.height)
        left, top = max(left, 0.0), max(top, 0.0)
        if right < left or bottom < top:
            return None
        return rounded(left), rounded(top), rounded(right - left), rounded(bottom - top)

    def points_in(self, size: PictureSize) -> dict[str, KeyPointTarget]:
        """Return the points that are in a picture of this size."""
        return {
            name: point
            for name, point in self.points.items()
            if 0 <= point.x <= size.width and 0 <= point.y <= size.height
        }


def point_names(label_names: Sequence[str], control: Any) -> list[str]:
    """Return the names of the key points of an object. Raises LabelConfigError if the control has no labels."""
    if not label_names:
        raise LabelConfigError(
            f"{control} has no labels, which are the names of an object's key points",
            fix="Use <KeyPointLabels>, or pass the <Labels> that names them as labels_control=…",
            field="label_config",
        )
    return list(label_names)


def groups_of(example: PictureExample[Any], omitted: Omitted) -> list[PointGroup]:
    """Return the objects of a picture.

    Points belong to the region that Label Studio's page has them under (`parentID`). A point whose name the object has
    already begins another object.
    """
    entries = {
        str(entry.get("id")): entry
        for entry in example.annotation.get("result") or []
        if isinstance(entry, Mapping) and entry.get("id")
    }
    groups: dict[tuple[Any, int], PointGroup] = {}
    counts: dict[tuple[Any, str], int] = {}
    for point in example.regions:
        if point.label is None:
            omitted.add(UNLABELLED)
            continue
        parent = str(point.region.get("parentID") or "")
        number = counts[parent, point.label] = counts.get((parent, point.label), -1) + 1
        group = groups.get((parent, number))
        if group is None:
            group = groups[parent, number] = _group(entries.get(parent), example)
        group.points[point.label] = point
    return list(groups.values())


def _group(parent: Mapping[str, Any] | None, example: PictureExample[Any]) -> PointGroup:
    value = (parent or {}).get("value")
    if parent is None or not isinstance(value, Mapping) or example.size is None:
        return PointGroup()
    labels = value.get(str(parent.get("type")))
    label = str(labels[0]) if isinstance(labels, list) and labels else None
    try:
        left, top, width, height = Box.of_value(dict(value), example.size).xywh
    except ValueError:
        return PointGroup(label)
    return PointGroup(label, (rounded(left), rounded(top), rounded(width), rounded(height)))
