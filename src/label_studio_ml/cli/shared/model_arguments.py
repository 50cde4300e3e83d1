"""Options of `predict` and `rank` that choose the model: a running backend, or one built in this command."""

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from label_studio_ml.cli.options import add_log_level, add_model_options, process_count
from label_studio_ml.cli.streams import say
from label_studio_ml.config.settings import Settings
from label_studio_ml.storage.server_address import address
from label_studio_ml.versions.state.project_state import Project

if TYPE_CHECKING:
    from label_studio_ml.projects.prediction_sources import FallbackSource


def add_prediction_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the version and the backend, and those for a model built in this command."""
    parser.add_argument(
        "--version", metavar="V", default="", help="the version to ask (default: the served one)"
    )
    parser.add_argument(
        "--backend",
        metavar="URL",
        help="ask this backend (default: the one that runs on the folder; 'none' builds the model here)",
    )
    parser.add_argument(
        "--model-workers",
        type=process_count,
        metavar="N",
        help="processes that run a model that is built here",
    )
    add_model_options(parser)
    add_log_level(parser)


@contextlib.asynccontextmanager
async def started_source(
    args: argparse.Namespace, settings: Settings, project: Project
) -> AsyncIterator["FallbackSource"]:
    """Start the prediction source that `args` choose, print its version, and close it when the block ends.

    Without `--backend`, that is the running backend of the folder, if there is one. Raises what the start raises.
    """
    from label_studio_ml.projects.prediction_sources import FallbackSource

    url = {None: address(settings.model_dir), "none": ""}.get(args.backend, args.backend)
    prediction_source = FallbackSource(settings, project, url or "", args.version, print_note)
    try:
        await prediction_source.start()
        summary = f"Version {prediction_source.version}, asked from {prediction_source.location}"
        say(summary, file=sys.stderr, flush=True)
        yield prediction_source
    finally:
        await prediction_source.close()


def print_note(message: str) -> None:
    """Print a message on standard error while a progress display may be shown."""
    say(f"label-studio-ml: {message}", file=sys.stderr, flush=True)
