"""`label-studio-ml doctor DIR`: check a backend and its connection with Label Studio, and name the fixes."""

import argparse
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, folder_of, settings_from
from label_studio_ml.cli.shared.studio_arguments import project_number, with_studio
from label_studio_ml.cli.streams import say_json
from label_studio_ml.cli.studio.connect import add_link_arguments
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError

if TYPE_CHECKING:
    from label_studio_ml.doctor.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    add_backend_arguments(parser)
    add_link_arguments(parser)
    parser.add_argument("--project", metavar="ID", type=project_number, help="Label Studio's project")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--quick", action="store_true", help="make no check that runs the model or makes Label Studio act"
    )


def run(args: argparse.Namespace) -> int:
    """Run all checks and print the results; return 1 if a check failed, else 0."""
    from label_studio_ml.cli.studio.doctor_report import as_json, show
    from label_studio_ml.doctor.examine import examine, exit_code

    try:
        settings = settings_from(args)
    except BackendError:  # for example no model file: the check "model file" reports it
        settings = Settings.from_env(backend_dir=folder_of(args))
        login = {"basic_auth_user": args.basic_auth_user, "basic_auth_pass": args.basic_auth_pass}
        settings = replace(settings, **{name: value for name, value in login.items() if value})
    context = _context(args, with_studio(args, settings))
    try:
        if args.json:
            checks = list(examine(context, quick=args.quick))
            say_json(as_json(checks))
        else:
            checks = show(examine(context, quick=args.quick))
    finally:
        if context.studio is not None:
            context.studio.api.close()
    return exit_code(checks)


def _context(args: argparse.Namespace, settings: Settings) -> "Context":
    from label_studio_ml.connect.addresses import backend_url, checked
    from label_studio_ml.connect.backend_client import port_of, scheme_of, view
    from label_studio_ml.connect.ownership import known_identity
    from label_studio_ml.doctor.context import Context
    from label_studio_ml.studio.resources.label_studio import LabelStudio

    studio = None
    port = port_of(settings, args.port)
    scheme = scheme_of(settings, port)
    url = f"{scheme}://localhost:{port}"
    if settings.studio_url:
        studio = LabelStudio.open(settings)
    if args.backend_url:
        url = checked(args.backend_url)
    elif settings.studio_url:
        with contextlib.suppress(BackendError):  # the check "label studio" reports the cause
            url = backend_url(settings.studio_url, port, scheme)
    options = (
        ("--url", args.url),
        ("--project", args.project),
        ("--backend-url", args.backend_url),
        ("--port", args.port),
    )
    return Context(
        settings=settings,
        folder=folder_of(args),
        port=port,
        view=view(settings, url, port),
        url=url,
        name=known_identity(settings.model_dir),
        studio=studio,
        number=args.project,
        options=tuple(word for name, value in options if value for word in (name, str(value))),
    )
