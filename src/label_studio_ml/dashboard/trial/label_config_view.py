"""A label config as JSON values for the page: its objects, and its controls with their labels and colours."""

from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.controls import Control, Controls, Label
from label_studio_ml.controls.object_tag import attribute_of

#: The most labels of one control that the page gets, for their colours.
MAX_LABELS = 2000
#: The most channels of a time series that the page gets.
MAX_CHANNELS = 1000
#: Attributes longer than this are cut: they are of no use for drawing.
MAX_ATTRIBUTE = 2000
#: Tags whose regions are prompts only with `smart="true"`.
_SMART = "smart"


def label_config_view(controls: Controls) -> dict[str, Any]:
    """Return `objects`, `controls` and `interactive`: whether the config has smart tags, with which people prompt."""
    return {
        "objects": [
            {
                "name": item.name,
                "tag": item.tag,
                "field": item.field,
                "attributes": _cut(item.attributes.items()),
                "channels": [_channel(channel) for channel in item.channels[:MAX_CHANNELS]],
            }
            for item in controls.objects
        ],
        "controls": [_control(control) for control in controls],
        "relation_labels": _labels(controls.relation_labels.labels),
        "interactive": any(_is_smart(control) for control in controls),
    }


def _control(control: Control) -> dict[str, Any]:
    return {
        "name": control.name,
        "tag": control.tag,
        "type": control.region_type,
        "to_name": list(control.to_names),
        "labels": _labels(control.labels),
        "attributes": _cut(control.attributes.items()),
        "per_region": control.is_per_region,
        "smart": _is_smart(control),
    }


def _channel(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: attribute_of(attributes, name)[:MAX_ATTRIBUTE] for name in ("column", "legend", "units")}


def _is_smart(control: Control) -> bool:
    return attribute_of(control.attributes, _SMART).lower() == "true"


def _labels(labels: Iterable[Label]) -> list[dict[str, str]]:
    """Return the labels with those nested in them. `value` is what regions hold, `title` what annotators read."""
    found: list[dict[str, str]] = []
    for top in labels:
        for _, label in top.walk():
            if len(found) >= MAX_LABELS:
                return found
            background = attribute_of(label.attributes, "background")
            found.append({"value": label.name, "title": label.value, "background": background[:100]})
    return found


def _cut(attributes: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: text[:MAX_ATTRIBUTE] for name, text in attributes}
