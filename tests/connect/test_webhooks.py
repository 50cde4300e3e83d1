"""Which webhooks are ours, and what is done about them."""

from pathlib import Path
from typing import Any, cast

import pytest

from label_studio_ml.connect import webhooks
from label_studio_ml.connect.ownership import HEADER, belongs_to, description, identity
from label_studio_ml.errors import SettingsError
from label_studio_ml.model import TRAIN_EVENTS
from label_studio_ml.studio.resources.webhooks import WebhookResource

URL = "http://localhost:9090"


class FakeWebhooks:
    """Webhooks in a dict, as the API keeps them."""

    def __init__(self, *known: dict[str, Any]) -> None:
        self.hooks = {number: {"id": number, **one} for number, one in enumerate(known, 1)}

    def of_project(self, project: int) -> list[dict[str, Any]]:
        assert project == 5
        return list(self.hooks.values())

    def save(self, fields: dict[str, Any], webhook_id: int | None = None) -> dict[str, Any]:
        number = webhook_id or max(self.hooks, default=0) + 1
        self.hooks[number] = {"id": number, **self.hooks.get(number, {}), **fields}
        return self.hooks[number]

    def delete(self, webhook_id: int) -> None:
        del self.hooks[webhook_id]


def _synchronise(webhook_resource: FakeWebhooks, urls: tuple[str, ...] = (URL,)) -> tuple[str, int]:
    wanted = webhooks.fields(URL, "me", "Basic x", ["PROJECT_UPDATED"])
    return webhooks.synchronise(cast("WebhookResource", webhook_resource), 5, wanted, "me", urls)


def test_made_once() -> None:
    webhook_resource = FakeWebhooks()
    assert _synchronise(webhook_resource) == ("created", 0)
    assert _synchronise(webhook_resource) == ("unchanged", 0)
    (hook,) = webhook_resource.hooks.values()
    assert hook["project"] == 5
    assert hook["url"] == f"{URL}/webhook"
    assert hook["headers"] == {HEADER: "me", "Authorization": "Basic x"}


def test_label_studios_own_webhook_is_taken_over() -> None:
    webhook_resource = FakeWebhooks(
        {"url": "http://127.0.0.1:9090/webhook", "send_for_all_actions": True, "headers": {}}
    )
    assert _synchronise(webhook_resource) == ("updated", 0)
    (hook,) = webhook_resource.hooks.values()
    assert (hook["id"], hook["url"]) == (1, f"{URL}/webhook")
    assert hook["send_for_all_actions"] is False


def test_stale_and_doubled_ones_go_and_others_stay() -> None:
    webhook_resource = FakeWebhooks(
        {"url": "http://old:1/webhook", "headers": {HEADER: "me"}},
        {"url": f"{URL}/webhook", "headers": {}},
        {"url": f"{URL}/webhook/", "headers": {}},
        {"url": "http://older:1/webhook", "headers": {}},
        {"url": "http://other:1/webhook", "headers": {HEADER: "you"}},
        {"url": "http://third:1/webhook", "headers": None},
    )
    assert _synchronise(webhook_resource, (URL, "http://older:1")) == ("updated", 3)
    assert sorted(webhook_resource.hooks) == [2, 5, 6]


def test_actions_that_matter() -> None:
    assert webhooks.required_actions(TRAIN_EVENTS, learns=False) == ["PROJECT_UPDATED"]
    assert webhooks.required_actions(["TASKS_CREATED", "MINE", "START_TRAINING"], learns=True) == [
        "ANNOTATIONS_DELETED",
        "PROJECT_UPDATED",
        "TASKS_CREATED",
        "TASKS_DELETED",
    ]


def test_identity_stays(tmp_path: Path) -> None:
    made = identity(tmp_path / "data")
    assert identity(tmp_path / "data") == made
    assert identity(tmp_path / "other") != made
    assert belongs_to({"description": f"Mine. {description(made)}"}, made)
    assert not belongs_to({"description": description("0" * 12)}, made)
    assert not belongs_to({"description": None}, made)
    (tmp_path / "data" / "backend-id").write_text("broken")
    assert identity(tmp_path / "data") == identity(tmp_path / "data")


def test_identity_without_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="MODEL_DIR"):
        identity(tmp_path / "file")
