"""The secrets that a server knows, which must not be shown on the dashboard."""

from collections.abc import Iterable

from label_studio_ml.config.settings import Settings
from label_studio_ml.support.url_secrets import secrets_of
from label_studio_ml.training.records.run_log import Scrubber


def scrubber_of(settings: Settings, access_tokens: Iterable[str]) -> Scrubber:
    """Return what replaces the passwords and tokens in the settings, and `access_tokens` of projects, in texts."""
    return Scrubber(
        [
            settings.studio_api_key,
            settings.basic_auth_pass,
            settings.http.viewer_pass,
            settings.http.token,
            *secrets_of(settings.redis_url),
            *access_tokens,
        ]
    )
