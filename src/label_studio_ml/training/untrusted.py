"""Events that came without the login that the backend asks for: what is kept of them, and how much.

Anybody may have sent them. So ids only are kept, and task and annotation are read from Label Studio before `fit` sees
them; an event that says the same as one that waits already is folded into it; and of each project a number of them
waits at most. What comes beyond that number is not kept one by one: one event stands for all of it, `beyond`, whose
run reads from Label Studio what has changed since.
"""

import hashlib
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from label_studio_ml.training.events import AnyEvent, dicts, is_id, labelled, removed

#: Ids that are kept of one event. Label Studio names more where many annotations are made or deleted at once.
MAX_IDS = 1000
#: Events of one project that wait, and the bytes of what is kept of them.
MAX_EVENTS, MAX_BYTES = 10_000, 8 << 20
#: How much earlier than the first event that was not kept an annotation may have been changed and still belongs to it:
#: Label Studio's clock is another one.
MARGIN = timedelta(minutes=1)

#: The field of `beyond` that says since when events were not kept one by one.
SINCE = "since"


def ids_only(event: AnyEvent) -> dict[str, Any]:
    """Return the ids that an event names."""
    data: dict[str, Any] = {"project": _project(event)}
    for name in ("task", "annotation"):
        value = event.data.get(name)
        if isinstance(value, dict) and is_id(value.get("id")):
            data[name] = value["id"]
    if event.action == "ANNOTATIONS_CREATED":
        data["annotations"] = [
            {"id": annotation["id"], "task": task["id"]}
            for task, annotation in labelled(event)
            if is_id(annotation.get("id")) and is_id(task.get("id"))
        ]
    if event.action == "ANNOTATIONS_DELETED":
        data["annotations"] = [{"id": number} for number in removed(event)[1]]
    return data


def is_too_long(data: dict[str, Any]) -> bool:
    """Tell whether what `ids_only` returned names more ids than are kept of an event that anybody may have sent."""
    return len(data.get("annotations", ())) > MAX_IDS


def beyond(event: AnyEvent) -> dict[str, Any]:
    """Return what is kept in place of an event that is too much, and of all that come after it until a run begins."""
    since = datetime.now(UTC) - MARGIN
    return {"project": _project(event), SINCE: since.isoformat(timespec="seconds")}


def is_beyond(data: dict[str, Any]) -> bool:
    """Tell whether an event stands for others that were not kept one by one."""
    return SINCE in data


def digest(event: AnyEvent) -> str:
    """Return the same text for events of a project that say the same."""
    said = msgspec.json.encode([event.action, event.data], order="deterministic")
    return hashlib.sha256(said).hexdigest()[:32]


def changed_since(
    data: dict[str, Any], wanted: Collection[str], tasks: Iterable[dict[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """Return (action, data) of the single events that `beyond` stands for, as Label Studio's `tasks` tell them.

    Those are the annotations that were made or changed since then. Deleted ones leave no trace there.
    """
    since = datetime.fromisoformat(data[SINCE])
    found: list[tuple[str, dict[str, Any]]] = []
    for task in tasks:
        for annotation in dicts(task.get("annotations")):
            created, updated = (_time(annotation.get(name)) for name in ("created_at", "updated_at"))
            if max(created, updated) < since:
                continue
            action = "ANNOTATION_CREATED" if created >= since else "ANNOTATION_UPDATED"
            one = {**annotation, "task": task.get("id")}
            said = {"project": data.get("project"), "task": task, "annotation": one}
            if action in wanted:
                found.append((action, {"action": action, **said}))
            elif "ANNOTATIONS_CREATED" in wanted and action == "ANNOTATION_CREATED":
                many = {**said, "task": [task], "annotation": [one]}
                found.append(("ANNOTATIONS_CREATED", {"action": "ANNOTATIONS_CREATED", **many}))
    return found


def _time(text: Any) -> datetime:
    """Return a time as Label Studio writes it; the beginning of time for none."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _project(event: AnyEvent) -> dict[str, Any]:
    project = event.data.get("project")
    return {"id": project.get("id") if isinstance(project, dict) else None}
