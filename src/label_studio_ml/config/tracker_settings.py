"""Settings of the trackers to which trainings are logged: MLflow, Weights & Biases and TensorBoard."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.config.setting_values import (
    MAX_MEGABYTES,
    MEGABYTE,
    TEXT,
    URL,
    Kind,
    PathUse,
    integer,
    path_for,
)
from label_studio_ml.config.variables import read, setting
from label_studio_ml.errors import SettingsError
from label_studio_ml.support.url_secrets import page_url

#: The names in TRACKER, each with the name for people.
TRACKER_TITLES: Mapping[str, str] = {
    "mlflow": "MLflow",
    "wandb": "Weights & Biases",
    "tensorboard": "TensorBoard",
}


def _trackers(variable: str, text: str) -> tuple[str, ...]:
    """Return the names of trackers in `text`, separated by commas, each once. Raises SettingsError."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in TRACKER_TITLES:
            raise SettingsError(
                f"{variable}: {name[:60]!r} is no tracker",
                fix=f"Use {', '.join(TRACKER_TITLES)}, or several separated by commas: {variable}=mlflow,tensorboard",
                field=variable,
            )
    return tuple(dict.fromkeys(names))


#: The address of a web page for links, which have no login: everybody who may see a job sees them.
_PAGE = Kind(lambda variable, text: page_url(URL.parse(variable, text)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """Where trainings are logged. The trackers' own variables, such as MLFLOW_TRACKING_URI, apply as well."""

    # fmt: off
    names: tuple[str, ...] = setting("TRACKER", Kind(_trackers, ",".join), (),
        "trackers to which trainings are logged, separated by commas: `mlflow`, `wandb`, `tensorboard` "
        "([trackers.md](trackers.md))")
    experiment: str = setting("TRACKER_EXPERIMENT", TEXT, "",
        "MLflow's experiment, and project of Weights & Biases, for these runs",
        "`MLFLOW_EXPERIMENT_NAME` and `WANDB_PROJECT`, else `label-studio-ml`")
    artifact_bytes: int = setting("TRACKER_ARTIFACT_MB", integer(0, MEGABYTE, maximum=MAX_MEGABYTES), 1024 * MEGABYTE,
        "MiB of a version's folder up to which a tracker gets its files; 0: never")
    mlflow_page: str = setting("MLFLOW_UI_URL", _PAGE, "",
        "address of MLflow for links, if browsers reach it at another one than trainings do", "`MLFLOW_TRACKING_URI`")
    tensorboard_page: str = setting("TENSORBOARD_URL", _PAGE, "",
        "address of a running TensorBoard, for links to it")
    tensorboard_dir: Path | None = setting("TENSORBOARD_DIR", path_for(PathUse.OUTPUT_FOLDER, in_backend=True), None,
        "folder of the event files for TensorBoard, relative to the backend's folder", "`logs/tensorboard`")
    # fmt: on

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "TrackerSettings":
        """Read the settings from `env`. Raises SettingsError, naming the variable, if a value is invalid."""
        return cls(**read(cls, env))
