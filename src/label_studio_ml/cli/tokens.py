"""`label-studio-ml tokens add NAME`, `tokens list`, `tokens revoke NAME`: manage the access tokens of a backend."""

import argparse
import os
import sys
from pathlib import Path

from label_studio_ml.cli.streams import say
from label_studio_ml.config import access_tokens
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.support.texts import our_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tokens`."""
    parser.usage = (
        "label-studio-ml tokens add NAME [--file FILE]\n"
        "       label-studio-ml tokens list [--file FILE]\n"
        "       label-studio-ml tokens revoke NAME [--file FILE]"
    )
    parser.add_argument(
        "action", metavar="add|list|revoke", choices=("add", "list", "revoke"), help="what to do"
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="the token's name, such as that of the program that uses it"
    )
    parser.add_argument("--file", metavar="FILE", help="the file with the tokens (default: TOKENS_FILE)")


def run(args: argparse.Namespace) -> int:
    """Add, list or revoke; return 0. Raises SettingsError when the name or the file is missing or unusable.

    `add` prints the token, which is shown only here: the file does not contain it.
    """
    file = _file(args.file)
    if args.action == "list":
        for name in access_tokens.names(file):
            say(name)
        return 0
    if not args.name:
        raise SettingsError(
            f"tokens {args.action} needs the name of a token",
            fix=f"Give a name: {our_command('tokens', args.action, 'NAME')}",
            field="NAME",
        )
    if args.action == "revoke":
        access_tokens.revoke(file, args.name)
        say(f"{args.name} is revoked: a server that reads {file} refuses it from the next request on.")
        return 0
    new = not file.exists()
    say(access_tokens.add(file, args.name))
    if new:
        _say_who_reads(file)
    return 0


def _say_who_reads(file: Path) -> None:
    """Print who can read the new `file`: a backend that runs as another user cannot, and would accept no token."""
    say(
        f"{file} is new ({access_tokens.access(file)}): only its owner can read it. If the backend runs as another "
        f"user, give the file to that user: chown USER {file}",
        file=sys.stderr,
    )


def _file(named: str | None) -> Path:
    if named:
        return Path(os.path.abspath(named))
    settings = Settings.from_env()
    if settings.http.tokens_file is None:
        raise SettingsError(
            "No file of tokens is named",
            fix="Set TOKENS_FILE, here and where the backend runs, or give --file",
            field="TOKENS_FILE",
        )
    return settings.backend_dir / settings.http.tokens_file
