"""Find the Label Studio project that a command's `--project` names, or the backend's only one."""

import sys
from collections.abc import Collection, Iterable
from typing import Any

from label_studio_ml.cli.streams import say
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, SettingsError, StudioError, UnknownProject
from label_studio_ml.protocol.requests import ANONYMOUS, uid_of
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.known_projects import KnownProject, known_projects
from label_studio_ml.versions.state.project_state import Project, Projects, changed


def known_project(settings: Settings, name: str | None, *, reads: bool = False) -> Project:
    """Return the project that `--project` names, or the only one that the backend knows if `name` is None.

    A project that the backend does not know is requested from Label Studio, and stored unless the command only `reads`:
    with one project more, other commands would ask for --project. Raises UnknownProject, SettingsError or StudioError,
    with what to give as `--project`.
    """
    projects = Projects(settings.model_dir)
    uid = chosen_uid(settings, projects.uids(), name, reads=reads)
    if uid is not None and (project := projects.get(uid)) is not None:
        return project
    if name is None:
        raise UnknownProject(
            "The backend knows no project yet",
            fix="Add it to a project in Label Studio, or name one with --project and set LABEL_STUDIO_URL and "
            "LABEL_STUDIO_API_KEY",
        )
    fields = _project_fields(settings, name)
    return changed(Project(uid=fields["uid"]), fields) if reads else projects.update(**fields)


def chosen_uid(
    settings: Settings, uids: Iterable[str], name: str | None, *, reads: bool = False
) -> str | None:
    """Return the one of `uids` with the uid or id `name`, the only one if `name` is None, or None if none matches.

    Of several projects with the same id, it is the only one not forgotten, else the one in the Label Studio of
    LABEL_STUDIO_URL. If that is not known, a command that only `reads` gets the one with the last event, and prints a
    note. Raises SettingsError, with what to give, if several match.
    """
    all_uids = set(uids)
    if name in all_uids:
        return name
    matches = {uid for uid in all_uids if name is None or name == uid.partition(".")[0]}
    if name is None and len(matches) > 1:
        matches.discard(ANONYMOUS)  # the project of calls that name none
    if len(matches) <= 1:
        return next(iter(matches), None)
    candidates = [
        project
        for project in known_projects(settings.model_dir, open_store(settings))
        if project.uid in matches
    ]
    if len({uid.partition(".")[0] for uid in matches}) > 1:
        raise SettingsError(
            f"The backend knows several projects: {', '.join(sorted(matches))}",
            fix=f"Name one with --project, such as --project {_shortest(min(matches), matches)}",
            field="--project",
        )
    stored_projects = [project for project in candidates if not project.forgotten]
    if len(stored_projects) == 1:
        return stored_projects[0].uid
    return _of_same_number(settings, matches, stored_projects or candidates, reads=reads)


def _shortest(uid: str, uids: Collection[str]) -> str:
    """Return a project's id if no other project of `uids` has the same one, else its uid."""
    number = uid.partition(".")[0]
    return number if sum(other.partition(".")[0] == number for other in uids) == 1 else uid


def _of_same_number(
    settings: Settings, matches: Collection[str], candidates: list[KnownProject], *, reads: bool
) -> str:
    number = next(iter(matches)).partition(".")[0]
    if settings.studio_url and settings.studio_api_key:
        try:
            uid = uid_of(_requested_project(settings, number))
        except BackendError:  # Label Studio cannot be reached, or has no such project
            uid = ""
        if uid in matches:
            return uid
    if reads and candidates:
        chosen = candidates[0]
        say(
            f"label-studio-ml: there are {len(matches)} projects with the number {number}; this is {chosen.uid}, "
            f"the one with the last event ({chosen.text()}). For another one give its --project: "
            f"{', '.join(project.uid for project in candidates[1:])}",
            file=sys.stderr,
        )
        return chosen.uid
    choices = "; ".join(f"--project {project.uid} ({project.text()})" for project in candidates) or ", ".join(
        sorted(matches)
    )
    raise SettingsError(
        f"The backend knows {len(matches)} projects with the number {number}",
        fix=f"Give one of: {choices}; or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. "
        "`label-studio-ml projects` lists them and forgets old ones",
        field="--project",
    )


def _requested_project(settings: Settings, project_id: str) -> dict[str, Any]:
    """Request a project from Label Studio's API and return it. Raises StudioError."""
    from label_studio_ml.studio.client import StudioClient

    client = StudioClient(settings.studio_url, settings.studio_api_key, verify_tls=settings.studio_verify_tls)
    return dict(client.project(project_id))


def _project_fields(settings: Settings, project_id: str) -> dict[str, str]:
    """Return the fields to store of a project that has not called /setup, as Label Studio's API has them.

    Raises UnknownProject when Label Studio's address or token is not set, and StudioError.
    """
    login = {"LABEL_STUDIO_URL": settings.studio_url, "LABEL_STUDIO_API_KEY": settings.studio_api_key}
    if missing := [name for name, value in login.items() if not value]:
        raise UnknownProject(
            f"Project {project_id} has never called this backend",
            fix=f"Add the backend to it in Label Studio, or set {' and '.join(missing)}",
            field="--project",
        )
    project = _requested_project(settings, project_id)
    if "label_config" not in project:
        raise StudioError(f"Label Studio's answer for project {project_id} has no label config")
    return {
        "uid": uid_of(project),
        "label_config": project["label_config"],
        "hostname": settings.studio_url,
        "title": str(project.get("title") or ""),
    }
