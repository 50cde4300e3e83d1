"""The backend's webhook in a Label Studio project: find it, compare it with the wanted state, create or update it."""

from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.connect.ownership import HEADER
from label_studio_ml.protocol.webhook_actions import NEEDED_ACTIONS, SENT_ACTIONS
from label_studio_ml.studio.resources.webhooks import WebhookResource
from label_studio_ml.studio.transport.api_client import Json
from label_studio_ml.support.server_urls import canonical


def wanted_actions(events: Iterable[str], *, learns: bool) -> list[str]:
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


def ours(webhooks: Iterable[Json], name: str, urls: Iterable[str]) -> list[Json]:
    """Return the webhooks of the backend `name`: those with its name in HEADER, and those to one of its `urls`."""
    places = {canonical(address(url)) for url in urls}
    return [
        webhook
        for webhook in webhooks
        if (webhook.get("headers") or {}).get(HEADER) == name or canonical(str(webhook.get("url"))) in places
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


def differences(webhook: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields whose value in `webhook` differs from `wanted`."""
    return [
        name
        for name, value in wanted.items()
        if (sorted(webhook.get(name) or []) if name == "actions" else webhook.get(name)) != value
    ]


def settle(
    webhooks: WebhookResource, project: int, wanted: Json, name: str, urls: Iterable[str]
) -> tuple[str, int]:
    """Create or update the backend's webhook as `wanted`, and delete its other webhooks in the project.

    Return a text that says what was done, and the number of deleted webhooks. Raises StudioError.
    """
    present = ours(webhooks.of_project(project), name, urls)
    here = canonical(str(wanted["url"]))
    present.sort(key=lambda webhook: (canonical(str(webhook.get("url"))) != here, webhook["id"]))
    if not present:
        webhooks.save({**wanted, "project": project})
        return "made", 0
    first, *others = present
    changed = differences(first, wanted)
    if changed:
        webhooks.save(wanted, int(first["id"]))
    for other in others:
        webhooks.delete(int(other["id"]))
    return ("updated" if changed else "is as it should be"), len(others)
