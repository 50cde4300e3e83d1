"""The trackers' own secrets."""

import pytest

from label_studio_ml.trackers.credentials import tracker_secrets


def test_secrets_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "CANARY-1")
    monkeypatch.setenv("WANDB_API_KEY", "CANARY-2")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:CANARY%203/#4@host?password=CANARY-5")
    assert {"CANARY-1", "CANARY-2", "CANARY%203/#4", "CANARY 3/#4", "CANARY-5"} <= set(tracker_secrets())
