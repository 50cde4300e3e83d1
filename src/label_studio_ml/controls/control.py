"""A control tag of a label config, as models use it."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from label_studio_ml.controls.conditions import Condition
from label_studio_ml.controls.label_config_tree import Bucket
from label_studio_ml.controls.labels import Label, LabelMap, Unknown, labels_in_task
from label_studio_ml.controls.object_tag import ObjectTag, attribute_of, field_value
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import ControlTag, Geometry, control_tag

#: Stands for a tag that Label Studio's own table lacks, such as one of a newer release.
_OTHER = ControlTag("", Geometry.CODE)


@dataclass(frozen=True)
class Control:
    """A control tag, such as `<RectangleLabels name="box" toName="photo">`.

    `objects` are the object tags that it labels, the one that `to_name` names first. `labels` are those in the label
    config; with `labels_field`, each task brings its own (see `for_task`). `conditions` must all be fulfilled for Label
    Studio to show the control. `ancestors` are the tags around it, from the top. `index_variables` are the
    placeholders of the index in its names, within a `<Repeater>`. `buckets` are those of a `<Ranker>`. `attributes` are
    all of its XML attributes. `mapping` and `unknown` are those of `map_labels`. `has_own_labels` says whether `labels`
    are all that there are: else any label is accepted, unless a task brings its own.
    """

    name: str
    tag: str
    objects: tuple[ObjectTag, ...] = ()
    to_names: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    conditions: tuple[Condition, ...] = ()
    buckets: tuple[Bucket, ...] = field(default=(), repr=False)
    ancestors: tuple[str, ...] = field(default=(), repr=False)
    index_variables: tuple[str, ...] = field(default=(), repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    mapping: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    unknown: Unknown = field(default="error", repr=False)
    has_own_labels: bool = field(default=False, repr=False)

    # What it is

    @property
    def kind(self) -> ControlTag:
        """The row of Label Studio's table of control tags: geometry, fields of a region's value."""
        return control_tag(self.tag) or _OTHER

    @property
    def region_type(self) -> str:
        """The `type` of its regions."""
        return self.tag.lower() if self.tag != "Chat" else "chatmessage"

    def attribute(self, name: str) -> str:
        """Return the text of an XML attribute, whose name Label Studio reads in any case; empty without it."""
        return attribute_of(self.attributes, name)

    @property
    def is_multiple(self) -> bool:
        """Whether annotators may choose several values (`choice="multiple"`; a `<Taxonomy>` allows it by itself)."""
        if self.kind.geometry is Geometry.TAXONOMY:
            return self.attribute("maxUsages") != "1"
        return self.attribute("choice").startswith("multiple")

    @property
    def has_paths(self) -> bool:
        """Whether its values are paths of names: those of a `<Taxonomy>`, and of `<Choices allowNested="true">`."""
        if self.kind.geometry is Geometry.CHOICES:
            return _is_true(self.attribute("allowNested"))
        return self.kind.geometry is Geometry.TAXONOMY

    @property
    def is_per_region(self) -> bool:
        """Whether its values belong to a region, not to the whole task (`perRegion`; of a `<Taxonomy>` `labeling`)."""
        is_labeling = self.kind.geometry is Geometry.TAXONOMY and _is_true(self.attribute("labeling"))
        return is_labeling or _is_true(self.attribute("perRegion"))

    @property
    def is_required(self) -> bool:
        """Whether an annotation without it cannot be submitted."""
        return _is_true(self.attribute("required"))

    @property
    def is_smart(self) -> bool:
        """Whether it asks a model while annotators draw (`smart`)."""
        return _is_true(self.attribute("smart"))

    # What it labels

    @property
    def object(self) -> ObjectTag:
        """The object tag that it labels; the first one, if it labels several. Raises LabelConfigError without any."""
        if not self.objects:
            raise LabelConfigError(
                f"The control {self.name!r} labels {', '.join(map(repr, self.to_names))}, "
                "which the label config does not have",
                fix="Give toName the name of an object tag",
                field="label_config",
            )
        return self.objects[0]

    @property
    def to_name(self) -> str:
        """The name of the object tag that its regions are for."""
        return self.objects[0].name if self.objects else self.to_names[0]

    @property
    def field(self) -> str:
        """The field of a task's data that it labels, without `$`; empty if the object shows no single field."""
        return self.object.field

    def value(self, task: Mapping[str, Any]) -> Any:
        """Return what the object shows of a task, such as its text or a file's URL. Raises KeyError without it."""
        return self.object.value(task)

    def on(self, target: str | Collection[str]) -> "Control":
        """Return the control for another one of its objects, given as a name or tag, or as several tags.

        Raises LabelConfigError if it labels none of them.
        """
        targets = (target,) if isinstance(target, str) else tuple(target)
        chosen = [item for item in self.objects if item.name in targets or item.tag in targets]
        if not chosen:
            has = ", ".join(f'<{item.tag} name="{item.name}">' for item in self.objects) or "nothing"
            raise LabelConfigError(
                f"The control {self.name!r} labels {has}, not {' or '.join(targets)}", field="label_config"
            )
        if chosen[0] is self.objects[0]:
            return self  # with its label map, which is slow to make for thousands of labels
        others = tuple(item for item in self.objects if item is not chosen[0])
        return dataclasses.replace(self, objects=(chosen[0], *others))

    # Its labels

    @property
    def labels_field(self) -> str:
        """The field of a task's data with the labels, of `value="$options"`; empty if the label config lists them."""
        value = self.attributes.get("value", "")
        return value[1:] if value.startswith("$") and self.kind.labels_field else ""

    @property
    def label_names(self) -> list[str]:
        """The names of the labels as regions contain them, nested ones included."""
        return list(dict.fromkeys(label.name for top in self.labels for _, label in top.walk()))

    @cached_property
    def label_map(self) -> LabelMap:
        """The mapping from a model's labels to those of the control."""
        return LabelMap(self.name, self.labels if self.has_own_labels else None, self.mapping, self.unknown)

    def map_labels(
        self, mapping: Mapping[str, str] | None = None, *, unknown: Unknown = "error"
    ) -> "Control":
        """Return the control with a mapping from a model's labels to its own, for all regions made with it.

        Labels that `mapping` lacks are found by the label config (`predicted_values`, then the name, regardless of
        case). `unknown` says what happens to others: `"error"`, or `"drop"` to leave their regions out, with one
        warning. Raises LabelConfigError if `mapping` names labels that the control does not have.
        """
        control = dataclasses.replace(self, mapping=dict(mapping or {}), unknown=unknown)
        control.label_map  # noqa: B018 - raises for a wrong mapping here, not at the first region
        return control

    def for_task(self, task: Mapping[str, Any]) -> "Control":
        """Return the control with the labels that a task brings; the control itself if the label config lists them.

        Label Studio shows those of the task beside those of the label config; of an empty list none, so that the
        control takes no label. Raises KeyError if the task lacks the field.
        """
        if not self.labels_field:
            return self
        entries = field_value(task.get("data", task), self.labels_field)
        attributes = {key: text for key, text in self.attributes.items() if key != "value"}
        labels = (*self.labels, *labels_in_task(entries))
        return dataclasses.replace(self, labels=labels, attributes=attributes, has_own_labels=True)

    # Controls of a <Repeater>

    def at(self, index: int | Mapping[str, int]) -> "Control":
        """Return the control for one entry of its `<Repeater>`: the index replaces the placeholder in its names.

        `index` counts from 0; within nested ones, it may be a dict with the index of each placeholder. The names of
        objects are replaced likewise. A control outside of a `<Repeater>` is returned as it is.
        """
        variables = self.index_variables
        indices = index if isinstance(index, Mapping) else dict.fromkeys(variables, index)

        def numbered(text: str) -> str:
            for variable, number in indices.items():
                text = text.replace(variable, str(number))
            return text

        if not variables:
            return self
        return dataclasses.replace(
            self,
            name=numbered(self.name),
            to_names=tuple(map(numbered, self.to_names)),
            objects=tuple(
                dataclasses.replace(
                    item,
                    name=numbered(item.name),
                    attributes={key: numbered(text) for key, text in item.attributes.items()},
                )
                for item in self.objects
            ),
            index_variables=tuple(variable for variable in variables if variable not in indices),
        )

    def __str__(self) -> str:
        """Return the control as it is named in messages: `<RectangleLabels name="box"> for <Image>`."""
        objects = " and ".join(f"<{item.tag}>" for item in self.objects) or "nothing"
        return f'<{self.tag} name="{self.name}"> for {objects}'


def _is_true(text: str) -> bool:
    return text.strip().lower() == "true"
