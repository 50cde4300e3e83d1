"""Which of Label Studio's projects a command is about."""

import sys
from collections.abc import Collection, Iterable
from typing import Any

from label_studio_ml.cli.streams import say
from label_studio_ml.errors import BackendError, SettingsError, StudioError, UnknownProject
from label_studio_ml.protocol import ANONYMOUS, uid_of
from label_studio_ml.settings import Settings
from label_studio_ml.versions.known import KnownProject, known_projects
from label_studio_ml.versions.opening import open_store
from label_studio_ml.versions.state import Project, Projects


def known_project(settings: Settings, name: str | None, *, reads: bool = False) -> Project:
    """Return the project that `--project` names, or the only one there is.

    Label Studio is asked for one that the backend has not heard of. `reads`: the command changes nothing.
    Raises UnknownProject, SettingsError or StudioError, saying what to name.
    """
    projects = Projects(settings.model_dir)
    uid = only_one(settings, projects.uids(), name, reads=reads)
    if uid is not None and (known := projects.get(uid)) is not None:
        return known
    if name is None:
        raise UnknownProject(
            "The backend knows no project yet",
            fix="Add it to a project in Label Studio, or name one with --project and set LABEL_STUDIO_URL and "
            "LABEL_STUDIO_API_KEY",
        )
    return projects.update(**_described(settings, name))


def only_one(settings: Settings, uids: Iterable[str], name: str | None, *, reads: bool = False) -> str | None:
    """Return the uid that `--project` names by uid or plain id, or the only one there is; None if none fits.

    Of several projects of one number it is the one that the Label Studio of LABEL_STUDIO_URL has. Where that is not
    known, it is, for a command that only `reads`, the one that was heard last, with a line that says so.
    Raises SettingsError, naming what to give, where it stays open which one is meant.
    """
    known = set(uids)
    if name in known:
        return name
    fitting = {uid for uid in known if name is None or name == uid.partition(".")[0]}
    if name is None and len(fitting) > 1:
        fitting.discard(ANONYMOUS)  # whoever asks without a project leaves that one
    if len(fitting) <= 1:
        return next(iter(fitting), None)
    found = [one for one in known_projects(settings.model_dir, open_store(settings)) if one.uid in fitting]
    if len({uid.partition(".")[0] for uid in fitting}) > 1:
        raise SettingsError(
            f"The backend knows several projects: {', '.join(sorted(fitting))}",
            fix=f"Name one with --project, such as --project {_shortest(min(fitting), fitting)}",
            field="--project",
        )
    remembered = [one for one in found if not one.forgotten]
    if len(remembered) == 1:
        return remembered[0].uid
    return _of_same_number(settings, fitting, remembered or found, reads=reads)


def _shortest(uid: str, known: Collection[str]) -> str:
    """Return the number of a project where no other of the `known` ones has it, else its uid."""
    number = uid.partition(".")[0]
    return number if sum(one.partition(".")[0] == number for one in known) == 1 else uid


def _of_same_number(
    settings: Settings, fitting: Collection[str], found: list[KnownProject], *, reads: bool
) -> str:
    number = next(iter(fitting)).partition(".")[0]
    if settings.studio_url and settings.studio_api_key:
        try:
            uid = uid_of(_asked(settings, number))
        except BackendError:  # it is away, or has no such project
            uid = ""
        if uid in fitting:
            return uid
    if reads and found:
        chosen = found[0]
        say(
            f"label-studio-ml: there are {len(fitting)} projects with the number {number}; this is {chosen.uid}, "
            f"the one heard last ({chosen.text()}). For another one give its --project: "
            f"{', '.join(one.uid for one in found[1:])}",
            file=sys.stderr,
        )
        return chosen.uid
    each = "; ".join(f"--project {one.uid} ({one.text()})" for one in found) or ", ".join(sorted(fitting))
    raise SettingsError(
        f"The backend knows {len(fitting)} projects with the number {number}",
        fix=f"Give one of: {each}; or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. "
        "`label-studio-ml projects` lists them and forgets old ones",
        field="--project",
    )


def _asked(settings: Settings, project_id: str) -> dict[str, Any]:
    """Return Label Studio's own description of a project."""
    from label_studio_ml.studio.client import StudioClient

    client = StudioClient(settings.studio_url, settings.studio_api_key, verify_tls=settings.studio_verify_tls)
    return dict(client.project(project_id))


def _described(settings: Settings, project_id: str) -> dict[str, str]:
    """Return what Label Studio says of a project that never called /setup."""
    if not settings.studio_url or not settings.studio_api_key:
        raise UnknownProject(
            f"Project {project_id} has never called this backend",
            fix="Add the backend to it in Label Studio, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
            field="--project",
        )
    found = _asked(settings, project_id)
    if "label_config" not in found:
        raise StudioError(f"Label Studio's answer for project {project_id} has no label config")
    return {
        "uid": uid_of(found),
        "label_config": found["label_config"],
        "hostname": settings.studio_url,
        "title": str(found.get("title") or ""),
    }
