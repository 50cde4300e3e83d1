"""The environment of a tracker's process: folders below the backend's logs, unless the user set others."""

from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.trackers.environment import tracker_environment

#: Variables that name folders, and those folders below that of the logs.
FOLDERS = {
    "WANDB_DIR": "",
    "WANDB_DATA_DIR": "wandb/data",
    "WANDB_CACHE_DIR": "wandb/cache",
    "WANDB_ARTIFACT_DIR": "wandb/artifacts",
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in (*FOLDERS, "WANDB_MODE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return Settings(backend_dir=tmp_path, log_dir=tmp_path / "logs")


def test_everything_that_wandb_writes_is_below_the_logs(settings: Settings) -> None:
    environment = tracker_environment(settings)
    assert {name: Path(environment[name]) for name in FOLDERS} == {
        name: settings.log_dir / folder for name, folder in FOLDERS.items()
    }
    assert environment["WANDB_MODE"] == "offline"


def test_mlflow_has_a_database_in_the_logs(settings: Settings) -> None:
    assert (
        tracker_environment(settings)["MLFLOW_TRACKING_URI"]
        == f"sqlite:///{settings.log_dir}/mlflow/mlflow.db"
    )


@pytest.mark.parametrize("name", [*FOLDERS, "WANDB_MODE", "MLFLOW_TRACKING_URI"])
def test_what_the_user_set_stays_unless_it_is_empty(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = tracker_environment(settings)[name]
    monkeypatch.setenv(name, "own")
    assert tracker_environment(settings)[name] == "own"
    monkeypatch.setenv(name, "")
    assert tracker_environment(settings)[name] == default
