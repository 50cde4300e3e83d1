"""The project's webhooks: which of them are ours, and what ours should be."""

from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.connect.admin import Admin, Json
from label_studio_ml.connect.identity import HEADER
from label_studio_ml.connect.places import canonical
from label_studio_ml.web.heard import ACTIONS as ACTIONS


def wanted_actions(events: Iterable[str], *, learns: bool) -> list[str]:
    """Return the actions that matter: the class's `events`, what is gone from the labels, a new label config."""
    if not learns:
        return ["PROJECT_UPDATED"]
    return sorted({*events, "ANNOTATIONS_DELETED", "TASKS_DELETED", "PROJECT_UPDATED"} & ACTIONS)


def address(backend_url: str) -> str:
    """Return where the backend at `backend_url` takes events."""
    return backend_url.rstrip("/") + "/webhook"


def ours(webhooks: Iterable[Json], name: str, urls: Iterable[str]) -> list[Json]:
    """Return the webhooks of the backend called `name`: marked as its own, or leading to one of its addresses."""
    places = {canonical(address(url)) for url in urls}
    return [
        one
        for one in webhooks
        if (one.get("headers") or {}).get(HEADER) == name or canonical(str(one.get("url"))) in places
    ]


def fields(url: str, name: str, authorization: str, actions: Iterable[str]) -> Json:
    """Return what our webhook should be."""
    headers = {HEADER: name} | ({"Authorization": authorization} if authorization else {})
    return {
        "url": address(url),
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
        "headers": headers,
        "actions": sorted(actions),
    }


def differences(webhook: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields in which a webhook is not as it should be."""
    return [
        name
        for name, value in wanted.items()
        if (sorted(webhook.get(name) or []) if name == "actions" else webhook.get(name)) != value
    ]


def settle(admin: Admin, project: int, wanted: Json, name: str, urls: Iterable[str]) -> tuple[str, int]:
    """Leave exactly one webhook of ours, as it should be; return what was done and how many were removed.

    Raises StudioError.
    """
    known = ours(admin.webhooks(project), name, urls)
    here = canonical(str(wanted["url"]))
    known.sort(key=lambda one: (canonical(str(one.get("url"))) != here, one["id"]))
    if not known:
        admin.save_webhook({**wanted, "project": project})
        return "made", 0
    first, *others = known
    changed = differences(first, wanted)
    if changed:
        admin.save_webhook(wanted, known=int(first["id"]))
    for other in others:
        admin.delete_webhook(int(other["id"]))
    return ("updated" if changed else "is as it should be"), len(others)
