"""Which of Label Studio's projects a command is about."""

from collections.abc import Iterable

from label_studio_ml.errors import SettingsError, StudioError, UnknownProject
from label_studio_ml.protocol import uid_of
from label_studio_ml.settings import Settings
from label_studio_ml.versions.state import Project, Projects


def known_project(settings: Settings, name: str | None) -> Project:
    """Return the project that `--project` names, or the only one there is.

    Label Studio is asked for one that the backend has not heard of.
    Raises UnknownProject, SettingsError or StudioError, saying what to name.
    """
    projects = Projects(settings.model_dir)
    uid = only_one(projects.uids(), name)
    if uid is not None and (known := projects.get(uid)) is not None:
        return known
    if name is None:
        raise UnknownProject(
            "The backend knows no project yet",
            fix="Add it to a project in Label Studio, or name one with --project and set LABEL_STUDIO_URL and "
            "LABEL_STUDIO_API_KEY",
        )
    return projects.update(**_asked(settings, name))


def only_one(uids: Iterable[str], name: str | None) -> str | None:
    """Return the uid that `--project` names by uid or plain id, or the only one there is; None if none fits.

    Raises SettingsError if several do.
    """
    fitting = sorted(uid for uid in uids if name is None or name in (uid, uid.partition(".")[0]))
    if len(fitting) > 1:
        raise SettingsError(
            f"The backend knows several projects: {', '.join(fitting)}",
            fix="Name one with --project",
            field="--project",
        )
    return fitting[0] if fitting else None


def _asked(settings: Settings, project_id: str) -> dict[str, str]:
    """Return what Label Studio says of a project that never called /setup."""
    from label_studio_ml.studio.client import StudioClient

    if not settings.studio_url or not settings.studio_api_key:
        raise UnknownProject(
            f"Project {project_id} has never called this backend",
            fix="Add the backend to it in Label Studio, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
            field="--project",
        )
    client = StudioClient(settings.studio_url, settings.studio_api_key, verify_tls=settings.studio_verify_tls)
    found = client.project(project_id)
    if "label_config" not in found:
        raise StudioError(f"Label Studio's answer for project {project_id} has no label config")
    return {
        "uid": uid_of(found),
        "label_config": found["label_config"],
        "hostname": settings.studio_url,
        "title": str(found.get("title") or ""),
    }
