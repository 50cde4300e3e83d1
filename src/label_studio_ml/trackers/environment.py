"""The environment of a tracker's process: that of the backend, with time limits and folders where the user set none."""

from collections.abc import Mapping

from label_studio_ml.config.settings import Settings

#: Values for variables that are not set. The limits in seconds are those of one request to MLflow; its own are
#: two minutes and seven retries. W&B reports nothing to its maker, and asks for no login.
_DEFAULTS: Mapping[str, str] = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "300",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_CONSOLE": "off",
    "WANDB_SILENT": "true",
}


def tracker_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a tracker's process."""
    inherited = settings.child_env()
    local = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{settings.log_dir / 'mlflow' / 'mlflow.db'}",
        "WANDB_DIR": str(settings.log_dir),
        "WANDB_DATA_DIR": str(settings.log_dir / "wandb" / "data"),
        "WANDB_CACHE_DIR": str(settings.log_dir / "wandb" / "cache"),
        "WANDB_ARTIFACT_DIR": str(settings.log_dir / "wandb" / "artifacts"),
    }
    return {**_DEFAULTS, **local, **{name: text for name, text in inherited.items() if text}}
