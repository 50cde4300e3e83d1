"""Which models of the gallery fit a label config, and why the others do not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.collection import Controls
from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import listed
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.gallery.catalogue import Fill, GalleryModel
from label_studio_ml.gallery.task_items import example_task, has_text, items_of_task
from label_studio_ml.support.texts import plural

#: The rank from which on a model is taken without being named: below it, a model may be of use, but rarely is.
SUITABLE = 30

#: Labels that a reason names; the number of the others is given.
_NAMED_LABELS = 6

#: Characters of the longest text that counts as a column of a table.
_COLUMN_TEXT = 200


@dataclass(frozen=True, slots=True)
class Fit:
    """A model that fits a label config.

    Fields:
        controls: The controls that it fills, the most suitable first.
        rank: How well it suits the first of them.
        empty: The other controls of the label config, without those with which a person asks the model.
    """

    model: GalleryModel
    controls: tuple[Control, ...]
    rank: int
    empty: tuple[Control, ...] = ()

    @property
    def is_suitable(self) -> bool:
        """Whether the model suits the label config so well that it is taken without being named."""
        return self.rank >= SUITABLE

    @property
    def coverage(self) -> str:
        """How many controls it fills of those that a model can fill, such as "fills 1 of 4 controls"."""
        number = len(self.controls)
        return f"fills {number} of {plural(number + len(self.empty), 'control')}"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A model that does not fit a label config, and the reason in one phrase."""

    model: GalleryModel
    reason: str


def match(
    label_config: str, models: Sequence[GalleryModel], task: Mapping[str, Any] | None = None
) -> tuple[list[Fit], list[Misfit]]:
    """Return the models that fit, the most suitable first, and those that do not.

    `task` is a task of the project, or None if there is none yet: then a model with a condition on the columns of tasks
    does not fit. Of models with the same rank, the one that fills more controls comes first. Raises LabelConfigError if
    the label config is not well-formed.
    """
    controls = Controls(label_config)
    example = example_task(label_config)
    fits, misfits = [], []
    for model in models:
        filled: dict[str, tuple[int, Control]] = {}
        reasons: list[str] = []
        for fill in model.fills:
            candidates = _candidates(controls, fill)
            if not candidates:
                continue
            for control in candidates:
                reason = _hindrance(control, fill, controls, task)
                if reason := reason or _items_without_text(control, fill, task, example):
                    reasons.append(reason)
                    continue
                _add(filled, control, _rank(fill, control, task))
                for other in _beside(control, fill, controls):
                    _add(filled, other, fill.rank)
        if filled:
            ranked = sorted(filled.values(), key=lambda pair: -pair[0])
            fits.append(_fit(model, ranked, controls))
        else:
            misfits.append(Misfit(model, reasons[0] if reasons else f"needs {needs(model)}"))
    fits.sort(key=lambda fit: (-fit.rank, -len(fit.controls), fit.model.name))
    return fits, misfits


def _add(filled: dict[str, tuple[int, Control]], control: Control, rank: int) -> None:
    """Add a control with its rank to those of a model that are filled, unless it is there already."""
    filled.setdefault(control.name, (rank, control))


def _fit(model: GalleryModel, ranked: list[tuple[int, Control]], controls: Controls) -> Fit:
    """Return the fit of a model that fills the controls `ranked`, the most suitable first."""
    best = ranked[0][0]
    if model.one_control:
        ranked = ranked[:1]
    filled = tuple(control for _, control in ranked)
    names = {control.name for control in filled}
    empty = tuple(
        control for control in controls if control.name not in names and control.tag not in model.prompts
    )
    return Fit(model, filled, best, empty)


def _rank(fill: Fill, control: Control, task: Mapping[str, Any] | None) -> int:
    """Return the rank of `fill` for a control, which may be another one where the object shows a number."""
    if fill.number_rank is None or task is None:
        return fill.rank
    try:
        return fill.number_rank if math.isfinite(float(control.value(task))) else fill.rank
    except (KeyError, LabelConfigError, OverflowError, TypeError, ValueError):
        return fill.rank


