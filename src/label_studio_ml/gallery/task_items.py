"""The items that come with tasks, which a person orders or chooses from, and the example task of a label config."""

import json
import re
from collections.abc import Mapping
from typing import Any

from label_studio_ml.controls.control import Control
from label_studio_ml.errors import LabelConfigError

#: A comment with a task, which Label Studio's templates end with: the page shows it as the example.
_EXAMPLE = re.compile(r"<!--\s*(\{.*?\})\s*-->", re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")


def example_task(label_config: str) -> dict[str, Any] | None:
    """Return the example task in a comment of a label config, as `{"data": …}`; None if there is none."""
    for match in _EXAMPLE.finditer(label_config):
        try:
            task = json.loads(match[1])
        except ValueError:
            continue
        data = task.get("data", task)
        if isinstance(data, dict):
            return {"data": data}
    return None


def items_of_task(control: Control, task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the items that a control orders or chooses from, as far as the task brings them; else an empty list."""
    try:
        if control.labels_field:
            labels = [label for top in control.for_task(task).labels for _, label in top.walk()]
            return [{"text": label.attributes.get("html") or label.value} for label in labels]
        items = control.value(task)
    except (KeyError, LabelConfigError, TypeError, ValueError):
        return []
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def has_text(item: Mapping[str, Any]) -> bool:
    """Tell whether an item has a text beside its id: HTML with nothing but pictures has none."""
    texts = [value for key, value in item.items() if key != "id" and isinstance(value, str)]
    return any(_TAG.sub("", text).strip() for text in texts)
