"""Choose the Label Studio address and token for a project."""

import logging
from functools import cache
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioError
from label_studio_ml.versions.state.project_state import Project

logger = logging.getLogger(__name__)


def studio_login(project: Project, settings: Settings) -> tuple[str, str]:
    """Return Label Studio's URL and a token for it, each empty if unknown.

    A configured token is sent to the configured URL only. The host that `/setup` names is not trustworthy, so it gets
    no other token than the one in the same request.
    """
    if settings.studio_url:
        return settings.studio_url, settings.studio_api_key or project.access_token
    if settings.studio_api_key:
        warn_unused_token()
    return project.hostname, project.access_token


@cache
def warn_unused_token() -> None:
    """Log that the token of the settings is not used; once in a process, as a login is asked for with each model."""
    logger.warning(
        "LABEL_STUDIO_API_KEY is not used: set LABEL_STUDIO_URL too, so that it is known whose key it is"
    )


def studio_private(project: Project, settings: Settings) -> tuple[str, ...]:
    """Return the private addresses that the Label Studio of `studio_login` may have; `*` stands for any."""
    return ("*",) if settings.studio_url else project.private


def studio_arguments(project: Project, settings: Settings, *, instead: str) -> dict[str, Any]:
    """Return the arguments with which Http and StudioClient reach the project's Label Studio.

    Raises StudioError when the address or the token is not known, with the advice to set them or to do `instead`.
    """
    has_setup_login = project.hostname and project.access_token
    if settings.studio_api_key and not settings.studio_url and not has_setup_login:
        raise StudioError(
            "LABEL_STUDIO_API_KEY is set, but not of which Label Studio the token is",
            fix=f"Set LABEL_STUDIO_URL, too, or {instead}",
            field="LABEL_STUDIO_URL",
        )
    url, token = studio_login(project, settings)
    if not url or not token:
        missing = (
            "LABEL_STUDIO_API_KEY" if settings.studio_url else "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"
        )
        raise StudioError(
            f"Label Studio's {'token' if url else 'address'} is not known",
            fix=f"Set {missing}, or {instead}",
            field=missing.partition(" ")[0],
        )
    private = studio_private(project, settings)
    return {"url": url, "token": token, "verify_tls": settings.studio_verify_tls, "own_private": private}
