"""Limits for events without the required login, which anyone may have sent.

Only ids are stored, and tasks and annotations are read from Label Studio before `fit` gets them. An event with the same
content as a queued one is folded into it. Each project has a limit of such events; one event (`beyond`) stands for all
events beyond the limit, and the run reads from Label Studio which annotations have changed since.
"""

import hashlib
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from label_studio_ml.protocol.webhook_actions import Deleted, Labelled, action_named
from label_studio_ml.protocol.webhook_payload import AnyEvent, dicts, is_id, labelled, removed
from label_studio_ml.training.records.event_queue import StoredEvent

#: Largest number of ids in one event. Events of bulk changes in Label Studio may have more: they are beyond the limit.
MAX_IDS = 1000
#: Limits for the queued events of one project: number, and size in bytes.
MAX_EVENTS, MAX_BYTES = 10_000, 8 << 20
#: Tolerance for the difference of clocks: annotations that changed up to this long before the first event beyond the
#: limit are included.
MARGIN = timedelta(minutes=1)

#: The field of a `beyond` event with the time (ISO 8601, UTC) from which on changed annotations are included.
SINCE = "since"


def ids_only(event: AnyEvent) -> dict[str, Any]:
    """Return the ids of project, task and annotations in an event, as the data to store."""
    data: dict[str, Any] = {"project": _project(event)}
    for name in ("task", "annotation"):
        value = event.data.get(name)
        if isinstance(value, dict) and is_id(value.get("id")):
            data[name] = value["id"]
    action = action_named(event.action)
    if action.labelled is Labelled.SEVERAL:
        data["annotations"] = [
            {"id": annotation["id"], "task": task["id"]}
            for task, annotation in labelled(event)
            if is_id(annotation.get("id")) and is_id(task.get("id"))
        ]
    if action.deleted is Deleted.ANNOTATIONS:
        data["annotations"] = [{"id": number} for number in removed(event)[1]]
    return data


def is_too_long(data: dict[str, Any]) -> bool:
    """Tell whether the result of `ids_only` has more annotations than MAX_IDS."""
    return len(data.get("annotations", ())) > MAX_IDS


def beyond(event: AnyEvent) -> dict[str, Any]:
    """Return the data of the event that stands for `event` and all later ones beyond the limit until a run begins."""
    since = datetime.now(UTC) - MARGIN
    return {"project": _project(event), SINCE: since.isoformat(timespec="seconds")}


def is_beyond(data: dict[str, Any]) -> bool:
    """Tell whether the data is that of an event from `beyond`."""
    return SINCE in data


def script_limits(event: StoredEvent) -> tuple[str | bytes | int, ...]:
    """Return the arguments of the script STORE_EVENT that limit and fold an event without login."""
    beyond_limit = is_beyond(event.data)
    combined = StoredEvent(
        "ANNOTATIONS_CREATED", event.data if beyond_limit else beyond(event), trusted=False
    )
    too_long = int(beyond_limit or is_too_long(event.data))
    return digest(event), msgspec.json.encode(combined), MAX_EVENTS, MAX_BYTES, too_long


def digest(event: AnyEvent) -> str:
    """Return a hash of an event's action and data (32 hex digits), the same for events with the same content."""
    content = msgspec.json.encode([event.action, event.data], order="deterministic")
    return hashlib.sha256(content).hexdigest()[:32]


def changed_since(
    data: dict[str, Any], actions: Collection[str], tasks: Iterable[dict[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """Return (action, data) of the events that a `beyond` event stands for, reconstructed from Label Studio's `tasks`.

    These are the annotations created or updated since the event's time, with an action in `actions`. Deleted
    annotations cannot be found.
    """
    since = datetime.fromisoformat(data[SINCE])
    events: list[tuple[str, dict[str, Any]]] = []
    for task in tasks:
        for annotation in dicts(task.get("annotations")):
            created, updated = (_time(annotation.get(name)) for name in ("created_at", "updated_at"))
            if max(created, updated) < since:
                continue
            action = "ANNOTATION_CREATED" if created >= since else "ANNOTATION_UPDATED"
            annotation = {**annotation, "task": task.get("id")}
            if action in actions:
                body = {"action": action, "project": data.get("project")}
                events.append((action, {**body, "task": task, "annotation": annotation}))
            elif "ANNOTATIONS_CREATED" in actions and action == "ANNOTATION_CREATED":
                body = {"action": "ANNOTATIONS_CREATED", "project": data.get("project")}
                events.append(("ANNOTATIONS_CREATED", {**body, "task": [task], "annotation": [annotation]}))
    return events


def _time(text: Any) -> datetime:
    """Return a time in ISO 8601, UTC if it has no time zone; the smallest datetime if the text is no time."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _project(event: AnyEvent) -> dict[str, Any]:
    project = event.data.get("project")
    return {"id": project.get("id") if isinstance(project, dict) else None}
