"""Checks of the regions of one prediction together: entries with one id, values per region, relations.

Label Studio makes one region of all entries with the same id. The first one must have the position; the positions of
later ones are ignored. A relation with an id that no region has makes its page fail.
"""

import zlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from label_studio_ml.validation.allowed_controls import AllowedControl
from label_studio_ml.validation.finding import Problem, Repair
from label_studio_ml.validation.kinds.values import POSITION, warning

#: Fields of a value that give its position, other than labels and texts.
PLACE = (
    *(
        "x",
        "y",
        "width",
        "height",
        "radiusX",
        "radiusY",
        "rotation",
        "points",
        "vertices",
        "rle",
        "imageDataURL",
    ),
    *("start", "end", "startOffset", "endOffset", "ranges", "sequence"),
)

#: Types of regions without a position that others can say something of.
_WITHOUT_POSITION = frozenset({"chatmessage", "reactcode"})


def has_position(region: Mapping[str, Any]) -> bool:
    """Tell whether the value of a region gives a position."""
    value = region.get("value")
    return isinstance(value, Mapping) and not POSITION.isdisjoint(value)


def result_problems(
    result: Sequence[Any], find: Callable[[Any], AllowedControl | None], *, interactive: bool
) -> Iterator[tuple[int, Problem]]:
    """Yield the problems of regions that depend on other regions, with the index of the region.

    `find` returns the control of a `from_name`. In the answer to an `interactive` request, relations may name regions
    that the annotation has already.
    """
    first: dict[str, tuple[int, Mapping[str, Any]]] = {}
    regions: set[str] = set()
    relations: list[tuple[int, Mapping[str, Any]]] = []
    per_region: list[tuple[int, str]] = []
    moved: set[tuple[str, str]] = set()
    for number, region in enumerate(result):
        if not isinstance(region, Mapping):
            continue
        if region.get("type") == "relation":
            relations.append((number, region))
            continue
        name = _id(region.get("id"))
        control = find(region.get("from_name"))
        full = control.control if control is not None else None
        if full is not None and full.is_per_region and not has_position(region):
            per_region.append((number, name))
        if not name:
            continue
        if name in first:
            yield from _entry_problems(number, region, name, *first[name], moved)
        first.setdefault(name, (number, region))
        if has_position(region) or str(region.get("type")).lower() in _WITHOUT_POSITION:
            regions.add(name)
    for number, name in () if interactive else per_region:
        if name not in regions:
            yield number, _WITHOUT_REGION
    for number, relation in () if interactive else relations:
        missing = next((end for end in ("from_id", "to_id") if _id(relation.get(end)) not in first), "")
        if missing:
            yield number, _relation_problem(missing, relation.get(missing))


_WITHOUT_REGION = warning(
    "its control is for single regions (perRegion), and no region of the prediction has its id",
    fix="Give it the id of its region, as regions.attach does",
)


def _id(value: Any) -> str:
    """Return an id as Label Studio reads it, as text; empty for none."""
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _relation_problem(field: str, name: Any) -> Problem:
    text = f"its {field} is no id of a region of the prediction"
    return Problem(text, field, "regions.relation takes the regions themselves", f"it is {name!r:.80}")


def _entry_problems(
    number: int,
    region: Mapping[str, Any],
    name: str,
    at: int,
    first: Mapping[str, Any],
    moved: set[tuple[str, str]],
) -> Iterator[tuple[int, Problem]]:
    """Yield the problem of a further entry of an id, whose first entry is `first`, at the index `at`.

    Another position makes it another region if its control is the same; what other controls say of that region has its
    position, too. `moved` are the ids and positions of such regions.
    """
    if not has_position(region):
        return
    if not has_position(first):
        text = "an entry without a position comes before it and has its id: Label Studio does not show it"
        yield number, Problem(text, "id", "Put the entry with the position first", f"entry {at}")
        return
    place, other = _place(region), _place(first)
    if all(place[field] == other[field] for field in place.keys() & other.keys()):
        return
    if region.get("from_name") != first.get("from_name") and (name, repr(place)) not in moved:
        text = "its position is not that of the first entry of its id, and is ignored"
        yield (
            number,
            warning(text, "id", "Repeat the position of the first entry, or leave it out", f"region {at}"),
        )
    else:
        moved.add((name, repr(place)))
        text = "another region has its id and another position: Label Studio shows only one of them"
        fix = "Give each region an id of its own, or none"
        yield (
            number,
            Problem(text, "id", fix, f"region {at}, id {name!r:.60}", repair=_with_own_id(name, place)),
        )


def _place(region: Mapping[str, Any]) -> dict[str, Hashable]:
    value = region["value"]
    return {field: _plain(value[field]) for field in PLACE if field in value}


def _plain(value: Any) -> Hashable:
    """Return a value for comparison; numbers are rounded."""
    if isinstance(value, int | float):
        return round(float(value), 6)
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if isinstance(value, Mapping):
        return tuple((key, _plain(field)) for key, field in value.items())
    return str(value)


def _with_own_id(name: str, place: Mapping[str, Hashable]) -> Repair:
    """Return a repair that gives a region an id of its own, which is the same for all entries at its place."""
    own = f"{name}-{zlib.crc32(repr(place).encode(errors='replace')):08x}"
    return lambda region: {**region, "id": own}
