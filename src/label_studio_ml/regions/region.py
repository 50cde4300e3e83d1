"""One region in Label Studio's format, as all builders return it, and predictions made of regions."""

import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import LabelMap, listed
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import CONTROL_TAGS, Geometry
from label_studio_ml.support import arguments
from label_studio_ml.support.texts import plural

#: A region: `id`, `from_name`, `to_name`, `type`, `value`, and maybe `score` and what belongs to its kind.
Region: TypeAlias = dict[str, Any]

#: What `prediction` takes: regions, None for a region that was dropped, and lists of these.
Regions: TypeAlias = "Region | Iterable[Regions] | None"

#: Characters of a region's id. Label Studio's frontend uses 10.
_ID_LENGTH = 10


def new_id() -> str:
    """Return a random id for a region."""
    return uuid.uuid4().hex[:_ID_LENGTH]


def make(
    control: Control,
    value: Mapping[str, Any],
    *,
    label: Any = None,
    score: float | None = None,
    id: str | None = None,  # noqa: A002 (the name of the field)
    **fields: Any,
) -> Region | None:
    """Return a region of `control` with `value`, to which the labels are added; None if all of its labels are dropped.

    `label` is one of the model's labels, or a list of them. `fields` are fields of the region beside `value`; those
    that are None are left out. Raises LabelConfigError for a label that the control does not have, or a missing one,
    and ValueError for a score that is not a number, or an `item_index` that is no whole number of 0 or more.
    """
    value = dict(value)
    names = _labels(control, plain(label))
    if names is not None:
        if not names:
            return None
        value[control.kind.labels_field] = names
    region: Region = {
        "id": id or new_id(),
        "from_name": control.name,
        "to_name": control.to_name,
        "type": control.region_type,
        **{name: field for name, field in fields.items() if field is not None},
        "value": value,
    }
    if "item_index" in region:
        region["item_index"] = position(region["item_index"], "item_index")
    if score is not None:
        region["score"] = number(score, "score")
    return region


def _labels(control: Control, label: Any) -> list[str] | list[list[str]] | None:
    """Return the control's labels for the model's, as paths of a taxonomy; None if its regions have no labels."""
    if not control.kind.labels_field:
        if label is not None:
            raise LabelConfigError(
                f"The regions of {control} have no labels of their own",
                fix='Leave label out, and add it with regions.attach(region, self.controls.first("Labels"), label)',
                field="label_config",
            )
        return None
    if label is None:
        raise LabelConfigError(
            f"The regions of {control} need a label",
            fix=f"Pass label=…, one of: {listed(control.label_names) or 'those of the task'}",
            field="label_config",
        )
    several = label if isinstance(label, list | tuple | set | frozenset) else [label]
    paths = [path for path in map(control.label_map.path, several) if path is not None]
    if control.has_paths:
        return [list(path) for path in paths]
    if control.kind.geometry is Geometry.CHOICES and (hidden := [path for path in paths if len(path) > 1]):
        raise LabelConfigError(
            f"Label Studio does not show the choice {' / '.join(hidden[0])} of {control}, which is within another one",
            fix='Set allowNested="true" in the label config',
            field="label_config",
        )
    return list(dict.fromkeys(path[-1] for path in paths))


def number(value: Any, name: str) -> float:
    """Return `value` as a finite float. Raises ValueError, naming the argument `name`, if it is none."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, not {value!r}") from None
    except OverflowError:
        raise ValueError(f"{name} is larger than any number of a picture") from None
    if not math.isfinite(result):
        raise ValueError(f"{name} must be a finite number, not {result}")
    return result


def position(value: Any, name: str) -> int:
    """Return `value`, such as a frame's number, as an int. Raises ValueError unless it is whole and 0 or more."""
    result = number(value, name)
    if not result.is_integer() or result < 0:
        raise ValueError(f"{name} must be a whole number of 0 or more, not {plain(value)!r}")
    return int(result)


def numbers(values: Any, count: int, name: str) -> list[float]:
    """Return `count` finite floats from a list, tuple, array or tensor. Raises ValueError naming the argument."""
    several = plain(values)
    if not isinstance(several, Sequence) or isinstance(several, str) or len(several) != count:
        raise ValueError(f"{name} must be {count} numbers, not {values!r}")
    return [number(value, name) for value in several]


def interval(pair: Any, name: str) -> tuple[Any, Any]:
    """Return start and end of a pair. Raises ValueError naming the argument if it is none."""
    ends = plain(pair)
    if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
        raise ValueError(f"{name} must be pairs of start and end, not {pair!r}")
    return ends[0], ends[1]


def plain(values: Any) -> Any:
    """Return an array or tensor as lists of Python numbers, and anything else as it is."""
    return values.tolist() if hasattr(values, "tolist") else values


def rows_of(values: Any, name: str, row: str) -> list[Any]:
    """Return the rows of an array, tensor or list; `row` says what one is. Raises ValueError naming the argument."""
    rows = plain(values)
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise ValueError(f"{name} must have a row for each {row}, not {values!r}")
    return list(rows)


def one_form(forms: Mapping[str, Any]) -> tuple[str, Any]:
    """Return name and values of the only argument that was passed. Raises ValueError if it is not exactly one."""
    given = [name for name, values in forms.items() if values is not None]
    if len(given) != 1:
        raise ValueError(f"Pass one of {', '.join(forms)}, not {' and '.join(given) or 'none of them'}")
    return given[0], forms[given[0]]


