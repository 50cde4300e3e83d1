"""Values for a whole task: choices, taxonomies, ratings, numbers, dates, texts and pairs; and relations of regions.

For a value that belongs to a region, see `attachment.attach`.
"""

import datetime
from collections.abc import Iterable
from typing import Any, Literal

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import LabelMap
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.control_value import of_task
from label_studio_ml.regions.region import Region, number, plain


def choices(
    control: Control, *labels: Any, score: float | None = None, item_index: int | None = None
) -> Region | None:
    """Return the choice of labels for a task; None if all of them are dropped, or there are none.

    For a `<Taxonomy>`, a label is one of a leaf, or a path as a list or tuple of names from the top. Raises
    LabelConfigError for a label that the control does not have, and ValueError for several labels of a control that
    takes one: Label Studio does not let such an annotation be submitted.
    """
    return of_task(control, (Geometry.CHOICES, Geometry.TAXONOMY), labels, score=score, item_index=item_index)


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
    return of_task(control, (Geometry.RATING,), (stars,), name="stars", score=score)


def quantity(control: Control, value: Any, *, score: float | None = None) -> Region | None:
    """Return the value of a `<Number>`. Raises ValueError if it is no number or beyond the control's limits."""
    return of_task(control, (Geometry.NUMBER,), (value,), score=score)


def date_time(control: Control, moment: datetime.date | str, *, score: float | None = None) -> Region | None:
    """Return the value of a `<DateTime>`, in its format. Raises ValueError for a text in another format."""
    return of_task(control, (Geometry.DATE_TIME,), (moment,), name="moment", score=score)


def texts(control: Control, *several: str, score: float | None = None) -> Region | None:
    """Return the texts of a `<TextArea>`; None without any. Raises ValueError for what is no text."""
    return of_task(control, (Geometry.TEXT,), several, score=score)


def pair(control: Control, side: Literal["left", "right"], *, score: float | None = None) -> Region | None:
    """Return which of the two objects of a `<Pairwise>` is chosen. Raises ValueError for another side."""
    return of_task(control, (Geometry.PAIR,), (side,), name="side", score=score)


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
