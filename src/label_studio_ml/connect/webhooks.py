"""The backend's webhook in a Label Studio project: find it, compare it with the desired state, create or update it."""

from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.connect.ownership import HEADER
from label_studio_ml.protocol.webhook_actions import NEEDED_ACTIONS, SENT_ACTIONS
from label_studio_ml.studio.resources.webhooks import WebhookResource
from label_studio_ml.studio.transport.api_client import Json
from label_studio_ml.support.server_urls import canonical


def required_actions(events: Iterable[str], *, learns: bool) -> list[str]:
    """Return the webhook actions that the backend needs, sorted.

    These are PROJECT_UPDATED, for a changed label config; and if the class `learns`, also its training `events` and the
    deletions of annotations and tasks.
    """
    if not learns:
        return ["PROJECT_UPDATED"]
    return sorted({*events, *NEEDED_ACTIONS} & SENT_ACTIONS)


def address(backend_url: str) -> str:
    """Return the webhook URL of the backend at `backend_url`."""
    return backend_url.rstrip("/") + "/webhook"


def of_backend(webhooks: Iterable[Json], name: str, urls: Iterable[str]) -> list[Json]:
    """Return the webhooks of the backend `name`: those with its name in HEADER, and those to one of its `urls`."""
    webhook_urls = {canonical(address(url)) for url in urls}
    return [
        webhook
        for webhook in webhooks
        if (webhook.get("headers") or {}).get(HEADER) == name
        or canonical(str(webhook.get("url"))) in webhook_urls
    ]


def fields(url: str, name: str, authorization: str, actions: Iterable[str]) -> Json:
    """Return the fields of the webhook in Label Studio's API; an empty `authorization` adds no login."""
    headers = {HEADER: name} | ({"Authorization": authorization} if authorization else {})
    return {
        "url": address(url),
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
        "headers": headers,
        "actions": sorted(actions),
    }


def differences(webhook: Mapping[str, Any], desired: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields whose value in `webhook` differs from `desired`."""
    return [
        name
        for name, value in desired.items()
        if (sorted(webhook.get(name) or []) if name == "actions" else webhook.get(name)) != value
    ]


def synchronise(
    webhooks: WebhookResource, project: int, desired: Json, name: str, urls: Iterable[str]
) -> tuple[str, int]:
    """Create or update the backend's webhook as `desired`, and delete its other webhooks in the project.

    Return "created", "updated" or "unchanged", and the number of deleted webhooks. Raises StudioError.
    """
    present = of_backend(webhooks.of_project(project), name, urls)
    desired_url = canonical(str(desired["url"]))
    present.sort(key=lambda webhook: (canonical(str(webhook.get("url"))) != desired_url, webhook["id"]))
    if not present:
        webhooks.save({**desired, "project": project})
        return "created", 0
    first, *others = present
    changed = differences(first, desired)
    if changed:
        webhooks.save(desired, int(first["id"]))
    for other in others:
        webhooks.delete(int(other["id"]))
    return ("updated" if changed else "unchanged"), len(others)
