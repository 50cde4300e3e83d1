"""Label Studio's address and token for models that are created outside a backend, in a prompt, a script or a test."""

import logging
from pathlib import Path

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioError
from label_studio_ml.studio.addresses.references import same_origin
from label_studio_ml.studio.files.fetch import FileAccess, default_cache_dir
from label_studio_ml.studio.transport.api_tokens import TokenKind
from label_studio_ml.studio.transport.http import Http

logger = logging.getLogger(__name__)


def configured_login(url: str, token: str, settings: Settings | None = None) -> tuple[str, str]:
    """Return Label Studio's address and token: `url` and `token`, or the settings' value for an empty one.

    The settings are `LABEL_STUDIO_URL`, `LABEL_STUDIO_API_KEY` and their older names; None reads the environment. If
    an address is configured, the configured token is used for that origin only.
    """
    settings = settings or Settings.from_env()
    address = url or settings.studio_url
    if not token and (not settings.studio_url or same_origin(address, settings.studio_url)):
        token = settings.studio_api_key
    return address, token


def configured_files(
    url: str, token: str, *, cache_dir: str | Path | None = None, settings: Settings | None = None
) -> FileAccess:
    """Return a FileAccess with the login of `configured_login` and the settings' rules for files."""
    settings = settings or Settings.from_env()
    address, token = configured_login(url, token, settings)
    return FileAccess(
        studio_url=address,
        token=token,
        cache_dir=Path(cache_dir) if cache_dir else default_cache_dir(),
        document_root=settings.document_root,
        verify_tls=settings.studio_verify_tls,
        rules=settings.files,
    )


def sendable_token(url: str, token: str) -> str:
    """Return the token that API calls can send: for a personal access token, an access token exchanged for it.

    If the exchange fails, a warning is logged and `token` itself is returned.
    """
    if not token or not url:
        return token
    try:
        http = Http(url, token, verify_tls=Settings.from_env().studio_verify_tls)
        if http.token.kind is not TokenKind.PERSONAL:
            return token
        try:
            return http.access_token()
        finally:
            http.close()
    except StudioError as error:
        logger.warning("The personal access token is passed on as it is: %s", error)
        return token
