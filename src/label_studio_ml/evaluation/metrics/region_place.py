"""Place of a region apart from its position: which object, item, channel, page or frame of a task it marks.

Regions of different places are never compared. Besides its control (`from_name`) and position, a region of Label
Studio names the object (`to_name`), the item of an object that shows several (`item_index`, for an Image with a
`valueList` and for controls with `perItem`), and in its value the channel of a recording (`channel`), the page of a
document (`page`, `pageIndex`) or the frame of a video (`frame`). Label Studio omits the number of the first item,
channel and page.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from label_studio_ml.evaluation.metrics.region_kinds import kind_of
from label_studio_ml.evaluation.metrics.regions import Region

#: Fields of a region's value that number a part of its object, each with its alternative names.
_PARTS = (("channel",), ("page", "pageIndex"), ("frame",))

#: All these names.
PARTS_OF_OBJECTS = frozenset(name for names in _PARTS for name in names)


class Place(NamedTuple):
    """The object that a region marks and the part of it: item, channel, page, frame. Parts are numbered from 0.

    `kind` is the name of the metric's kind of region, empty if there is none: a choice and a span of one control are
    never compared.
    """

    kind: str
    to_name: str
    item: int | str
    parts: tuple[int | str, ...]


def place_of(region: Region, targets: Sequence[str] = ()) -> Place:
    """Return the place of a region; `targets` are the names in its control's `toName`, empty if they are not known.

    A region without `to_name` marks the first target. A pairwise comparison has two targets and one result for both,
    so its object is left empty.
    """
    kind = kind_of(region)
    value = region.get("value") or {}
    fields = value if isinstance(value, Mapping) else {}
    to_name = region.get("to_name") or (targets[0] if targets else "")
    return Place(
        kind.name if kind is not None else "",
        "" if region.get("type") == "pairwise" else str(to_name),
        _number(region.get("item_index")),
        tuple(
            _number(next((fields[name] for name in names if fields.get(name) is not None), None))
            for names in _PARTS
        ),
    )


def by_place(regions: Iterable[Region], targets: Sequence[str] = ()) -> dict[Place, list[Region]]:
    """Return the regions of one control and task by place, in order of appearance."""
    places: dict[Place, list[Region]] = {}
    for region in regions:
        places.setdefault(place_of(region, targets), []).append(region)
    return places


def _number(value: Any) -> int | str:
    """Return the number of a part: 0 if `value` is None, and text if it is not a whole number."""
    if value is None:
        return 0
    try:
        return int(value) if int(value) == float(value) else str(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)
