"""The answer of /connection of a server that may be no backend of this package."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendDown, view
from label_studio_ml.connect.connection_answer import checked
from label_studio_ml.web.routes.calls.server_calls import ConnectionAnswer
from studio.fake import FakeServer, Reply

RIGHT: dict[str, Any] = {
    "version": "3.0.0",
    "model_class": "Model",
    "learns": True,
    "initial_version": "INITIAL",
    "events": ["ANNOTATION_CREATED"],
    "login": False,
    "studio": {"LABEL_STUDIO_URL": True, "LABEL_STUDIO_API_KEY": False},
    "time": 1.5,
    "invalid_predictions": {"region": 2},
    "project": {
        "uid": "7.1",
        "hostname": "http://localhost:8080",
        "token": True,
        "model_version": None,
        "heard": {"PROJECT_UPDATED": {"at": 1.0, "authorized": True}},
    },
}

WRONG = [
    ("version", 3),
    ("version", "x" * 501),
    ("model_class", ["Model"]),
    ("model_class", "x" * 501),
    ("learns", "yes"),
    ("events", None),
    ("events", "ANNOTATION_CREATED"),
    ("events", [1]),
    ("events", ["x" * 101]),
    ("events", ["x"] * 1001),
    ("studio", []),
    ("invalid_predictions", {"region": "many"}),
    ("project", []),
    ("project", {"heard": {"PROJECT_UPDATED": {"at": "now", "authorized": True}}}),
    ("project", {"heard": {"PROJECT_UPDATED": {}}}),
]


def test_the_answer_of_a_backend_stays_as_it_is() -> None:
    assert checked(RIGHT) == RIGHT
    assert checked({**RIGHT, "more": 1}) == RIGHT
    started = {**RIGHT, "model_class": None, "learns": None, "initial_version": None}
    assert checked(started) == started


def test_all_fields_are_those_of_the_answer() -> None:
    assert (
        set(msgspec.convert(RIGHT, ConnectionAnswer))
        == set(checked(RIGHT))
        == set(ConnectionAnswer.__annotations__)
    )


@pytest.mark.parametrize(("field", "value"), WRONG, ids=str)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"\$\.{field}"):
        checked({**RIGHT, field: value})


def test_an_answer_without_its_fields_is_none_of_a_backend(tmp_path: Path) -> None:
    server = FakeServer()
    server.on("/connection", Reply.of({"status": "ok"}))
    try:
        settings = Settings(backend_dir=tmp_path, model_dir=tmp_path)
        with pytest.raises(
            BackendDown, match=r"/connection does not answer as a backend of this package: .*version"
        ):
            view(settings, server.url, server.port).connection()
    finally:
        server.stop()
