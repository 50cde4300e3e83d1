"""The secrets that a server knows, which must not be shown on the dashboard."""

from urllib.parse import unquote, urlsplit

from label_studio_ml.config.settings import Settings


def secrets_of(settings: Settings) -> list[str]:
    """Return the passwords and tokens in the settings."""
    return [
        settings.studio_api_key,
        settings.basic_auth_pass,
        settings.http.viewer_pass,
        unquote(urlsplit(settings.redis_url).password or ""),
    ]
