"""Which models of the gallery fit a label config, and why the others do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.controls.collection import Controls
from label_studio_ml.controls.control import Control
from label_studio_ml.controls.labels import listed
from label_studio_ml.gallery.catalogue import Fill, GalleryModel
from label_studio_ml.support.texts import plural

#: The rank from which on a model is taken without being named: below it, a model may be of use, but rarely is.
SUITABLE = 30

#: Labels that a reason names; the number of the others is given.
_NAMED_LABELS = 6

#: Characters of the longest text that counts as a column of a table.
_COLUMN_TEXT = 200


@dataclass(frozen=True, slots=True)
class Fit:
    """A model that fits a label config: the controls that it fills, the most suitable first, and the rank of that."""

    model: GalleryModel
    controls: tuple[Control, ...]
    rank: int

    @property
    def is_suitable(self) -> bool:
        """Whether the model suits the label config so well that it is taken without being named."""
        return self.rank >= SUITABLE


@dataclass(frozen=True, slots=True)
class Misfit:
    """A model that does not fit a label config, and the reason in one phrase."""

    model: GalleryModel
    reason: str


def match(
    label_config: str, models: Sequence[GalleryModel], task: Mapping[str, Any] | None = None
) -> tuple[list[Fit], list[Misfit]]:
    """Return the models that fit, the most suitable first, and those that do not.

    `task` is a task of the project, or None if there is none yet: then a model with a condition on the data of tasks
    does not fit. Of models with the same rank, the one that fills more controls comes first. Raises LabelConfigError if
    the label config is not well-formed.
    """
    controls = Controls(label_config)
    fits, misfits = [], []
    for model in models:
        filled: dict[str, tuple[int, Control]] = {}
        reasons: list[str] = []
        for fill in model.fills:
            candidates = _candidates(controls, fill)
            if not candidates:
                continue
            for control in candidates:
                if reason := _hindrance(control, fill, controls, task):
                    reasons.append(reason)
                elif control.name not in filled:
                    filled[control.name] = (fill.rank, control)
        if filled:
            ranked = sorted(filled.values(), key=lambda pair: -pair[0])
            fits.append(Fit(model, tuple(control for _, control in ranked), ranked[0][0]))
        else:
            misfits.append(Misfit(model, reasons[0] if reasons else f"needs {needs(model)}"))
    fits.sort(key=lambda fit: (-fit.rank, -len(fit.controls), fit.model.name))
    return fits, misfits


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
    if fill.beside and not any(
        other.to_name == control.to_name for other in controls.all(fill.beside, per_region=True)
    ):
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
