"""Read tasks, annotations and ids from the payloads of Label Studio's webhook events."""

from collections.abc import Iterable
from typing import Any, Protocol


class AnyEvent(Protocol):
    """An event as it was received (`protocol.Event`) or stored (`event queue.StoredEvent`)."""

    @property
    def action(self) -> str:
        """Label Studio's name of the event, such as `ANNOTATION_CREATED`."""

    @property
    def data(self) -> dict[str, Any]:
        """The payload."""


def training_actions(own: Iterable[str]) -> set[str]:
    """Return Label Studio's names of the events that start a training; `own` are the class's `TRAIN_EVENTS`."""
    names = {*own, "START_TRAINING"}
    if "ANNOTATION_DELETED" in names:  # Label Studio sends only ANNOTATIONS_DELETED
        names.add("ANNOTATIONS_DELETED")
    if "ANNOTATION_CREATED" in names:
        names.add("ANNOTATIONS_CREATED")
    return names


def labelled(event: AnyEvent) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the (task, annotation) pairs in an event's payload; a task that is missing there has its id only."""
    if event.action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
        tasks, annotations = [event.data.get("task")], [event.data.get("annotation")]
    elif event.action == "ANNOTATIONS_CREATED":
        tasks, annotations = event.data.get("task") or [], event.data.get("annotation") or []
    else:
        return []
    by_id = {_key(task.get("id")): task for task in dicts(tasks)}
    owners = [(_key(one.get("task")), one) for one in dicts(annotations)]
    return [(by_id.get(owner, {"id": owner}), one) for owner, one in owners]


def counted(event: AnyEvent) -> int:
    """Return the number of created or updated annotations in an event; skipped and deleted ones do not count."""
    if event.action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
        return 0 if _skipped(event.data.get("annotation")) else 1
    if event.action == "ANNOTATIONS_CREATED":
        made = event.data.get("annotation") or event.data.get(
            "annotations"
        )  # `annotations` is the field of an event without login: see `untrusted.ids_only`
        return sum(not _skipped(one) for one in made) if isinstance(made, list) else 1
    return 0


def grouped(pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> dict[Any, dict[str, Any]]:
    """Return a dict of tasks with their annotations by task id; of pairs with the same annotation, the last counts."""
    tasks: dict[Any, dict[str, Any]] = {}
    for task, annotation in pairs:
        key = _key(task.get("id"))
        known = tasks.get(key, {"annotations": []})["annotations"]
        others = [one for one in known if one.get("id") != annotation.get("id")]
        tasks[key] = {**task, "annotations": [*others, annotation]}
    return tasks


def removed(event: AnyEvent) -> tuple[list[object], list[object]]:
    """Return the ids of the tasks and of the annotations that were deleted according to an event."""
    tasks = _ids(event.data.get("tasks")) if event.action == "TASKS_DELETED" else []
    annotations = _ids(event.data.get("annotations")) if event.action == "ANNOTATIONS_DELETED" else []
    return tasks, annotations


def _skipped(annotation: Any) -> bool:
    return isinstance(annotation, dict) and bool(annotation.get("was_cancelled"))


def dicts(values: Any) -> list[dict[str, Any]]:
    """Return the JSON objects in the list `values`; an empty list if `values` is not a list."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def is_id(value: Any) -> bool:
    """Tell whether a value can be the id of a task or an annotation: an int from 0 to 2**63 - 1."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _key(value: Any) -> int | str | None:
    """Return `value` if it can be a dict key that stands for an id, else None, for example for a list."""
    return value if isinstance(value, int | str) else None


def _ids(values: Any) -> list[object]:
    return [value["id"] for value in dicts(values) if is_id(value.get("id"))]
