"""Who is asked for the predictions of a whole project: the options that say so, and getting it ready."""

import argparse
import sys
from typing import TYPE_CHECKING

from label_studio_ml.cli.options import add_log_level, add_model_options, count
from label_studio_ml.cli.streams import say
from label_studio_ml.running import address
from label_studio_ml.settings import Settings
from label_studio_ml.versions.state import Project

if TYPE_CHECKING:
    from label_studio_ml.projects.askers import EitherAsker


def add_asker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which model is asked, and how."""
    parser.add_argument(
        "--version", metavar="V", default="", help="the version to ask (default: the served one)"
    )
    parser.add_argument(
        "--backend",
        metavar="URL",
        help="ask this backend (default: the one that runs on the folder; 'none' builds the model here)",
    )
    parser.add_argument(
        "--model-workers", type=count, metavar="N", help="processes that run a model that is built here"
    )
    add_model_options(parser)
    add_log_level(parser)


async def started(args: argparse.Namespace, settings: Settings, project: Project) -> "EitherAsker":
    """Return who is to be asked, ready. Raises what keeps it from being so."""
    from label_studio_ml.projects.askers import EitherAsker

    url = {None: address(settings.model_dir), "none": ""}.get(args.backend, args.backend)
    asker = EitherAsker(settings, project, url or "", args.version, tell)
    try:
        await asker.start()
    except BaseException:
        await asker.close()
        raise
    say(f"Version {asker.version}, asked from {asker.way}", file=sys.stderr, flush=True)
    return asker


def tell(what: str) -> None:
    """Say something beside the progress."""
    say(f"label-studio-ml: {what}", file=sys.stderr, flush=True)