def _beside(control: Control, fill: Fill, controls: Controls) -> list[Control]:
    """Return the controls for each region, of the same object, that `fill` needs beside a control."""
    if not fill.beside:
        return []
    return [other for other in controls.all(fill.beside, per_region=True) if other.to_name == control.to_name]


def needs(model: GalleryModel) -> str:
    """Return the controls and objects that a model needs, such as "<Choices> on <Text> or <HyperText>"."""
    phrases = []
    for fill in model.fills:
        phrase = _tags(fill.control)
        if fill.object:
            phrase += f" on {_tags(fill.object)}"
        if fill.per_region:
            phrase += " of each region"
        if phrase not in phrases:
            phrases.append(phrase)
    return ", or ".join(phrases)


def _candidates(controls: Controls, fill: Fill) -> list[Control]:
    """Return the controls with the tags that `fill` needs, each for the object that fits."""
    candidates = controls.all(fill.control, on=fill.object, per_region=fill.per_region)
    return [control for control in candidates if control.objects]  # others name an object that is not there


def _hindrance(
    control: Control, fill: Fill, controls: Controls, task: Mapping[str, Any] | None
) -> str | None:
    """Return why `fill` does not suit a control with the right tags, or None if it does."""
    if fill.labels:
        labelled = _with_labels_of(task, control)
        present = listed(labelled.label_names, _NAMED_LABELS) or "none"
        if not labelled.label_names or not any(labelled.label_map.knows(label) for label in fill.labels):
            known = listed(fill.labels, _NAMED_LABELS)
            return f"knows the labels {known}; <{control.tag}> {control.name!r} has {present}"
    if fill.beside and not _beside(control, fill, controls):
        return f'needs {_tags(fill.beside)} with perRegion="true" beside <{control.tag}>'
    if fill.among_texts and not control.labels_field:
        texts = [item for item in controls.objects if item.tag in fill.object and item not in control.objects]
        if not len(control.labels) == len(texts) > 1:
            return f"needs labels of <{control.tag}> {control.name!r} that come with the tasks, or a text for each"
    if fill.columns:
        number = _columns(task) if task is not None else None
        if number is None or number < fill.columns:
            seen = (
                "there is no task to look at"
                if number is None
                else f"the first task has {plural(number, 'column')}"
            )
            return f"needs {fill.columns} columns in the data of a task; {seen}"
    return None


def _items_without_text(
    control: Control, fill: Fill, task: Mapping[str, Any] | None, example: Mapping[str, Any] | None
) -> str | None:
    """Return why `fill` does not suit a control whose items are pictures; None if they are texts, or not known.

    The items are those of `task`, or without one those of the label config's `example`.
    """
    which, shown = ("first", task) if task is not None else ("example", example)
    items = items_of_task(control, shown) if fill.text_items and shown is not None else []
    if not items or any(map(has_text, items)):
        return None
    return (
        f"needs a text in the items of <{control.tag}> {control.name!r}; those of the {which} task have none"
    )


def _with_labels_of(task: Mapping[str, Any] | None, control: Control) -> Control:
    """Return the control with the labels that the task brings; as it is without a task, or if it lacks their field."""
    try:
        return control if task is None else control.for_task(task)
    except KeyError:
        return control


def _columns(task: Mapping[str, Any]) -> int:
    """Return how many fields of the task's data have a number or a short text that is no address."""
    data = task.get("data") or {}
    return sum(
        isinstance(value, int | float)
        or (isinstance(value, str) and len(value) <= _COLUMN_TEXT and "://" not in value)
        for value in data.values()
    )


def _tags(tags: Sequence[str]) -> str:
    return " or ".join(f"<{tag}>" for tag in tags)
