"""An object tag of a label config: what annotators see of a task, and the field of the task that it shows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from label_studio_ml.support.arguments import described

#: A reference to a field of the task in an attribute, such as `$text` or `$review.pages[0]`. Source: the pattern of
#: Label Studio's frontend, which takes attributes of one reference as the field's value, and others as texts.
_REFERENCE = re.compile(r"\$([\w.\[\]{}]+)")
_STEP = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True)
class ObjectTag:
    """An object tag, such as `<Image name="photo" value="$image"/>`.

    `attributes` are all of its XML attributes; `channels` those of each `<Channel>` in a `<TimeSeries>`.
    """

    name: str
    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    channels: tuple[Mapping[str, str], ...] = field(default=(), repr=False, hash=False)

    def attribute(self, name: str) -> str:
        """Return the text of an XML attribute, whose name Label Studio reads in any case; empty without it."""
        return attribute_of(self.attributes, name)

    @property
    def source(self) -> str:
        """The attribute that names the data: that of `value`, else of `valueList`; empty if it has neither."""
        return self.attribute("value") or self.attribute("valueList")

    @property
    def field(self) -> str:
        """The field of a task's data, without `$`; empty if the tag shows a fixed text or mixes several fields."""
        match = _REFERENCE.fullmatch(self.source)
        return match[1] if match else ""

    @property
    def is_list(self) -> bool:
        """Whether the field has a list of values, such as the pages of `<Image valueList="$pages"/>`."""
        return not self.attribute("value") and bool(self.attribute("valueList"))

    @property
    def is_url(self) -> bool:
        """Whether the field of a text has the URL of a file with the text (`valueType="url"`)."""
        return self.attribute("valueType").lower() == "url"

    def value(self, task: Mapping[str, Any]) -> Any:
        """Return what the tag shows of a task: the field's value, or its text with all references filled in.

        Raises KeyError, naming the field, if the task's data lack it.
        """
        return resolve(self.source, task)


def attribute_of(attributes: Mapping[str, str], name: str) -> str:
    """Return the text of an XML attribute, whose name Label Studio reads in any case; empty without it."""
    exact = attributes.get(name)
    if exact is not None:
        return exact
    return next((text for key, text in attributes.items() if key.lower() == name.lower()), "")


def resolve(source: str, task: Mapping[str, Any]) -> Any:
    """Return the value of an attribute for a task: of `$name`, `$name.part` and `$name[0]` the value in its data.

    A text with more around a reference, such as `Question: $text`, is returned with the references filled in; a text
    without one as it is. Raises KeyError, naming the field, if the task's data lack it.
    """
    data = task.get("data", task)
    if match := _REFERENCE.fullmatch(source):
        return field_value(data, match[1])
    return _REFERENCE.sub(lambda match: str(field_value(data, match[1])), source)


def field_value(data: Mapping[str, Any], path: str) -> Any:
    """Return `data[path]`, or the value at a path of keys and indices, such as `review.pages[0]`. Raises KeyError."""
    if not isinstance(data, Mapping):
        raise KeyError(
            f"The task has no data with the field {path!r}: data must be a dict, not {described(data)}"
        )
    if path in data:
        return data[path]
    value: Any = data
    for step in _STEP.findall(path):
        try:
            value = value[int(step)] if isinstance(value, list | tuple) else value[step]
        except (LookupError, TypeError, ValueError):
            raise KeyError(f"The task's data have no field {path!r}; they have {_names(data)}") from None
    return value


def _names(data: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, data)) or "none"
