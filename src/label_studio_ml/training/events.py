"""What a webhook event says about tasks and annotations."""

from collections.abc import Iterable
from typing import Any, Protocol


class AnyEvent(Protocol):
    """An event as it came, or as it is kept."""

    @property
    def action(self) -> str:
        """Label Studio's name of the event."""

    @property
    def data(self) -> dict[str, Any]:
        """The payload."""


def training_actions(own: Iterable[str]) -> set[str]:
    """Return Label Studio's names of the events that start a training; `own` are the class's `TRAIN_EVENTS`."""
    names = {*own, "START_TRAINING"}
    if "ANNOTATION_DELETED" in names:  # Label Studio's name for it is the plural
        names.add("ANNOTATIONS_DELETED")
    if "ANNOTATION_CREATED" in names:
        names.add("ANNOTATIONS_CREATED")
    return names


def labelled(event: AnyEvent) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the (task, annotation) pairs that an event brings."""
    if event.action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
        tasks, annotations = [event.data.get("task")], [event.data.get("annotation")]
    elif event.action == "ANNOTATIONS_CREATED":
        tasks, annotations = event.data.get("task") or [], event.data.get("annotation") or []
    else:
        return []
    by_id = {task.get("id"): task for task in dicts(tasks)}
    return [(by_id.get(one.get("task"), {"id": one.get("task")}), one) for one in dicts(annotations)]


def counted(event: AnyEvent) -> int:
    """Return how many new annotations an event brings: a changed one counts, a skipped or a deleted one does not."""
    if event.action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
        return 0 if _skipped(event.data.get("annotation")) else 1
    if event.action == "ANNOTATIONS_CREATED":
        made = event.data.get("annotation") or event.data.get(
            "annotations"
        )  # the plural: it came without login
        return sum(not _skipped(one) for one in made) if isinstance(made, list) else 1
    return 0


def grouped(pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]]) -> dict[Any, dict[str, Any]]:
    """Return (task, annotation) pairs as tasks with their annotations, by task id; the last word on each counts."""
    tasks: dict[Any, dict[str, Any]] = {}
    for task, annotation in pairs:
        known = tasks.get(task.get("id"), {"annotations": []})["annotations"]
        others = [one for one in known if one.get("id") != annotation.get("id")]
        tasks[task.get("id")] = {**task, "annotations": [*others, annotation]}
    return tasks


def removed(event: AnyEvent) -> tuple[list[object], list[object]]:
    """Return the ids of the tasks and of the annotations that an event says are deleted."""
    tasks = _ids(event.data.get("tasks")) if event.action == "TASKS_DELETED" else []
    annotations = _ids(event.data.get("annotations")) if event.action == "ANNOTATIONS_DELETED" else []
    return tasks, annotations


def ids_only(event: AnyEvent) -> dict[str, Any]:
    """Return what is kept of an event that came without login: ids, to be looked up in Label Studio."""
    data: dict[str, Any] = {"project": {"id": (event.data.get("project") or {}).get("id")}}
    for name in ("task", "annotation"):
        value = event.data.get(name)
        if isinstance(value, dict) and isinstance(value.get("id"), int):
            data[name] = value["id"]
    if event.action == "ANNOTATIONS_CREATED":
        data["annotations"] = [
            {"id": annotation["id"], "task": task["id"]}
            for task, annotation in labelled(event)
            if isinstance(annotation.get("id"), int) and isinstance(task.get("id"), int)
        ]
    if event.action == "ANNOTATIONS_DELETED":
        data["annotations"] = [{"id": number} for number in removed(event)[1]]
    return data


def _skipped(annotation: Any) -> bool:
    return isinstance(annotation, dict) and bool(annotation.get("was_cancelled"))


def dicts(values: Any) -> list[dict[str, Any]]:
    """Return those of the values that are objects; none if it is no list."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _ids(values: Any) -> list[object]:
    return [value["id"] for value in dicts(values) if isinstance(value.get("id"), int)]
