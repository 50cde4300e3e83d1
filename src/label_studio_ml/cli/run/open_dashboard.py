"""`label-studio-ml open DIR`: open the dashboard of a running backend in the browser."""

import argparse
import webbrowser

from label_studio_ml.cli.shared.backend_arguments import (
    add_folder_arguments,
    folder_of,
    settings_without_model,
)
from label_studio_ml.cli.streams import say
from label_studio_ml.errors import BackendError
from label_studio_ml.storage import server_address
from label_studio_ml.support.texts import our_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `open`."""
    add_folder_arguments(parser)
    parser.add_argument(
        "--model-dir", metavar="FOLDER", help="the model folder, if the server was given another one"
    )
    parser.add_argument("--print", action="store_true", help="only print the address")


def run(args: argparse.Namespace) -> int:
    """Print the dashboard's address and open it; return the exit code. Raises BackendError if no server runs here.

    Without a browser on this machine, the address is only printed.
    """
    settings = settings_without_model(folder_of(args), args.model_dir)
    url = server_address.address(settings.model_dir)
    if not url:
        raise BackendError(
            f"No server of {settings.backend_dir} runs on this machine",
            fix=f"Start it: {our_command('start', settings.backend_dir)}",
        )
    page = f"{url}/"
    say(page)
    if not args.print and not webbrowser.open(page):
        say("There is no browser here: open the address in one")
    return 0
