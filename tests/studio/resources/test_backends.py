"""Backends and webhooks: whether Label Studio accepts an address, without adding anything."""

import json

import pytest

from label_studio_ml.studio.resources.backends import BackendResource
from label_studio_ml.studio.resources.webhooks import WebhookResource
from label_studio_ml.studio.transport.api_client import ApiClient
from label_studio_ml.studio.transport.http import Http

from ..fake import FakeServer, Reply

URL = "http://10.0.0.1:9090"
SAVED = {"id": 3, "url": URL, "title": "model"}


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (403, {"detail": "a reserved address"}, "a reserved address"),
        (400, {"detail": "x", "validation_errors": {"url": ["Enter a valid URL."]}}, "Enter a valid URL."),
        (400, {"detail": "x", "validation_errors": {"timeout": ["A number is required."]}}, ""),
        (500, {"detail": "boom"}, ""),
    ],
)
def test_refused_addresses(studio: FakeServer, status: int, body: dict[str, object], refusal: str) -> None:
    api = ApiClient(Http(studio.url, "t" * 40), blames_token=False)
    studio.on("/api/ml/", Reply.of(body, status))
    studio.on("/api/webhooks/", Reply.of(body, status))
    assert BackendResource(api).refusal_of(7, URL) == refusal
    assert WebhookResource(api).refusal_of(7, URL) == refusal
    sent = [json.loads(asked.body) for asked in studio.asked]
    assert sent == [
        {"project": 7, "url": URL, "timeout": "none"},
        {"project": 7, "url": URL, "actions": ["NONE"]},
    ]


def test_an_object_with_an_id_is_changed(studio: FakeServer) -> None:
    api = ApiClient(Http(studio.url, "t" * 40))
    for path in ("/api/ml/", "/api/ml/3", "/api/webhooks/", "/api/webhooks/3/"):
        studio.on(path, Reply.of(SAVED))
    for resource in (BackendResource(api), WebhookResource(api)):
        assert resource.save({"url": URL}) == resource.save({"url": URL}, 3) == SAVED
    assert [(asked.method, asked.path) for asked in studio.asked] == [
        ("POST", "/api/ml/"),
        ("PATCH", "/api/ml/3"),
        ("POST", "/api/webhooks/"),
        ("PATCH", "/api/webhooks/3/"),
    ]
