"""Settings of the trackers."""

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.config.tracker_settings import TrackerSettings
from label_studio_ml.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("mlflow", ("mlflow",)),
        (" MLflow, tensorboard,,mlflow ", ("mlflow", "tensorboard")),
    ],
)
def test_trackers_are_names_separated_by_commas(text: str, names: tuple[str, ...]) -> None:
    assert TrackerSettings.from_env({"TRACKER": text}).names == names


def test_an_unknown_tracker_is_named_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="'neptune' is no tracker") as raised:
        TrackerSettings.from_env({"TRACKER": "mlflow,neptune"})
    assert "mlflow, wandb, tensorboard" in raised.value.fix


@pytest.mark.parametrize("variable", ["MLFLOW_UI_URL", "TENSORBOARD_URL"])
@pytest.mark.parametrize("login", ["user:CANARY", "CANARY", "user:CA@NARY"])
def test_pages_for_links_have_no_login(variable: str, login: str) -> None:
    settings = TrackerSettings.from_env({variable: f"https://{login}@host:5000/ui/"})
    page = settings.mlflow_page or settings.tensorboard_page
    assert page == "https://host:5000/ui"


def test_child_processes_get_the_settings() -> None:
    env = {
        "TRACKER": "mlflow,wandb",
        "TRACKER_ARTIFACT_MB": "0",
        "TRACKER_EXPERIMENT": "boats",
        "MLFLOW_UI_URL": "https://mlflow.example.com",
        "TENSORBOARD_DIR": "events",
    }
    settings = Settings.from_env(env)
    assert settings.trackers.artifact_bytes == 0
    assert Settings.from_env(settings.to_env()) == settings
    assert settings.to_env()["TRACKER"] == "mlflow,wandb"
