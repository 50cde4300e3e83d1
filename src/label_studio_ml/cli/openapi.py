"""`label-studio-ml openapi [FILE]`: print the OpenAPI document of a backend's calls, or write it to a file."""

import argparse
from pathlib import Path

from label_studio_ml.cli.streams import say_json
from label_studio_ml.errors import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="file to write, default: standard output"
    )


def run(args: argparse.Namespace) -> int:
    """Print or write the document, and return the exit code. Raises SettingsError if the file cannot be written."""
    import msgspec

    from label_studio_ml.openapi.api_document import api_document

    text = msgspec.json.format(api_document(), indent=2)
    if args.file is None:
        say_json(text.decode())
        return 0
    try:
        args.file.write_bytes(text + b"\n")
    except OSError as error:
        raise SettingsError(
            f"{args.file} cannot be written: {error.strerror}", fix="Name a file in a folder of yours"
        ) from None
    return 0
