"""The controls of a label config, as checks need them: which regions each one allows."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from label_studio_ml.controls.collection import controls_of
from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import SELF_LABELLING
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.validation.kinds.field_checks import CHOICES, NESTED_CHOICES
from label_studio_ml.validation.kinds.value_table import value_check
from label_studio_ml.validation.kinds.values import ValueCheck

#: A name, or a pattern for the name of a control or object within a `<Repeater>`.
Name = re.Pattern[str] | str


@dataclass(frozen=True, slots=True)
class AllowedControl:
    """The regions that a control allows. `labels` is None if it lists none, or if labels come with the tasks.

    `tag` and `geometries`, the tags of all controls, are in lower case. `control` has all of its attributes; None if
    the label config could be read in part only.
    """

    name: str
    tag: str
    to_names: tuple[Name, ...]
    labels: frozenset[str] | None
    geometries: frozenset[str]
    control: Control | None = None
    is_indexed: bool = False
    _value_checks: dict[tuple[str, Any], ValueCheck | None] = field(default_factory=dict, repr=False)

    def allows_object(self, to_name: Any) -> bool:
        """Tell whether the control labels the object tag `to_name`."""
        if self.to_names[0] == to_name:
            return True
        return any(_matches(allowed, to_name) for allowed in self.to_names)

    def allows_type(self, kind: str) -> bool:
        """Tell whether its regions may have the type `kind`, in lower case.

        These are its own tag, and for a `<Labels>` also those of another tool that it labels, such as
        `rectanglelabels`.
        """
        if kind == self.tag:
            return True
        return (
            self.tag == "labels"
            and kind.endswith("labels")
            and kind.removesuffix("labels") in self.geometries
        )

    def value_check(self, kind: str, to_name: Any) -> ValueCheck | None:
        """Return the check for values of regions of type `kind` on the object `to_name`."""
        key = (kind, to_name)
        try:
            return self._value_checks[key]
        except KeyError:
            if len(self._value_checks) > 1000:  # names with indices of a <Repeater>
                self._value_checks.clear()
            check = value_check(kind, self._object_tag(to_name))
            if check is CHOICES and self._has_nested_choices:
                check = NESTED_CHOICES
            self._value_checks[key] = check
            return check

    @property
    def _has_nested_choices(self) -> bool:
        control = self.control
        return control is not None and (control.has_paths or any(top.children for top in control.labels))

    def _object_tag(self, to_name: Any) -> str:
        if self.control is None:
            return ""
        position = next((at for at, allowed in enumerate(self.to_names) if _matches(allowed, to_name)), 0)
        name = self.control.to_names[position] if position < len(self.control.to_names) else ""
        return next((item.tag for item in self.control.objects if item.name == name), "")

    @property
    def object_names(self) -> Iterator[str]:
        """The names of the objects that it labels, for messages."""
        return (name if isinstance(name, str) else name.pattern for name in self.to_names)


class AllowedControls:
    """The controls of a label config by the names that regions have; none if it cannot be parsed."""

    def __init__(self, label_config: str | None) -> None:
        try:
            parsed = parse_label_config(label_config)
            controls = _controls(label_config)
            parsed |= {name: _described(one) for name, one in controls.items() if _labels_itself(one, parsed)}
        except LabelConfigError:
            parsed, controls = {}, {}
        self.tags = frozenset(info["type"].lower() for info in parsed.values())
        self._by_name: dict[str, AllowedControl] = {}
        self._indexed: list[tuple[re.Pattern[str], AllowedControl]] = []
        for name, info in parsed.items():
            variables = (*info.get("regex", ()), "{{idx}}")
            is_indexed = any(variable in name for variable in variables)
            control = _allowed(name, info, variables, self.tags, controls.get(name), is_indexed=is_indexed)
            if is_indexed:
                self._indexed.append((_pattern(name, variables), control))
            else:
                self._by_name[name] = control

        every = (*self._by_name.values(), *(control for _, control in self._indexed))
        self.any_per_region = any(one.control is not None and one.control.is_per_region for one in every)

    def __bool__(self) -> bool:
        return bool(self._by_name or self._indexed)

    def names(self) -> Iterator[str]:
        """Yield the names of all controls."""
        yield from self._by_name
        yield from (item.name for _, item in self._indexed)

    def find(self, from_name: Any) -> AllowedControl | None:
        """Return the control of this name, also one within a `<Repeater>`; None if there is none."""
        if not isinstance(from_name, str):
            return None
        control = self._by_name.get(from_name)
        if control is not None:
            return control
        return next((item for pattern, item in self._indexed if pattern.fullmatch(from_name)), None)


def _controls(label_config: str | None) -> dict[str, Control]:
    """Return the controls with all attributes by name; empty if the label config can be read in part only."""
    try:
        return {control.name: control for control in controls_of(label_config or "")}
    except LabelConfigError:
        return {}


def _labels_itself(control: Control, parsed: Mapping[str, Any]) -> bool:
    """Tell whether a control has no `toName`: the label config as the SDK parses it lacks such ones."""
    return control.name not in parsed and control.tag in SELF_LABELLING


def _described(control: Control) -> dict[str, Any]:
    """Describe a control as `parse_label_config` does."""
    return {"type": control.tag, "to_name": list(control.to_names), "labels": list(control.label_names)}


def _allowed(
    name: str,
    info: Mapping[str, Any],
    variables: Collection[str],
    geometries: frozenset[str],
    control: Control | None,
    *,
    is_indexed: bool,
) -> AllowedControl:
    """Return a control. `variables` are the placeholders of the index in names inside a `<Repeater>`."""
    to_names: list[Name] = [
        _pattern(target, variables) if any(variable in target for variable in variables) else target
        for target in (part.strip() for part in info["to_name"])
    ]
    labels = frozenset(info["labels"])
    open_ended = bool(info.get("dynamic_labels")) or not labels
    return AllowedControl(
        name,
        info["type"].lower(),
        tuple(to_names),
        None if open_ended else labels,
        geometries,
        control,
        is_indexed,
    )


def _pattern(name: str, variables: Collection[str]) -> re.Pattern[str]:
    """Return a pattern for a name inside a `<Repeater>`, in which a number replaces each of `variables`."""
    text = re.escape(name)
    for variable in variables:
        text = text.replace(re.escape(variable), r"\d+")
    return re.compile(text)


def _matches(allowed: Name, name: Any) -> bool:
    if isinstance(allowed, str):
        return bool(allowed == name)
    return isinstance(name, str) and allowed.fullmatch(name) is not None
