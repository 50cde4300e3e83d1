"""The credentials of trackers, which are kept out of logs and records."""

from label_studio_ml.config.settings import user_variables
from label_studio_ml.support.url_secrets import secrets_of

#: Variables of the trackers' own packages that are secrets, and those whose URL may have a login.
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "WANDB_API_KEY")
_URLS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "WANDB_BASE_URL")


def tracker_secrets() -> list[str]:
    """Return the passwords, tokens and keys of trackers in this process's environment."""
    in_urls = (secret for url in user_variables(_URLS).values() for secret in secrets_of(url))
    return [*user_variables(_SECRETS).values(), *filter(None, in_urls)]