def column(values: Any, count: int, name: str, row: str, several: str = "") -> Sequence[Any]:
    """Return an entry for each of `count` rows: of None, a text or a number, the same for all.

    `row` says what a row is, and `several` its plural. Raises ValueError, naming the argument, if there are more or
    less entries.
    """
    values = plain(values)
    if values is None or isinstance(values, str | int | float):
        return [values] * count
    entries = list(values)
    if len(entries) != count:
        raise ValueError(
            f"{name} must have an entry for each of the {plural(count, row, several)}, not {len(entries)}"
        )
    return entries


def chosen_rows(
    count: int, labels: Any, scores: Any, min_score: float, row: str, several: str = ""
) -> Iterator[tuple[int, Any, float | None]]:
    """Yield index, label and score of each of `count` rows that has no score, or one of at least `min_score`.

    Raises ValueError as `column` does, and for a score that is not a number.
    """
    named = column(labels, count, "labels", row, several)
    scored = column(scores, count, "scores", row, several)
    for at, (label, given) in enumerate(zip(named, scored, strict=True)):
        score = None if given is None else number(given, "scores")
        if score is None or score >= min_score:
            yield at, label, score


def fields_in(region: Mapping[str, Any]) -> str:
    """Return the names of the fields in a region's value, for a message."""
    return ", ".join(region["value"]) or "nothing"


def require_control(control: Any) -> None:
    """Raise ValueError if `control` is no control, but for example its name, or None as `controls.find` returns."""
    if not isinstance(control, Control):
        raise arguments.wrong("control", 'a control such as self.controls["name"]', control)


def require(control: Control, *geometries: Geometry) -> None:
    """Raise LabelConfigError if the regions of `control` are of another kind; of a tag that is not known they may be.

    Label Studio does not show a region of another kind than its control's. Raises ValueError if it is no control.
    """
    require_control(control)
    if control.kind.geometry not in (*geometries, Geometry.CODE):
        tags = ", ".join(f"<{row.tag}>" for row in CONTROL_TAGS.values() if row.geometry in geometries)
        raise LabelConfigError(
            f"{control} holds no {' or '.join(geometries)}", fix=f"Pass one of {tags}", field="label_config"
        )


def require_shape(control: Control, *geometries: Geometry) -> None:
    """Raise LabelConfigError as `require` does, unless `control` is a `<Labels>`: they label shapes of any kind."""
    require_control(control)
    if control.tag != "Labels":
        require(control, *geometries)


def relation(
    first: Region | None,
    second: Region | None,
    *labels: Any,
    label_map: LabelMap | None = None,
    direction: Literal["right", "left", "bi"] = "right",
) -> Region | None:
    """Return a relation from one region to another one of the same prediction; None if one of them is None.

    `direction` is `"right"` (from first to second), `"left"` or `"bi"` (both). `labels` are the model's, which
    `label_map` maps to those of `<Relations>`: `controls.relation_labels`. Label Studio removes labels that
    `<Relations>` does not have. The result is None, too, if `label_map` drops all labels.

    Raises LabelConfigError for a label that `label_map` does not have.
    """
    if first is None or second is None:
        return None
    names = [str(label) for label in labels] if label_map is None else label_map.names(labels)
    if labels and not names:
        return None
    if direction not in ("right", "left", "bi"):
        raise ValueError(f'direction must be "right", "left" or "bi", not {direction!r}')
    return {
        "type": "relation",
        "from_id": first["id"],
        "to_id": second["id"],
        "direction": direction,
        "labels": names,
    }


def nest(parent: Region | None, *children: Regions) -> list[Region]:
    """Return regions as parts of another one: Label Studio lists them below it.

    Such as the key points of a person below the person's box. The children are returned without the parent; of a parent
    that is None, as they are. Relations are not listed and stay as they are.
    """
    below = {} if parent is None else {"parentID": parent["id"]}
    return [region if region.get("type") == "relation" else {**region, **below} for region in flat(children)]


def flat(regions: Regions) -> list[Region]:
    """Return all regions in nested lists, without None. Raises TypeError for anything else."""
    if regions is None:
        return []
    if isinstance(regions, Mapping):
        return [dict(regions)]
    if isinstance(regions, str | bytes) or not isinstance(regions, Iterable):
        raise TypeError(f"A prediction is made of regions, not of {regions!r}")
    return [region for several in regions for region in flat(several)]


def prediction(
    *regions: Regions, score: float | None = None, by: Literal["mean", "min"] = "mean", **fields: Any
) -> dict[str, Any]:
    """Return a prediction of regions, for `predict` to return: `{"result": [...], "score": …}`.

    `score` is the prediction's; else it is the mean (or with `by="min"` the least) of the scores of its regions, each
    region counted once, and 0 for a prediction without regions that have scores. `fields` become further fields, such
    as `model_version`. Of the entries of one region, the first one that has a score counts; regions without an
    `id` are counted each. Without any region, the prediction says that the model finds nothing: Label Studio stores it,
    shows an empty one, and does not ask for the task again before there is another version of the model. Raises
    ValueError for a score that is not a number.
    """
    if by not in ("mean", "min"):
        raise ValueError(f'by must be "mean" or "min", not {by!r}')
    result = flat(regions)
    if score is None:
        by_region: dict[Any, float] = {}
        for position, region in enumerate(result):
            if region.get("score") is not None:
                by_region.setdefault(region.get("id", position), number(region["score"], "score"))
        scores = list(by_region.values())
        score = (min(scores) if by == "min" else sum(scores) / len(scores)) if scores else 0.0
    return {"result": result, "score": number(score, "score"), **fields}
