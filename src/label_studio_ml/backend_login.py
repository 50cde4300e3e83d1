"""The login of a backend, as the settings have it: whether callers need one, and the one that our own commands give."""

import base64

from label_studio_ml.settings import Settings


def asks_login(settings: Settings) -> bool:
    """Tell whether callers of the backend have to give a login or a token."""
    return bool(settings.basic_auth_user) or settings.http.tokens_file is not None


def authorization(settings: Settings) -> str:
    """Return the Authorization header with which our own commands call the backend, empty where they have none."""
    if not settings.basic_auth_user:
        return f"Bearer {settings.http.token}" if settings.http.token else ""
    login = f"{settings.basic_auth_user}:{settings.basic_auth_pass}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"
