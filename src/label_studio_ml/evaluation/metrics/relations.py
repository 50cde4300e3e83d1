"""Metrics of relations between regions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.evaluation.metrics.matching import by_label_and_all, count_matches, of_label
from label_studio_ml.evaluation.metrics.pictures.boxes import MIN_OVERLAP, Box, overlap
from label_studio_ml.evaluation.metrics.region_place import PARTS_OF_OBJECTS, place_of
from label_studio_ml.evaluation.metrics.results import Measured, ordered

#: Label of a relation that has none.
UNLABELLED = "(relation)"

#: Fields of a region's value that are not compared as its position: `place_of` has some of them.
_NO_PLACE = frozenset({"text", "globalOffsets", "rotation", "score", *PARTS_OF_OBJECTS})

Region = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation from one region to another; `both_ways` if it has no direction."""

    label: str
    source: Region
    target: Region
    both_ways: bool = False


#: A task's annotated relations and its predicted ones.
Pair = tuple[Sequence[Relation], Sequence[Relation]]


def relations_in(regions: Iterable[Region]) -> list[Relation]:
    """Return the relations among a task's regions, one for each label; those whose ends are missing are left out."""
    listed = [region for region in regions if isinstance(region, Mapping)]
    ends: dict[Any, Region] = {}
    for region in listed:
        if region.get("type") != "relation" and isinstance(region.get("id"), str | int):
            ends.setdefault(region["id"], region)
    relations = []
    for region in listed:
        if region.get("type") != "relation":
            continue
        source, target = (_end(ends, region.get(name)) for name in ("from_id", "to_id"))
        if source is None or target is None:
            continue
        direction = region.get("direction") or "right"
        if direction == "left":
            source, target = target, source
        labels = region.get("labels")
        names = [str(label) for label in labels] if isinstance(labels, list | tuple) else []
        relations += [Relation(name, source, target, direction == "bi") for name in names or [UNLABELLED]]
    return relations


def _end(ends: Mapping[Any, Region], region_id: Any) -> Region | None:
    return ends.get(region_id) if isinstance(region_id, str | int) else None


def measure(pairs: Sequence[Pair], config_labels: list[str]) -> Measured:
    """Return precision, recall and F1 of relations.

    A predicted relation matches an annotated one with the same label and direction if both of its ends do: regions of
    the same control and labels in the same place. Boxes are in the same place if they overlap by half (`MIN_OVERLAP`);
    for other regions, the places must be equal.
    """
    labels = ordered({relation.label for pair in pairs for side in pair for relation in side}, config_labels)
    counts = {}
    for label in labels:
        matched = predicted = annotated = 0
        for truth, candidates in pairs:
            reference, candidate = of_label(truth, label), of_label(candidates, label)
            matched += count_matches(candidate, reference, _likeness)
            predicted, annotated = predicted + len(candidate), annotated + len(reference)
        counts[label] = (matched, predicted, annotated)
    metrics, by_label = by_label_and_all(counts)
    return Measured(kind="relations", tasks=len(pairs), metrics={**metrics}, labels=by_label)


def _likeness(relation: Relation, other: Relation) -> float:
    """Return 1 if two relations are equal, else 0."""
    if relation.both_ways != other.both_ways:
        return 0.0
    straight = _same_region(relation.source, other.source) and _same_region(relation.target, other.target)
    if not straight and relation.both_ways:
        straight = _same_region(relation.source, other.target) and _same_region(relation.target, other.source)
    return float(straight)


def _same_region(region: Region, other: Region) -> bool:
    """Tell whether two regions mark the same place with the same labels by the same control."""
    if any(region.get(name) != other.get(name) for name in ("from_name", "type")):
        return False
    if place_of(region) != place_of(other):
        return False
    value, other_value = region.get("value") or {}, other.get("value") or {}
    kind = str(region.get("type"))
    if value.get(kind) != other_value.get(kind):
        return False
    box, other_box = _box(value), _box(other_value)
    if box is not None and other_box is not None:
        return overlap(box, other_box) >= MIN_OVERLAP
    offsets, other_offsets = value.get("globalOffsets"), other_value.get("globalOffsets")
    if offsets and other_offsets:  # the same span may have several paths
        return bool(offsets == other_offsets)
    return _place(value) == _place(other_value)


def _box(value: Mapping[str, Any]) -> Box | None:
    """Return the box in a region's value, None if it has none."""
    try:
        return Box("", *(float(value[name]) for name in ("x", "y", "width", "height")))
    except (KeyError, TypeError, ValueError):
        return None


def _place(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: field for name, field in value.items() if name not in _NO_PLACE}
