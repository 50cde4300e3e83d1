"""`label-studio-ml connect DIR`: connect a running backend with a project, and test the connection."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from label_studio_ml.cli.options import add_login_options, port_number
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, settings_from
from label_studio_ml.cli.shared.studio_arguments import (
    add_studio_arguments,
    project_number,
    require_studio,
    with_studio,
)
from label_studio_ml.cli.streams import explanation, say
from label_studio_ml.config.settings import DEFAULT_PORT
from label_studio_ml.errors import BackendError, SettingsError

if TYPE_CHECKING:
    from label_studio_ml.studio.resources.label_studio import LabelStudio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `connect`."""
    add_backend_arguments(parser)
    add_link_arguments(parser)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--project", metavar="ID", type=project_number, help="Label Studio's project")
    target.add_argument(
        "--new", metavar="TITLE", help="create a project with this title; needs --label-config"
    )
    parser.add_argument(
        "--label-config", metavar="FILE", type=Path, help="the new project's label config (XML)"
    )
    parser.add_argument(
        "--tasks", metavar="FILE", type=Path, help="tasks for the new project: .json, .csv, .tsv or .txt"
    )
    parser.add_argument("--title", help="the backend's name in Label Studio (default: keep, or the folder's)")
    parser.add_argument(
        "--interactive", action=argparse.BooleanOptionalAction, help="use it for interactive pre-annotations"
    )
    parser.add_argument(
        "--prelabel",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="show its predictions in tasks that have no annotation (default: yes)",
    )


def add_link_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for the addresses and logins of Label Studio and the backend, which `doctor` has, too."""
    add_studio_arguments(parser)
    parser.add_argument("--backend-url", metavar="URL", help="the backend as Label Studio reaches it")
    parser.add_argument(
        "--port",
        type=port_number,
        metavar="N",
        help=f"the backend's port on this machine (default: where it runs, else {DEFAULT_PORT})",
    )
    add_login_options(parser)


def run(args: argparse.Namespace) -> int:
    """Connect and print a line for each step; return 0 if all steps succeeded, 1 if one failed.

    Raises SettingsError or BackendError before the first step when an option or setting is missing or wrong.
    """
    from label_studio_ml.connect.addresses import backend_url, checked
    from label_studio_ml.connect.backend_client import port_of, scheme_of, view
    from label_studio_ml.connect.ownership import identity
    from label_studio_ml.connect.steps import Plan, connect
    from label_studio_ml.studio.resources.label_studio import LabelStudio

    _check_new(args)
    settings = with_studio(args, settings_from(args))
    require_studio(settings)
    port = port_of(settings, args.port)
    url = (
        checked(args.backend_url)
        if args.backend_url
        else backend_url(settings.studio_url, port, scheme_of(settings, port))
    )
    studio = LabelStudio.open(settings)
    try:
        backend = view(settings, url, port)
        if args.new is not None:
            backend.health()  # before there is a project, of which the next try would make another one
        plan = Plan(
            studio=studio,
            view=backend,
            settings=settings,
            project=args.project or _new_project(args, studio),
            url=url,
            name=identity(settings.model_dir),
            title=args.title,
            default_title=settings.backend_dir.name,
            interactive=args.interactive,
            prelabel=args.prelabel,
        )
        for line in connect(plan):
            say(f"ok      {line}", flush=True)
    except BackendError as error:
        say(f"failed  {error}", f"        {explanation(error.code)}", flush=True)
        return 1
    finally:
        studio.api.close()
    say(f"Connected: {settings.studio_url}/projects/{plan.project}/data")
    return 0


def _check_new(args: argparse.Namespace) -> None:
    """Raise SettingsError if `--new` lacks its label config, or options for a new project come without `--new`."""
    if args.new is not None and not args.label_config:
        raise SettingsError(
            "--new needs a label config", fix="Give --label-config FILE", field="--label-config"
        )
    for option, value in (("--label-config", args.label_config), ("--tasks", args.tasks)):
        if value and args.new is None:
            raise SettingsError(
                f"{option} is for a new project",
                fix="Give --new TITLE instead of --project",
                field=option,
            )


def _new_project(args: argparse.Namespace, studio: "LabelStudio") -> int:
    """Create the project that the command line describes; return its id."""
    from label_studio_ml.connect.new_project import make_project

    number, tasks = make_project(studio, args.new, args.label_config, args.tasks)
    say(
        f"ok      Project {number} was created: {args.new}, {tasks} {'task' if tasks == 1 else 'tasks'}",
        flush=True,
    )
    return number
