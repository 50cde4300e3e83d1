"""Conditions of a label config: when Label Studio shows a control."""

from collections.abc import Mapping
from dataclasses import dataclass

#: Attributes with the value that must be chosen or the label that a region must have, with their kinds.
_VALUES = {"whenLabelValue": "label", "whenChoiceValue": "choice"}
#: Values of `visibleWhen` that ask for the opposite of a choice, and that ask for a choice at all.
_NO_REGION, _UNSELECTED = "no-region-selected", "choice-unselected"
_CHOICE = ("choice-selected", _UNSELECTED)


@dataclass(frozen=True)
class Condition:
    """A condition under which a control is shown. Label Studio requires all conditions of a control and its `<View>`s.

    `kind` is what the condition looks at: `"label"` or `"choice"` with `values` of which one must be chosen (any, if
    there are none), or `"region"`: a region must be selected. `control` is the name of the control that it looks at,
    empty for any. With `is_negated`, the control is shown when the condition does not hold: no region is selected, or
    none of the values is chosen.
    """

    kind: str
    control: str = ""
    values: tuple[str, ...] = ()
    is_negated: bool = False


def condition_of(attributes: Mapping[str, str]) -> Condition | None:
    """Return the condition in the attributes of a control or of a tag around it; None if there is none."""
    control = attributes.get("whenTagName", "")
    visible = attributes.get("visibleWhen", "")
    if visible == _NO_REGION:
        return Condition("region", is_negated=True)
    is_negated = visible == _UNSELECTED
    for attribute, kind in _VALUES.items():
        if value := attributes.get(attribute):
            return Condition(kind, control, tuple(part.strip() for part in value.split(",")), is_negated)
    if visible in _CHOICE or (control and not visible):
        return Condition("choice" if visible else "label", control, is_negated=is_negated)
    return Condition("region", control) if visible == "region-selected" else None
