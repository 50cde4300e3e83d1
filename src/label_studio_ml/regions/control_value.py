"""Values of controls without labels, in Label Studio's format: ratings, numbers, dates, texts and pairs.

The builders for a whole task (`task_value`) and `attach` for a region convert values here, by the same rules.
"""

import datetime
from collections.abc import Callable
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import ControlTag, Geometry
from label_studio_ml.regions.region import Region, make, number, require

#: The largest rating of a `<Rating>` without `maxRating`.
_MAX_RATING = 5
#: Formats of a `<DateTime>` without `format`: for `only="date"`, and for others.
_DATE, _DATE_AND_TIME = "%Y-%m-%d", "%Y-%m-%dT%H:%M"


def _stars(control: Control, value: Any, name: str) -> int:
    stars = number(value, name)
    most = number(control.attribute("maxRating") or _MAX_RATING, "maxRating")
    if not stars.is_integer() or not 0 <= stars <= most:
        raise ValueError(f"{name} must be a whole number from 0 to {most:g} for {control}, not {value!r}")
    return int(stars)


def _quantity(control: Control, value: Any, name: str) -> int | float:
    result = number(value, name)
    for limit_name, is_beyond in (("min", float.__lt__), ("max", float.__gt__)):
        limit = control.attribute(limit_name)
        if limit and is_beyond(result, number(limit, limit_name)):
            raise ValueError(
                f"{name} must be within {limit_name}={limit} of {control}, not {result:g}: "
                "Label Studio would not submit it"
            )
    return int(result) if result.is_integer() else result


def _date_time(control: Control, value: Any, name: str) -> str:
    only = control.attribute("only")
    form = control.attribute("format") or (_DATE if only == "date" else _DATE_AND_TIME)
    if isinstance(value, datetime.date):
        return value.strftime(form)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a date or a text in the format {form} of {control}, not {value!r}")
    try:
        datetime.datetime.strptime(value, form)
    except ValueError:
        raise ValueError(f"{name} must be in the format {form} of {control}, not {value!r}") from None
    return value


def _side(control: Control, value: Any, name: str) -> str:
    if value not in ("left", "right"):
        raise ValueError(f'{name} must be "left" or "right" for {control}, not {value!r}')
    return str(value)


def _text(control: Control, value: Any, name: str) -> str:
    if isinstance(value, list | tuple):
        raise ValueError(f"{name} must be a text, not {value!r}: pass several texts as separate arguments")
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text for {control}, not {value!r}")
    return value


#: For each kind of values: the field of a region's value, and the function that makes one of it, given the control,
#: the value and the name of the argument.
_CONVERTERS: dict[Geometry, tuple[str, Callable[[Control, Any, str], Any]]] = {
    Geometry.RATING: ("rating", _stars),
    Geometry.NUMBER: ("number", _quantity),
    Geometry.DATE_TIME: ("datetime", _date_time),
    Geometry.PAIR: ("selected", _side),
    Geometry.TEXT: ("text", _text),
}

#: Kinds of controls that hold what annotators say of a task or of a region, without a place of their own.
_WITHOUT_PLACE = (*_CONVERTERS, Geometry.CHOICES, Geometry.TAXONOMY)


def value_field(kind: ControlTag) -> str:
    """Return the field of a region's value that controls of this tag fill beside its place; empty without one."""
    own = _CONVERTERS.get(kind.geometry)
    return own[0] if own is not None else kind.labels_field


def with_values(
    control: Control, values: tuple[Any, ...], *, name: str = "value", place: Any = None, **arguments: Any
) -> Region | None:
    """Return a region of `control` that holds `values`; None without any, or if all of its labels are dropped.

    Of a control with labels, each value is a label; of a taxonomy, a list or tuple is a path. A `<TextArea>` takes any
    number of texts, other controls one value. `place` are fields that the region's value has beside them, `name` is
    what messages call a value, and `arguments` are those of `make`.

    Raises ValueError for values that the control cannot hold, and LabelConfigError for a control without values or for
    a label that it does not have.
    """
    geometry = control.kind.geometry
    own = _CONVERTERS.get(geometry)
    if own is None:
        return make(control, place or {}, label=_labels(control, values), **arguments) if values else None
    field, convert = own
    made = [convert(control, value, name) for value in values]
    if geometry is Geometry.TEXT:
        return make(control, {**(place or {}), field: made}, **arguments) if made else None
    if len(made) != 1:
        raise ValueError(f"{control} takes one value, not {len(made)}")
    return make(control, {**(place or {}), field: made[0]}, **arguments)


def _labels(control: Control, labels: tuple[Any, ...]) -> list[Any]:
    """Return the labels as a list. Raises ValueError for a list among them, and for several of one choice."""
    is_nested = control.kind.geometry is Geometry.TAXONOMY or any(label.children for label in control.labels)
    for label in labels:
        if isinstance(label, list | tuple | set | frozenset) and not is_nested:
            raise ValueError(
                f"A label of {control} must be one name, not {label!r}: pass several labels as separate arguments, "
                "as in choices(control, *labels)"
            )
    if control.kind.geometry is Geometry.CHOICES and not control.is_multiple:
        names = control.label_map.names(labels)
        if len(names) > 1:
            raise ValueError(
                f'{control} takes one choice, not {", ".join(names)}; choice="multiple" allows more'
            )
    return list(labels)


def of_task(
    control: Control, geometries: tuple[Geometry, ...], values: tuple[Any, ...], **arguments: Any
) -> Region | None:
    """Return the region of `with_values` for a whole task, of a control of one of these kinds.

    Raises LabelConfigError for a control of another kind, or one with `perRegion`, and as `with_values` does.
    """
    require(control, *geometries)
    if control.is_per_region:
        raise LabelConfigError(
            f"The values of {control} belong to a region, not to the whole task: it has perRegion",
            fix="Pass them to regions.attach(region, control, …), or take perRegion out of the label config",
            field="label_config",
        )
    return with_values(control, values, **arguments)


def require_per_region(control: Control) -> None:
    """Raise LabelConfigError if the values of `control` cannot belong to a region.

    Labels always belong to one; values without a place do so if the control has `perRegion`.
    """
    geometry = control.kind.geometry
    if geometry is Geometry.PAIR or not value_field(control.kind):
        raise LabelConfigError(
            f"{control} holds nothing that can belong to a region",
            fix='Pass a control with labels, or one with perRegion="true"',
            field="label_config",
        )
    if geometry in _WITHOUT_PLACE and not control.is_per_region:
        raise LabelConfigError(
            f"The values of {control} belong to the whole task, not to a region: it has no perRegion",
            fix='Add perRegion="true" to it in the project\'s Labeling Interface settings',
            field="label_config",
        )
