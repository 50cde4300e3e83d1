"""Check predictions against a project's label config before they are sent.

Label Studio stores the predictions of a backend unchecked, and does not show regions that the label config does not
allow. These checks cover what hides a region: unknown names, a type that is not the control's, a missing value, a label
that the control does not have. They accept everything that the SDK's `LabelInterface.validate_prediction` accepts, do
not import the SDK, and take microseconds per region.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.protocol.control_tags import CONTROL_TAGS
from label_studio_ml.protocol.label_config import parse_label_config

#: Beginning of a task's error if the label config does not allow its prediction.
INVALID = "the prediction does not fit the label config"

#: Fields of a region's `value` without which Label Studio cannot draw it, by region type.
_REQUIRED = {row.region_type: row.required for row in CONTROL_TAGS.values()}

#: Fields of `value` that hold percentages or other numbers.
_NUMBERS = frozenset({"x", "y", "width", "height", "radiusX", "radiusY"})

#: Region types without a control tag: relations join regions, chat messages name their object only.
_WITHOUT_CONTROL = frozenset({"relation", "chatmessage"})

#: Maximum number of names listed in a message.
_LISTED = 20

#: All region types of Label Studio's tags.
_TYPES = frozenset({*_REQUIRED, "videorectanglelabels"}) | _WITHOUT_CONTROL

#: Controls whose regions are drawn by code in the label config: any type and value is allowed.
_OWN_CODE = frozenset({"reactcode"})


@dataclass(frozen=True, slots=True)
class _Control:
    """The regions that a control tag allows. `labels` is None if it lists none, or if labels come with the tasks."""

    name: str
    tag: str
    to_names: tuple[re.Pattern[str] | str, ...]
    labels: frozenset[str] | None
    geometries: frozenset[str]

    def allows_object(self, to_name: Any) -> bool:
        """Tell whether the control labels the object tag `to_name`."""
        return any(_matches(allowed, to_name) for allowed in self.to_names)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why Label Studio would not show a region: its position in `result`, its `from_name`, and the fault as text."""

    region: int
    from_name: str
    fault: str

    def __str__(self) -> str:
        """Return the refusal as one line: `region 2 of 'box': the label 'Cat' is not in the label config (…)`."""
        return f"region {self.region}{self._of}: {self.fault}"

    @property
    def kind(self) -> str:
        """The refusal without the region's position, by which refusals are counted, and logged once each."""
        return f"regions{self._of}: {self.fault}"

    @property
    def _of(self) -> str:
        return f" of {self.from_name!r}" if self.from_name else ""


class RegionChecks:
    """Checks for the predictions of one project, built from its label config (XML)."""

    def __init__(self, label_config: str | None) -> None:
        try:
            parsed = parse_label_config(label_config)
        except LabelConfigError:
            parsed = {}
        geometries = self._tags = frozenset(info["type"].lower() for info in parsed.values())
        self._controls: dict[str, _Control] = {}
        self._indexed: list[tuple[re.Pattern[str], _Control]] = []
        for name, info in parsed.items():
            control = _control(name, info, geometries)
            variables = _variables(info)
            if any(variable in name for variable in variables):
                self._indexed.append((_pattern(name, variables), control))
            else:
                self._controls[name] = control

    def refusal(self, result: Any, *, interactive: bool = False) -> Refusal | None:
        """Return why Label Studio would not show a prediction, as the first fault found; None if it shows all of it.

        `result` is the prediction's list of regions. Without a label config, or with one that cannot be parsed, all
        predictions are allowed. In the answer to an `interactive` request, a region whose type no tag of Label Studio
        has is a message to code in the annotator's page; it is not stored, so it is allowed.
        """
        if not (self._controls or self._indexed) or not isinstance(result, list):
            return None
        for number, region in enumerate(result):
            fault = "" if interactive and self._is_message(region) else self._fault(region)
            if fault:
                name = region.get("from_name") if isinstance(region, Mapping) else None
                return Refusal(number, name if isinstance(name, str) else "", fault)
        return None

    def _is_message(self, region: Any) -> bool:
        """Tell whether a region has a type that no tag has, such as `track_progress`."""
        kind = region.get("type") if isinstance(region, Mapping) else None
        if not isinstance(kind, str) or not kind or kind.lower() in _TYPES:
            return False
        return kind.lower() not in self._tags

    def _fault(self, region: Any) -> str:
        if not isinstance(region, Mapping):
            return f"it is not a dict but {type(region).__name__}"
        kind = region.get("type")
        if not isinstance(kind, str) or not kind:
            return "it has no 'type'; use the control's tag in lower case"
        kind = kind.lower()
        if kind in _WITHOUT_CONTROL:
            return ""
        control = self._find(region.get("from_name"))
        if control is None:
            return f"the label config has no control with this from_name (it has: {_listed(self._names())})"
        if not control.allows_object(region.get("to_name")):
            allowed = _listed(map(_text, control.to_names))
            return f"to_name {region.get('to_name')!r} is not what this control labels ({allowed})"
        if control.tag in _OWN_CODE:
            return ""
        if kind != control.tag and not _shares_region(kind, control):
            return f"type {kind!r} does not match the control, a <{control.tag}>"
        return _value_fault(region.get("value"), kind, control)

    def _names(self) -> Iterator[str]:
        """Yield the names of all controls."""
        yield from self._controls
        yield from (item.name for _, item in self._indexed)

    def _find(self, from_name: Any) -> _Control | None:
        if not isinstance(from_name, str):
            return None
        control = self._controls.get(from_name)
        if control is not None:
            return control
        return next((item for pattern, item in self._indexed if pattern.fullmatch(from_name)), None)


