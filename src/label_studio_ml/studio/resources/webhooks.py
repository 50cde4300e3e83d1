"""Webhooks of a project in Label Studio's API."""

from collections.abc import Mapping
from typing import Any

from label_studio_ml.studio.resources.answer_forms import WebhookAnswer
from label_studio_ml.studio.resources.backends import refusal_of
from label_studio_ml.studio.transport.api_client import ApiClient, Json


class WebhookResource:
    """Reads, adds, changes and deletes webhooks. For the exceptions see ApiClient."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def of_project(self, project: int) -> list[Json]:
        """Return the project's webhooks."""
        return self._api.json_list(
            "GET", "/api/webhooks/", form=WebhookAnswer, params={"project": str(project)}
        )

    def save(self, fields: Mapping[str, Any], webhook_id: int | None = None) -> Json:
        """Add a webhook, or change the one with the given id; return it."""
        if webhook_id is None:
            return self._api.json_object("POST", "/api/webhooks/", form=WebhookAnswer, json=dict(fields))
        return self._api.json_object(
            "PATCH", f"/api/webhooks/{webhook_id}/", form=WebhookAnswer, json=dict(fields)
        )

    def delete(self, webhook_id: int) -> None:
        """Delete a webhook."""
        self._api.call("DELETE", f"/api/webhooks/{webhook_id}/")

    def refusal_of(self, project: int, url: str) -> str:
        """Return why Label Studio refuses a webhook at `url`, empty if it does not. Nothing is added to the project."""
        # The action is invalid on purpose: Label Studio validates the address, too, and adds no webhook.
        return refusal_of(self._api, "/api/webhooks/", {"project": project, "url": url, "actions": ["NONE"]})
