"""Read tasks, annotations and ids from the payloads of Label Studio's webhook events."""

from collections.abc import Iterable
from typing import Any, Protocol

from label_studio_ml.protocol.webhook_actions import Deleted, Labelled, action_named


class AnyEvent(Protocol):
    """An event as it was received (`protocol.Event`) or stored (`event_queue.StoredEvent`)."""

    @property
    def action(self) -> str:
        """Label Studio's name of the event, such as `ANNOTATION_CREATED`."""

    @property
    def data(self) -> dict[str, Any]:
        """The payload."""


def labelled(event: AnyEvent) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the (task, annotation) pairs in an event's payload; a task that is missing there has its id only."""
    form = action_named(event.action).labelled
    if form is Labelled.NONE:
        return []
    tasks, annotations = event.data.get("task"), event.data.get("annotation")
    if form is Labelled.ONE:
        tasks, annotations = [tasks], [annotations]
    by_id = {_key(task.get("id")): task for task in dicts(tasks)}
    owners = [(_key(annotation.get("task")), annotation) for annotation in dicts(annotations)]
    return [(by_id.get(task_id, {"id": task_id}), annotation) for task_id, annotation in owners]


def counted(event: AnyEvent) -> int:
    """Return the number of created or updated annotations in an event; skipped and deleted ones do not count."""
    form = action_named(event.action).labelled
    if form is Labelled.ONE:
        return 0 if _skipped(event.data.get("annotation")) else 1
    if form is Labelled.SEVERAL:
        # `annotations` is the field of an event without login: see `untrusted_events.ids_only`
        annotations = event.data.get("annotation") or event.data.get("annotations")
        return (
            sum(not _skipped(annotation) for annotation in annotations)
            if isinstance(annotations, list)
            else 1
        )
    return 0


def grouped(pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> dict[Any, dict[str, Any]]:
    """Return a dict of tasks with their annotations by task id; of pairs with the same annotation, the last counts."""
    tasks: dict[Any, dict[str, Any]] = {}
    for task, annotation in pairs:
        key = _key(task.get("id"))
        earlier = tasks.get(key, {"annotations": []})["annotations"]
        kept_annotations = [item for item in earlier if item.get("id") != annotation.get("id")]
        tasks[key] = {**task, "annotations": [*kept_annotations, annotation]}
    return tasks


def removed(event: AnyEvent) -> tuple[list[object], list[object]]:
    """Return the ids of the tasks and of the annotations that were deleted according to an event."""
    deleted = action_named(event.action).deleted
    ids = _ids(event.data.get(deleted.value)) if deleted is not Deleted.NONE else []
    return (ids, []) if deleted is Deleted.TASKS else ([], ids)


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
