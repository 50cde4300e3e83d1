"""Read what an annotation says of a whole task, or beside the position of a region: choices, texts, numbers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from label_studio_ml.protocol.control_tags import Geometry, control_tag
from label_studio_ml.regions.item_ranking import buckets_of, order_of
from label_studio_ml.regions.region import Region, number

Value = Mapping[str, Any]


def choices_of(value: Value, field: str = "choices") -> tuple[str, ...]:
    """Return choices or labels; of a path of nested choices its last one. Raises ValueError without a list of them."""
    return tuple(
        str(name[-1] if isinstance(name, list | tuple) and name else name) for name in _listed(value, field)
    )


def paths_of(value: Value) -> tuple[tuple[str, ...], ...]:
    """Return the paths of a taxonomy; a name that is no path is its own path. Raises ValueError without a list."""
    return tuple(
        tuple(map(str, path)) if isinstance(path, list | tuple) else (str(path),)
        for path in _listed(value, "taxonomy")
    )


def texts_of(value: Value) -> tuple[str, ...]:
    """Return the texts of a `<TextArea>`. Raises ValueError if there is neither a text nor a list."""
    return tuple(str(text) for text in _listed(value, "text"))


def ranking_of(region: Region) -> dict[str, Any]:
    """Return the ids of a `<Ranker>` in order, or those in each bucket. Raises ValueError if there are neither."""
    ranking = region["value"].get("ranker")
    if isinstance(ranking, list | tuple):  # as older releases store it
        return {"ranking": tuple(map(str, ranking))}
    if isinstance(ranking, Mapping) and set(ranking) == {region.get("from_name")}:
        return {"ranking": tuple(order_of(region))}
    return {"buckets": {name: tuple(items) for name, items in buckets_of(region).items()}}


def side_of(value: Value) -> str:
    """Return the side chosen in a `<Pairwise>`. Raises ValueError if it is neither left nor right."""
    side = value.get("selected")
    if side not in ("left", "right"):
        raise ValueError(f'selected must be "left" or "right", not {side!r}')
    return str(side)


def moment_of(value: Value) -> str:
    """Return the text of a `<DateTime>`. Raises ValueError if there is none."""
    moment = value.get("datetime")
    if not isinstance(moment, str) or not moment:
        raise ValueError(f"datetime must be a text, not {moment!r}")
    return moment


def _listed(value: Value, field: str) -> Iterable[Any]:
    entries = value.get(field)
    if isinstance(entries, str):
        return [entries]
    if not isinstance(entries, list | tuple):
        raise ValueError(f"{field} must be a list, not {entries!r}")
    return entries


def _unique(several: Iterable[Region], read: Callable[[Value], Iterable[Any]]) -> tuple[Any, ...]:
    """Return what all entries of a control say, each once: an export may have an entry for each choice."""
    return tuple(dict.fromkeys(part for region in several for part in read(region["value"])))


def _number(name: str) -> Callable[[list[Region]], dict[str, Any]]:
    return lambda several: {name: number(several[0]["value"].get(name), name)}


#: Kinds of controls for whole tasks, with a function from the entries of a control (one at least) to fields of its
#: example. The functions raise ValueError for values that cannot be read.
WHOLE_TASK: dict[Geometry, Callable[[list[Region]], dict[str, Any]]] = {
    Geometry.CHOICES: lambda several: {"choices": _unique(several, choices_of)},
    Geometry.TAXONOMY: lambda several: {"taxonomy": _unique(several, paths_of)},
    Geometry.RATING: _number("rating"),
    Geometry.NUMBER: _number("number"),
    Geometry.DATE_TIME: lambda several: {"moment": moment_of(several[0]["value"])},
    Geometry.TEXT: lambda several: {
        "texts": tuple(text for region in several for text in texts_of(region["value"]))
    },
    Geometry.PAIR: lambda several: {"side": side_of(several[0]["value"])},
    Geometry.RANKING: lambda several: ranking_of(several[0]),
}


def part_of_region(entry: Region) -> Any:
    """Return what an entry says of its region beside the position, as in `TargetRegion.values`; None if nothing.

    Raises ValueError for a value that cannot be read.
    """
    kind, value = control_tag(str(entry.get("type"))), entry.get("value")
    if kind is None or not isinstance(value, Mapping):
        return None
    if kind.geometry in WHOLE_TASK:
        return next(iter(WHOLE_TASK[kind.geometry]([entry]).values()))
    if kind.labels_field in value:
        return choices_of(value, kind.labels_field)
    return None
