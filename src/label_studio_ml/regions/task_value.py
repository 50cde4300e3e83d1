"""Values for a whole task: choices, taxonomies, ratings, numbers, dates, texts and pairs.

For a value that belongs to a region, see `attachment.attach`.
"""

import datetime
from collections.abc import Iterable
from typing import Any, Literal

from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import listed
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import Geometry
from label_studio_ml.regions.control_value import of_task
from label_studio_ml.regions.region import Region, number, rows_of


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
    min_score: float = 0.0,
    item_index: int | None = None,
) -> Region | None:
    """Return the choice that a classifier's probabilities for one task speak for, with its score.

    `names` are the model's labels in the order of `probabilities`. A control that takes one choice gets the likeliest,
    one that takes several each that is at least `threshold`; the score is the least of theirs. After
    `control.map_labels(unknown="drop")`, the choice is made among the labels that the control has: the likeliest of
    them, if the likeliest of all is dropped. None if there is no such label, or its score is below `min_score`.

    Raises ValueError if there is not one name for each probability, and LabelConfigError if the control does
    not have the chosen label, or has none of the model's.
    """
    values = [number(value, "probabilities") for value in rows_of(probabilities, "probabilities", "label")]
    several = rows_of(names, "names", "label")
    if len(values) != len(several):
        raise ValueError(f"There must be a name for each probability ({len(values)}), not {len(several)}")
    order = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    candidates = [at for at in order if control.unknown == "error" or control.label_map.knows(several[at])]
    if order and not candidates:
        raise LabelConfigError(
            f"{control} has none of the model's labels {listed(list(map(str, several)))}; "
            f"it has: {listed(control.label_names)}",
            fix='Map them: control.map_labels({"model\'s label": "label of the config"}, unknown="drop")',
            field="label_config",
        )
    if order and candidates[0] != order[0]:
        control.label_map.name(several[order[0]])  # logs that the likeliest label is dropped
    chosen = [at for at in candidates if values[at] >= threshold] if control.is_multiple else candidates[:1]
    if not chosen or values[chosen[-1]] < min_score:
        return None
    labels = [several[at] for at in sorted(chosen)]
    return choices(control, *labels, score=values[chosen[-1]], item_index=item_index)


def rating(
    control: Control, stars: Any, *, score: float | None = None, item_index: int | None = None
) -> Region | None:
    """Return a rating. Raises ValueError unless it is a whole number from 0 to the control's `maxRating`."""
    return of_task(control, (Geometry.RATING,), (stars,), name="stars", score=score, item_index=item_index)


def quantity(
    control: Control, value: Any, *, score: float | None = None, item_index: int | None = None
) -> Region | None:
    """Return the value of a `<Number>`. Raises ValueError if it is no number or beyond the control's limits."""
    return of_task(control, (Geometry.NUMBER,), (value,), score=score, item_index=item_index)


def date_time(
    control: Control,
    moment: datetime.date | str,
    *,
    score: float | None = None,
    item_index: int | None = None,
) -> Region | None:
    """Return the value of a `<DateTime>`, in its format. Raises ValueError for a text in another format."""
    return of_task(
        control, (Geometry.DATE_TIME,), (moment,), name="moment", score=score, item_index=item_index
    )


def texts(
    control: Control, *several: str, score: float | None = None, item_index: int | None = None
) -> Region | None:
    """Return the texts of a `<TextArea>`; None without any. Raises ValueError for what is no text."""
    return of_task(control, (Geometry.TEXT,), several, score=score, item_index=item_index)


def pair(control: Control, side: Literal["left", "right"], *, score: float | None = None) -> Region | None:
    """Return which of the two objects of a `<Pairwise>` is chosen. Raises ValueError for another side."""
    return of_task(control, (Geometry.PAIR,), (side,), name="side", score=score)
