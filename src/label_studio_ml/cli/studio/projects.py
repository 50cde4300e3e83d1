"""`label-studio-ml projects DIR` and `projects forget DIR UID…`: list the projects of a backend, and remove some."""

import argparse
import json
import sys
from pathlib import Path

import msgspec

from label_studio_ml.cli.shared.backend_arguments import settings_without_model
from label_studio_ml.cli.shared.store_arguments import add_model_dir_argument
from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.shared.units import moment
from label_studio_ml.cli.streams import say, say_json
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError, UnknownProject
from label_studio_ml.monitoring import logs
from label_studio_ml.support.texts import our_command, plural
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.factory import open_store
from label_studio_ml.versions.state.known_projects import KnownProject, forget, known_projects
from label_studio_ml.versions.store.local_store import VersionStore

_FORGET = "forget"

_COLUMNS = (
    Column("PROJECT"),
    Column("TITLE"),
    Column("LABEL STUDIO", wide=True),
    Column("CREATED", wide=True),
    Column("LAST EVENT", wide=True),
    Column("VERSIONS", right=True, wide=True),
    Column("SERVED", wide=True),
    Column("STATE"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `projects`."""
    parser.usage = (
        "label-studio-ml projects [options] DIR\n"
        "       label-studio-ml projects forget [options] DIR UID [UID ...]"
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="DIR",
        help="the backend's folder (./forget if that is its name); after `forget`, also the uids to forget",
    )
    parser.add_argument(
        "--root-dir", default=".", metavar="PARENT", help="the folder in which DIR is (default: here)"
    )
    add_model_dir_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--yes", action="store_true", help="forget without asking")
    parser.add_argument(
        "--with-versions", action="store_true", help="also delete the versions of the projects to forget"
    )


def run(args: argparse.Namespace) -> int:
    """List the projects, or forget some; return 0, or 1 if the user does not confirm the forgetting.

    Raises SettingsError or UnknownProject when an argument is wrong.
    """
    forgetting = args.words[0] == _FORGET and len(args.words) > 1
    folder, *names = args.words[1:] if forgetting else args.words
    if names and not forgetting:
        raise SettingsError(
            f"{names[0]!r} is one argument too many",
            fix=f"To forget projects: {our_command('projects', 'forget', folder, *names)}",
        )
    settings = settings_without_model(Path(args.root_dir, folder), args.model_dir)
    logs.configure("ERROR")
    store = open_store(settings)
    projects = known_projects(settings.model_dir, store)
    if forgetting:
        return _forget(args, settings, store, projects, names, folder)
    if args.json:
        say_json(json.dumps([_entry(project) for project in projects], indent=1, ensure_ascii=False))
    elif projects:
        print_table(_COLUMNS, [_row(project, projects) for project in projects])
    else:
        say(f"No project is known in {settings.model_dir}")
    return 0


def _entry(project: KnownProject) -> dict[str, object]:
    return {**msgspec.to_builtins(project), "heard": project.heard_at}


def _row(project: KnownProject, projects: list[KnownProject]) -> Row:
    several = any(not other.current for other in projects if other.number == project.number)
    state = ""
    if project.forgotten:
        state = "forgotten: only its versions are left"
    elif several:
        state = "current" if project.current else "older: another project has its number"
    created, last_event = moment(project.created), moment(project.heard_at) or "none"
    versions = plural(project.versions, "version")
    return Row(
        (
            project.uid,
            project.title,
            project.host,
            created,
            last_event,
            str(project.versions),
            project.served,
            state,
        ),
        details=(
            f"Label Studio: {project.host or 'not known'}" + (f", created {created}" if created else ""),
            f"last event: {last_event}",
            versions + (f", {project.served} is served" if project.served else ""),
        ),
    )


def _forget(
    args: argparse.Namespace,
    settings: Settings,
    store: VersionStore,
    projects: list[KnownProject],
    names: list[str],
    folder: str,
) -> int:
    if not names:
        raise SettingsError(
            "projects forget needs the uid of a project",
            fix=f"Give its uid; {our_command('projects', folder)} lists them",
        )
    chosen = [_matching(projects, name) for name in names]
    for project in chosen:
        _refuse_running(settings, project)
    removed_data = "events, jobs and keys" + (
        " and all versions" if args.with_versions else "; the versions stay"
    )
    for project in chosen:
        say(f"{project.uid}: {project.text()}, {plural(project.versions, 'version')}")
    if not args.yes and not _is_confirmed(
        f"Forget {plural(len(chosen), 'project')} ({removed_data})? [y/N] "
    ):
        say("No project was forgotten")
        return 1
    for project in chosen:
        waiting = _forget_queue(settings, project.uid)
        forget(settings.model_dir, store, project.uid, versions=args.with_versions)
        if args.with_versions:
            EvaluationReports(store).delete_project(project.uid)
        events_note = f", with {plural(waiting, 'event')} that waited for a training" if waiting else ""
        say(f"Forgot {project.uid}{events_note}")
    return 0


def _matching(projects: list[KnownProject], name: str) -> KnownProject:
    """Return the project with the uid or id `name`.

    Raises UnknownProject when there is none, and SettingsError when several have this id.
    """
    matches = [project for project in projects if project.uid == name] or [
        project for project in projects if project.number == name
    ]
    if not matches:
        raise UnknownProject(
            f"The backend knows no project {name}",
            fix=f"Known: {', '.join(project.uid for project in projects) or 'none'}",
        )
    if len(matches) > 1:
        choices = "; ".join(f"{project.uid} ({project.text()})" for project in matches)
        raise SettingsError(
            f"There are {len(matches)} projects with the number {name}", fix=f"Give one of: {choices}"
        )
    return matches[0]


def _is_confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise SettingsError(
            "Standard input is no terminal, so the question cannot be answered",
            fix="Give --yes",
            field="--yes",
        )
    return input(question).strip().lower() in ("y", "yes")


def _has_queue(settings: Settings) -> bool:
    """Tell whether there is a queue to read: in the Redis of REDIS_URL, or in the embedded broker's folder."""
    return bool(settings.redis_url) or (settings.model_dir / "broker").is_dir()


def _refuse_running(settings: Settings, project: KnownProject) -> None:
    """Raise SettingsError while a training of the project runs, and ProjectBusy while its tasks are predicted."""
    from label_studio_ml.cli.shared.open_job_store import opened_job_store

    if not _has_queue(settings):
        return
    with opened_job_store(settings) as open_jobs:
        job_store = open_jobs.job_store
        is_training = bool(job_store.redis.exists(job_store.keys.lease(project.uid)))
        job = next((job.id for job in job_store.jobs.of(project.uid) if job.state == "started"), "")
        job_store.check_no_prediction(project.uid)
    if is_training:
        cancel = our_command("cancel", settings.backend_dir, job)
        raise SettingsError(
            f"Project {project.uid} is being trained by job {job}", fix=f"Wait for its end, or run: {cancel}"
        )


def _forget_queue(settings: Settings, uid: str) -> int:
    """Remove a project's events, jobs and errors from Redis; return the number of events that waited for a training."""
    from label_studio_ml.cli.shared.open_job_store import opened_job_store
    from label_studio_ml.reports.error_records import ErrorRecords

    if not _has_queue(settings):
        return 0
    with opened_job_store(settings) as open_jobs:
        waiting = len(open_jobs.job_store.queues.entries(uid))
        open_jobs.job_store.forget(uid)
        ErrorRecords(open_jobs.job_store.redis, open_jobs.job_store.keys).forget(uid)
    return waiting
