"""Choose the Label Studio address and token for a project."""

from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.model_calls.adapter import studio_login, studio_private
from label_studio_ml.projects.project_api import READ_TIMEOUT, ProjectApi
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.versions.state.project_state import Project, Projects


def project_api(settings: Settings, project: int, **options: Any) -> ProjectApi:
    """Return the API of a project, with the login of the settings, else with that of its `/setup`.

    `options` are passed to ProjectApi. Raises SettingsError when the address or the token is not known.
    """
    projects = Projects(settings.model_dir)
    found = [uid for uid in projects.uids() if uid.partition(".")[0] == str(project)]
    known = (projects.get(found[0]) if len(found) == 1 else None) or Project(uid=str(project))
    url, token = studio_login(known, settings)
    if not url or not token:
        missing = "LABEL_STUDIO_API_KEY" if url else "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"
        raise SettingsError(
            f"It is not known {'whose token to use' if url else 'where Label Studio is'}",
            fix=f"Set {missing}, or give --url and --api-key-file",
            field=missing.partition(" ")[0],
        )
    return ProjectApi(
        Http(
            url,
            token,
            verify_tls=settings.studio_verify_tls,
            read_timeout=READ_TIMEOUT,
            own_private=studio_private(known, settings),
        ),
        project,
        **options,
    )
