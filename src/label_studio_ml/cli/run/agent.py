"""`label-studio-ml agent DIR --project ID`: poll a Label Studio that cannot reach this machine, predict and train."""

import argparse
import asyncio
import sys

from label_studio_ml.cli.options import add_log_level, add_model_options, process_count, require_unix
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments, settings_from
from label_studio_ml.cli.shared.studio_arguments import (
    add_studio_arguments,
    project_number,
    require_studio,
    with_studio,
)
from label_studio_ml.cli.streams import say
from label_studio_ml.monitoring import logs

#: Seconds that one call retries an unreachable Label Studio before the agent reports it.
_RETRY_TIME = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `agent`."""
    add_backend_arguments(parser)
    parser.add_argument(
        "--project", metavar="ID[,ID]", type=_numbers, required=True, help="Label Studio's projects"
    )
    add_studio_arguments(parser)
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=_seconds,
        default=5.0,
        help="pause between two requests for new tasks and annotations (default: 5)",
    )
    parser.add_argument("--all-tasks", action="store_true", help="predict labelled tasks, too")
    parser.add_argument(
        "--no-select",
        action="store_true",
        help="do not change whose predictions Label Studio shows (default: the newest version's)",
    )
    parser.add_argument(
        "--model-workers", type=process_count, metavar="N", help="processes that run the model"
    )
    add_model_options(parser)
    add_log_level(parser)


def run(args: argparse.Namespace) -> int:
    """Run the agent until SIGINT or SIGTERM, and return the exit code. Raises SettingsError if an option is missing."""
    require_unix("agent")
    from label_studio_ml.projects.project_api import project_api
    from label_studio_ml.runtime.agent import serve

    settings = with_studio(args, settings_from(args))
    require_studio(settings)
    try:
        logs.configure(settings.log_level, as_json=settings.log_json, file=settings.log_dir / "agent.log")
    except OSError as error:
        say(f"label-studio-ml: no log file: {error}", file=sys.stderr)
    apis = [project_api(settings, project, patience=_RETRY_TIME) for project in args.project]
    return asyncio.run(
        serve(settings, apis, every=args.every, everything=args.all_tasks, select=not args.no_select)
    )


def _numbers(text: str) -> list[int]:
    return [project_number(part.strip()) for part in text.split(",")]


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 86400")
    return value
