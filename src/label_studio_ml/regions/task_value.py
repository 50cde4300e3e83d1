"""Values for a whole task: choices, taxonomies, ratings, numbers, dates, texts and pairs; and relations of regions.

For a value that belongs to a region, see `region.attach`.
"""

import datetime
from collections.abc import Iterable
from typing import Any, Literal

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.region import Region, make, number, plain

#: The largest rating of a `<Rating>` without `maxRating`.
_MAX_RATING = 5
#: Formats of a `<DateTime>` without `format`: for `only="date"`, and for others.
_DATE, _DATE_AND_TIME = "%Y-%m-%d", "%Y-%m-%dT%H:%M"


def choices(
    control: Control, *labels: Any, score: float | None = None, item_index: int | None = None
) -> Region | None:
    """Return the choice of labels for a task; None if all of them are dropped, or there are none.

    For a `<Taxonomy>`, a label is one of a leaf, or a path as a list or tuple of names from the top. Raises
    LabelConfigError for a label that the control does not have, and ValueError for several labels of a control that
    takes one: Label Studio does not let such an annotation be submitted.
    """
    _require(control, Geometry.CHOICES, Geometry.TAXONOMY)
    region = make(control, {}, label=list(labels), score=score, item_index=item_index)
    if region is not None and control.kind.geometry is Geometry.CHOICES and not control.is_multiple:
        chosen = region["value"]["choices"]
        if len(chosen) > 1:
            raise ValueError(
                f'{control} takes one choice, not {", ".join(chosen)}; choice="multiple" allows more'
            )
    return region


def best_choices(
    control: Control,
    probabilities: Any,
    names: Iterable[Any],
    *,
    threshold: float = 0.5,
    item_index: int | None = None,
) -> Region | None:
    """Return the choice that a classifier's probabilities speak for, with its score.

    `names` are the model's labels in the order of `probabilities`. A control that takes one choice gets the likeliest,
    one that takes several each that is at least `threshold`; the score is the least of theirs. None if there is no such
    label, or all are dropped. Raises ValueError if there are not as many names as probabilities.
    """
    values, several = [number(value, "probabilities") for value in plain(probabilities)], list(names)
    if len(values) != len(several):
        raise ValueError(f"There must be a name for each probability ({len(values)}), not {len(several)}")
    chosen = [at for at, value in enumerate(values) if value >= threshold]
    if not control.is_multiple:
        chosen = [max(range(len(values)), key=values.__getitem__)] if values else []
    if not chosen:
        return None
    score = min(values[at] for at in chosen)
    return choices(control, *(several[at] for at in chosen), score=score, item_index=item_index)


def rating(control: Control, stars: Any, *, score: float | None = None) -> Region | None:
    """Return a rating. Raises ValueError unless it is a whole number from 0 to the control's `maxRating`."""
    _require(control, Geometry.RATING)
    value = number(stars, "stars")
    most = number(control.attributes.get("maxRating") or _MAX_RATING, "maxRating")
    if value != int(value) or not 0 <= value <= most:
        raise ValueError(f"stars must be a whole number from 0 to {most:g}, not {stars!r}")
    return make(control, {"rating": int(value)}, score=score)


def quantity(control: Control, value: Any, *, score: float | None = None) -> Region | None:
    """Return the value of a `<Number>`. Raises ValueError if it is no number or beyond the control's limits."""
    _require(control, Geometry.NUMBER)
    result = number(value, "value")
    for name, is_beyond in (("min", float.__lt__), ("max", float.__gt__)):
        limit = control.attributes.get(name)
        if limit and is_beyond(result, number(limit, name)):
            raise ValueError(
                f"The value {result:g} is beyond {name}={limit} of {control}, and could not be submitted"
            )
    return make(control, {"number": int(result) if result == int(result) else result}, score=score)


def date_time(control: Control, moment: datetime.date | str, *, score: float | None = None) -> Region | None:
    """Return the value of a `<DateTime>`, in its format. Raises ValueError for a text in another format."""
    _require(control, Geometry.DATE_TIME)
    only = control.attributes.get("only", "")
    form = control.attributes.get("format") or (_DATE if only == "date" else _DATE_AND_TIME)
    if isinstance(moment, str):
        try:
            datetime.datetime.strptime(moment, form)
        except ValueError:
            raise ValueError(f"moment must be in the format {form} of {control}, not {moment!r}") from None
        text = moment
    else:
        text = moment.strftime(form)
    return make(control, {"datetime": text}, score=score)


def texts(control: Control, *several: str, score: float | None = None) -> Region | None:
    """Return the texts of a `<TextArea>`; None without any. Raises TypeError for what is no text."""
    _require(control, Geometry.TEXT)
    for text in several:
        if not isinstance(text, str):
            raise TypeError(f"A text must be a str, not {text!r}")
    return make(control, {"text": list(several)}, score=score) if several else None


def pair(control: Control, side: Literal["left", "right"], *, score: float | None = None) -> Region | None:
    """Return which of the two objects of a `<Pairwise>` is chosen. Raises ValueError for another side."""
    _require(control, Geometry.PAIR)
    if side not in ("left", "right"):
        raise ValueError(f'side must be "left" or "right", not {side!r}')
    return make(control, {"selected": side}, score=score)


def relation(
    first: Region, second: Region, *labels: str, direction: Literal["right", "left", "bi"] = "right"
) -> Region:
    """Return a relation from one region to another one of the same prediction.

    `direction` is `"right"` (from first to second), `"left"` or `"bi"` (both). `labels` are those of `<Relations>`:
    Label Studio removes others.
    """
    if direction not in ("right", "left", "bi"):
        raise ValueError(f'direction must be "right", "left" or "bi", not {direction!r}')
    return {
        "type": "relation",
        "from_id": first["id"],
        "to_id": second["id"],
        "direction": direction,
        "labels": list(labels),
    }


def _require(control: Control, *geometries: Geometry) -> None:
    """Raise LabelConfigError unless the control's values are of one of these kinds."""
    if control.kind.geometry not in geometries:
        needed = " or ".join(geometries)
        raise LabelConfigError(f"{control} holds no {needed}", field="label_config")
