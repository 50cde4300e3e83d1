"""What the objects of a label config show of one task, as far as the task itself holds it."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from label_studio_ml.controls.object_tag import ObjectTag
from label_studio_ml.validation.allowed_controls import AllowedControl

#: Stands for a content that has not been looked up.
_UNKNOWN = object()


class TaskContents:
    """The contents of the objects of one task, each read once. Without a task, none is known."""

    def __init__(self, task: Mapping[str, Any] | None) -> None:
        self._given_task = task
        self._contents: dict[tuple[Any, Any], Any] = {}

    @cached_property
    def _task(self) -> Mapping[str, Any] | None:
        """The task; None without one, or if it or its data are no dicts."""
        task = self._given_task
        return task if isinstance(task, Mapping) and isinstance(task.get("data", {}), Mapping) else None

    def of(self, region: Mapping[str, Any], control: AllowedControl) -> Any:
        """Return the text or the paragraphs of a region's object; None if they are in a file, or not known."""
        if self._task is None or control.control is None:
            return None
        key = (region.get("from_name"), region.get("to_name"))
        content = self._contents.get(key, _UNKNOWN)
        if content is _UNKNOWN:
            content = self._contents[key] = self._read(*key, control)
        return content

    def _read(self, from_name: Any, to_name: Any, control: AllowedControl) -> Any:
        """Return what an object shows; None if it is a file, encoded, or missing from the task."""
        shown = object_of(from_name, to_name, control)
        if shown is None or shown.is_url or (shown.attribute("encoding") or "none") != "none":
            return None
        return self._value(shown)

    def count(self, region: Mapping[str, Any], control: AllowedControl) -> int | None:
        """Return the number of pictures that a region's object shows; None if it is not known."""
        shown = object_of(region.get("from_name"), region.get("to_name"), control)
        if shown is None or shown.tag != "Image":
            return None
        if not shown.is_list:
            return 1
        pictures = self._value(shown)
        return len(pictures) if isinstance(pictures, list) else None

    def _value(self, shown: ObjectTag) -> Any:
        if self._task is None:
            return None
        try:
            return shown.value(self._task)
        except KeyError:
            return None


def object_of(from_name: Any, to_name: Any, control: AllowedControl) -> ObjectTag | None:
    """Return the object tag of a region, with the index of a `<Repeater>` filled in; None if it is not known."""
    full = control.control
    if full is None:
        return None
    if control.is_indexed:
        return None
    return next((item for item in full.objects if item.name == to_name), None)
