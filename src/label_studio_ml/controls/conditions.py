"""Conditions of a label config: when Label Studio shows a control.

Source: the frontend of Label Studio 1.23 (its mixins for visibility and for values of regions), whose rules are partly
other than those of its documentation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Tags that can be hidden by `visibleWhen`. Others, such as `<Rating>` and `<RectangleLabels>`, ignore it.
_HIDEABLE = frozenset({"View", "Choices", "Taxonomy", "TextArea"})
#: Values of `visibleWhen`, each with the kind of its condition, and whether it asks for the opposite.
_VISIBLE_WHEN = {
    "region-selected": ("region", False),
    "no-region-selected": ("region", True),
    "choice-selected": ("choice", False),
    "choice-unselected": ("choice", True),
}


@dataclass(frozen=True)
class Condition:
    """A condition under which a control is shown. Label Studio requires all conditions of a control and its `<View>`s.

    `kind` is what the condition looks at: a `"region"` must be selected, a region with one of the labels `values`
    (`"label"`) or of a chat message with one of the roles `values` (`"role"`), or a `"choice"` must be made: one of
    `values`, any if there are none. `control` is the name of the control that labels the region or holds the choice;
    empty for any. With `is_negated`, the control is shown when the condition does not hold: no region is selected, or
    none of the values is chosen.
    """

    kind: str
    control: str = ""
    values: tuple[str, ...] = ()
    is_negated: bool = False


def conditions_of(tag: str, attributes: Mapping[str, str]) -> Iterator[Condition]:
    """Yield the conditions in the attributes of a control or of a tag around it.

    `whenTagName` counts only with `visibleWhen`, and names a control, also for regions. Without `visibleWhen`,
    `whenChoiceValue` is a single value of any control, and `whenLabelValue` belongs to `perRegion`.
    """
    visible = attributes.get("visibleWhen", "")
    labels = _split(attributes.get("whenLabelValue"))
    if tag in _HIDEABLE and visible in _VISIBLE_WHEN:
        kind, is_negated = _VISIBLE_WHEN[visible]
        control = attributes.get("whenTagName", "")
        values: tuple[str, ...] = ()
        if kind == "choice":
            values = _split(attributes.get("whenChoiceValue"))
        elif is_negated:
            control = ""
        elif labels:
            kind, values = "label", labels
        elif roles := _split(attributes.get("whenRole")):
            kind, values = "role", roles
        yield Condition(kind, control, values, is_negated)
        if kind == "label":
            return
    elif tag in _HIDEABLE and not visible and (choice := attributes.get("whenChoiceValue")):
        yield Condition("choice", values=(choice,))
    if labels and attributes.get("perRegion", "").lower() == "true":
        yield Condition("label", values=labels)


def _split(values: str | None) -> tuple[str, ...]:
    return tuple(values.split(",")) if values else ()
