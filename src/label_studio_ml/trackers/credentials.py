"""Keep the credentials of trackers out of logs and records."""

import re
from urllib.parse import unquote, urlsplit

from label_studio_ml.config.settings import user_variables

#: Variables of the trackers' own packages that are secrets, and those whose URL may have a login.
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "WANDB_API_KEY")
_URLS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "WANDB_BASE_URL")

#: The login in a URL: everything between `://` and the last `@` before the path.
_LOGIN = re.compile(r"(?<=://)[^/\s]*@")


def tracker_secrets() -> list[str]:
    """Return the passwords, tokens and keys of trackers in this process's environment."""
    passwords = [_password(url) for url in user_variables(_URLS).values()]
    return [*user_variables(_SECRETS).values(), *filter(None, passwords)]


def _password(url: str) -> str:
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def without_login(url: str) -> str:
    """Return a URL without user, password, query and fragment."""
    return re.split("[?#]", _LOGIN.sub("", url), maxsplit=1)[0]


def redacted(text: str) -> str:
    """Return `text` with the login of each URL in it replaced."""
    return _LOGIN.sub("[secret]@", text)
