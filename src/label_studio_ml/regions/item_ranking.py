"""Rankings of the items in a `<List>`: `<Ranker>`, with or without buckets.

Label Studio stores the ids of the items in each column. A `<Ranker>` without buckets has one column, of its own name.
Its page shows no item that a ranking leaves out, and stops at an id that the task does not have; so rankings are made
of a task's items, and complete.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.region import Region, fields_in, make, number, plain, require
from label_studio_ml.support.texts import plural

#: The bucket with the items that are in no other one, if the label config marks none as default.
UNSORTED = "_"


def ranking(
    control: Control,
    task: Mapping[str, Any],
    *,
    order: Iterable[Any] | None = None,
    scores: Any = None,
    score: float | None = None,
) -> Region | None:
    """Return the order of a task's items, for a `<Ranker>` without buckets; None if the task has no items.

    Pass either `order`, the ids from the first to the last one, where items that are left out follow in the task's
    order; or `scores`, a number for each item in the task's order, of which the highest is the first. `score` is how
    sure the model is. Raises ValueError for ids that the task does not have, and LabelConfigError for another control.
    """
    _require(control, has_buckets=False)
    ids = item_ids(control, task)
    if (order is None) == (scores is None):
        raise ValueError("Pass either order or scores")
    if scores is not None:
        values = [number(value, "scores") for value in plain(scores)]
        if len(values) != len(ids):
            raise ValueError(
                f"scores must have one for each of the {plural(len(ids), 'item')}, not {len(values)}"
            )
        ranked = [ids[at] for at in sorted(range(len(ids)), key=lambda at: -values[at])]
    else:
        ranked = _known(control, order or (), ids)
        ranked += [item for item in ids if item not in ranked]
    return make(control, {"ranker": {control.name: ranked}}, score=score) if ids else None


def buckets(
    control: Control,
    task: Mapping[str, Any],
    groups: Mapping[str, Iterable[Any]],
    *,
    score: float | None = None,
) -> Region | None:
    """Return which of a task's items are in which bucket of a `<Ranker>`; None if the task has no items.

    `groups` has for the names of buckets the ids of items, the first one on top. Items that are left out are in the
    bucket that the label config marks as default, or in none. Raises ValueError for ids that the task does not have or
    that are in several buckets, and LabelConfigError for another control or an unknown bucket.
    """
    _require(control, has_buckets=True)
    ids = item_ids(control, task)
    names = [bucket.name for bucket in control.buckets]
    default = next((bucket.name for bucket in control.buckets if bucket.is_default), UNSORTED)
    if unknown := [str(name) for name in groups if name not in (*names, default)]:
        raise LabelConfigError(
            f"{control} has no bucket {', '.join(unknown)}; it has: {', '.join(names)}", field="label_config"
        )
    placed = _known(control, (item for group in groups.values() for item in group), ids)
    made = {name: [str(item) for item in groups.get(name, ())] for name in dict.fromkeys((*names, default))}
    made[default] += [item for item in ids if item not in placed]
    return make(control, {"ranker": made}, score=score) if ids else None


def order_of(region: Mapping[str, Any]) -> list[str]:
    """Return the ids of items in the order of a ranking. Raises ValueError if the region is none."""
    value = _columns(region)
    if set(value) != {region.get("from_name")}:
        raise ValueError("The region has buckets: use regions.buckets_of")
    return next(iter(value.values()))


def buckets_of(region: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the ids of the items in each bucket; `"_"` has those in none. Raises ValueError for other regions."""
    value = _columns(region)
    if set(value) == {region.get("from_name")}:
        raise ValueError("The region is a ranking without buckets: use regions.order_of")
    return value


def item_ids(control: Control, task: Mapping[str, Any]) -> list[str]:
    """Return the ids of the items that a task has, as Label Studio writes them. Raises ValueError for other data."""
    items = control.value(task)
    if not isinstance(items, list | tuple) or not all(
        isinstance(item, Mapping) and item.get("id") is not None for item in items
    ):
        raise ValueError(
            f"The task's field {control.field!r} must be a list of items with an id each, not {str(items)[:80]}"
        )
    return list(dict.fromkeys(str(item["id"]) for item in items))


def _known(control: Control, order: Iterable[Any], ids: list[str]) -> list[str]:
    """Return ids as texts. Raises ValueError for one that is not in `ids`, or there twice."""
    ranked = [str(item) for item in plain(order)]
    for item in ranked:
        if item not in ids:
            raise ValueError(
                f"The task has no item {item!r} in {control.field!r}; it has: {', '.join(ids[:20])}"
            )
    if len(set(ranked)) != len(ranked):
        raise ValueError("Each item may be ranked once")
    return ranked


def _columns(region: Mapping[str, Any]) -> dict[str, list[str]]:
    value = region["value"].get("ranker")
    if not isinstance(value, Mapping):
        raise ValueError(f"The region is no ranking: its value has {fields_in(region)}")
    return {str(name): [str(item) for item in items] for name, items in value.items()}


def _require(control: Control, *, has_buckets: bool) -> None:
    """Raise LabelConfigError unless the control is a `<Ranker>` with or without buckets."""
    require(control, Geometry.RANKING)
    if bool(control.buckets) != has_buckets:
        raise LabelConfigError(
            f"{control} has {'no ' if has_buckets else ''}buckets",
            fix=f"Use regions.{'ranking' if has_buckets else 'buckets'}",
            field="label_config",
        )