def _control(name: str, info: Mapping[str, Any], geometries: frozenset[str]) -> _Control:
    tag = info["type"].lower()
    variables = _variables(info)
    to_names: list[re.Pattern[str] | str] = [
        _pattern(target, variables) if any(variable in target for variable in variables) else target
        for target in (part.strip() for part in info["to_name"])
    ]
    labels = frozenset(info["labels"])
    open_ended = bool(info.get("dynamic_labels")) or not labels
    return _Control(name, tag, tuple(to_names), None if open_ended else labels, geometries)


def _variables(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the placeholders of the index in names inside a `<Repeater>`: each `indexFlag`, and `{{idx}}`."""
    return (*info.get("regex", ()), "{{idx}}")


def _pattern(name: str, variables: Collection[str]) -> re.Pattern[str]:
    """Return a pattern for a name inside a `<Repeater>`, in which a number replaces each of `variables`."""
    text = re.escape(name)
    for variable in variables:
        text = text.replace(re.escape(variable), r"\d+")
    return re.compile(text)


def _matches(allowed: re.Pattern[str] | str, name: Any) -> bool:
    if isinstance(allowed, str):
        return bool(allowed == name)
    return isinstance(name, str) and allowed.fullmatch(name) is not None


def _text(allowed: re.Pattern[str] | str) -> str:
    return allowed if isinstance(allowed, str) else allowed.pattern


def _shares_region(kind: str, control: _Control) -> bool:
    """Tell whether `kind` is a region of another tool labelled by a `<Labels>`, such as `rectanglelabels`."""
    return (
        control.tag == "labels" and kind.endswith("labels") and kind[: -len("labels")] in control.geometries
    )


def _value_fault(value: Any, kind: str, control: _Control) -> str:
    """Return the fault in a region's `value`, empty if there is none."""
    if not isinstance(value, Mapping) or not value:
        return "it has no 'value'"
    for field in _REQUIRED.get(kind, ()):
        if value.get(field) is None:
            return f"its value has no {field!r}"
        if field in _NUMBERS and not _is_number(value[field]):
            return f"{field!r} of its value is not a number: {value[field]!r}"
    if kind == "choices" and not isinstance(value["choices"], list | tuple):
        return f"'choices' of its value is not a list: {value['choices']!r}"
    if control.labels is None:
        return ""
    for label in _labels(value, kind):
        if not isinstance(label, str) or label not in control.labels:
            allowed = _listed(sorted(control.labels))
            return f"the label {label!r} is not in the label config (it has: {allowed})"
    return ""


def _listed(names: Iterable[str]) -> str:
    """Return the first names, separated by commas; a label config may have thousands."""
    return ", ".join(itertools.islice(names, _LISTED))


def _labels(value: Mapping[Any, Any], kind: str) -> list[Any]:
    """Return the labels in a region's value."""
    if kind == "taxonomy":
        paths = value["taxonomy"] if isinstance(value["taxonomy"], list | tuple) else ()
        return [part for path in paths if isinstance(path, list | tuple) for part in path]
    if kind == "choices":  # of nested ones, paths
        return [
            part for path in value["choices"] for part in (path if isinstance(path, list | tuple) else [path])
        ]
    if not kind.endswith("labels"):
        return []
    labels = value.get(kind)
    if labels is None and kind.endswith("labels"):
        labels = value.get("labels")
    if isinstance(labels, str):
        return [labels]
    return list(labels) if isinstance(labels, list | tuple) else []


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
