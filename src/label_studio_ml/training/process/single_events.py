"""Convert stored events for `fit(event, data)`: split bulk events, and check events without login in Label Studio."""

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from label_studio_ml.errors import StudioError
from label_studio_ml.protocol.webhook_actions import Deleted, Labelled, action_named
from label_studio_ml.protocol.webhook_payload import dicts
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.untrusted_events import changed_since, is_beyond

logger = logging.getLogger(__name__)

Single = tuple[str, dict[str, Any]]


def single_events(
    event: StoredEvent,
    actions: Collection[str],
    read_task: Callable[[int], dict[str, Any]],
    read_tasks: Callable[[], Iterable[dict[str, Any]]],
) -> list[Single]:
    """Return (action, data) of an event, or of the single events of a bulk event, if their action is in `actions`.

    If `actions` has the bulk event's action but not that of its single events, the bulk event is returned whole.
    `read_task` reads a task with its annotations from Label Studio, `read_tasks` all labelled tasks of the project.
    Raises StudioError if an event without login cannot be checked in Label Studio now.
    """
    if not event.trusted and is_beyond(event.data):
        return changed_since(event.data, actions, read_tasks())
    single = action_named(event.action).single or event.action
    if single in actions:
        data = event.data if event.trusted else _checked(event, read_task)
        return _split(event.action, single, data) if data else []
    if event.action in actions:
        data = event.data if event.trusted else _checked(event, read_task)
        return [(event.action, data)] if data else []
    return []


def _split(action: str, single: str, data: dict[str, Any]) -> list[Single]:
    if action_named(action).labelled is Labelled.SEVERAL:
        by_id = {task.get("id"): task for task in dicts(data.get("task"))}
        return [
            (single, {**data, "action": single, "annotation": item, "task": by_id.get(item.get("task"), {})})
            for item in dicts(data.get("annotation"))
        ]
    if action_named(action).deleted is Deleted.ANNOTATIONS:
        return [
            (single, {**data, "action": single, "annotation": item})
            for item in dicts(data.get("annotations"))
        ]
    return [(single, data)]


def _checked(event: StoredEvent, read_task: Callable[[int], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the data of an event without login as Label Studio has it; None if no annotation of it exists there.

    An event without a task, such as one of deleted annotations, cannot be checked: its ids are returned as they are.
    Tasks that do not exist or belong to another project are left out. Raises StudioError for other failures to read.
    """
    if action_named(event.action).labelled is Labelled.SEVERAL:
        claimed = {(item["task"], item["id"]) for item in dicts(event.data.get("annotations"))}
    elif event.data.get("task") is not None:
        claimed = {(event.data["task"], event.data.get("annotation"))}
    else:
        return {"action": event.action, **event.data}
    tasks: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for task_id in sorted({task_id for task_id, _ in claimed}):
        try:
            task = read_task(task_id)
        except StudioError as error:
            if error.status != 404:
                raise
            logger.warning(
                "%s of task %s came without login and is not true: %s", event.action, task_id, error
            )
            continue
        owner, project = task.get("project"), (event.data.get("project") or {}).get("id")
        if owner is not None and str(owner) != str(project):
            logger.warning(
                "%s of task %s came without login and is not true: the task is of project %s",
                event.action,
                task_id,
                owner,
            )
            continue
        existing = [item for item in task.get("annotations", []) if (task_id, item.get("id")) in claimed]
        if existing:
            tasks.append(task)
            annotations.extend({**item, "task": task_id} for item in existing)
    if not annotations:
        return None
    project = {"action": event.action, "project": event.data.get("project")}
    if action_named(event.action).labelled is Labelled.SEVERAL:
        return {**project, "task": tasks, "annotation": annotations}
    return {**project, "task": tasks[0], "annotation": annotations[0]}
