"""Logins in URLs, and the trackers' own secrets."""

import pytest

from label_studio_ml.trackers.credentials import redacted, tracker_secrets, without_login


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://host:5000/path", "http://host:5000/path"),
        ("https://user:pass@host/path?token=x#f", "https://host/path"),
        ("http://user:p@ss@host", "http://host"),
        ("sqlite:////folder/mlflow.db", "sqlite:////folder/mlflow.db"),
        ("http://user:pass@[broken", "http://[broken"),
    ],
)
def test_links_have_no_login(url: str, clean: str) -> None:
    assert without_login(url) == clean


def test_texts_have_no_login() -> None:
    text = "GET http://user:p@ss@host/api failed; ask me@example.com"
    assert redacted(text) == "GET http://[secret]@host/api failed; ask me@example.com"


def test_secrets_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "CANARY-1")
    monkeypatch.setenv("WANDB_API_KEY", "CANARY-2")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:CANARY%203@host")
    assert {"CANARY-1", "CANARY-2", "CANARY 3"} <= set(tracker_secrets())
