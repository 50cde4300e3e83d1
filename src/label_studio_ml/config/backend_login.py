"""The login of a backend, from its settings: whether requests need it, and what this package's commands send."""

import base64

from label_studio_ml.config.path_problems import tokens_file_problem
from label_studio_ml.config.settings import Settings


def asks_login(settings: Settings) -> bool:
    """Tell whether requests to the backend need a login or an access token."""
    return bool(settings.basic_auth_user) or settings.http.tokens_file is not None


def authorization(settings: Settings) -> str:
    """Return the Authorization header that this package's commands send to the backend, empty without a login."""
    if not settings.basic_auth_user:
        return f"Bearer {settings.http.token}" if settings.http.token else ""
    login = f"{settings.basic_auth_user}:{settings.basic_auth_pass}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def refused_login_fix(settings: Settings) -> str:
    """Return what to do if the backend refuses `authorization(settings)`."""
    if not settings.basic_auth_user and (problem := tokens_file_problem(settings)):
        return f"It accepts no token if it has the same settings: {problem}"
    return (
        "Set BASIC_AUTH_USER and BASIC_AUTH_PASS as they are where the backend runs, or LABEL_STUDIO_ML_TOKEN to a "
        "token of its TOKENS_FILE"
    )
