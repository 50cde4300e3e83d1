"""Conditions of a label config: when Label Studio shows a control."""

from collections.abc import Mapping
from dataclasses import dataclass

#: Attributes with the value that must be chosen or the label that a region must have, with their kinds.
_VALUES = {"whenLabelValue": "label", "whenChoiceValue": "choice"}


@dataclass(frozen=True)
class Condition:
    """A condition under which a control is shown. Label Studio requires all conditions of a control and its `<View>`s.

    `kind` is what the condition looks at: `"label"` or `"choice"` with `values` of which one must be chosen (any, if
    there are none), or `"region"`: a region must be selected. `control` is the name of the control that it looks at,
    empty for any.
    """

    kind: str
    control: str = ""
    values: tuple[str, ...] = ()


def condition_of(attributes: Mapping[str, str]) -> Condition | None:
    """Return the condition in the attributes of a control or of a tag around it; None if there is none."""
    control = attributes.get("whenTagName", "")
    for attribute, kind in _VALUES.items():
        if value := attributes.get(attribute):
            return Condition(kind, control, tuple(part.strip() for part in value.split(",")))
    visible = attributes.get("visibleWhen", "")
    if visible == "choice-selected" or (control and not visible):
        return Condition("choice" if visible else "label", control)
    return Condition("region", control) if visible == "region-selected" else None
