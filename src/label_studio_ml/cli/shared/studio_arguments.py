"""Options for Label Studio's address and token, and `--project`, for the commands that work on projects."""

import argparse
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import replace
from pathlib import Path

from label_studio_ml.cli.streams import say
from label_studio_ml.config.setting_values import URL
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.protocol.label_config import MAX_CHARACTERS
from label_studio_ml.support.texts import whole_number

#: Bytes of the longest label config that is read: a character of UTF-8 has at most four.
_LONGEST_LABEL_CONFIG = 4 * MAX_CHARACTERS

#: Where a user finds a token, for the message that none is given.
_WHERE_TOKENS_ARE = " to a token, made in Label Studio under Account & Settings → Personal Access Token"


def add_studio_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the options for Label Studio's address and token."""
    parser.add_argument("--url", metavar="URL", help="Label Studio's address (default: LABEL_STUDIO_URL)")
    parser.add_argument(
        "--api-key-file",
        metavar="FILE",
        help="the file that holds a token for it (default: LABEL_STUDIO_API_KEY holds the token)",
    )
    parser.add_argument(
        "--api-key", metavar="KEY", help="the token itself; other users see it in process lists"
    )


def with_studio(args: argparse.Namespace, settings: Settings) -> Settings:
    """Return the settings with the address and token of the command line, if given, in place of their own.

    Raises SettingsError when `--url` is not an http(s) address or the token's file cannot be read.
    """
    token = settings.studio_api_key
    if args.api_key:
        token = args.api_key
        say(
            "label-studio-ml: other users of this machine see --api-key in the process list; use "
            "LABEL_STUDIO_API_KEY or --api-key-file",
            file=sys.stderr,
        )
    elif args.api_key_file:
        try:
            token = Path(args.api_key_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{args.api_key_file} cannot be read: {error}", field="--api-key-file"
            ) from None
    url = URL.parse("--url", args.url.strip()) if args.url else settings.studio_url
    return replace(settings, studio_url=url, studio_api_key=token)


def require_studio(settings: Settings) -> None:
    """Raise SettingsError if Label Studio's address or the token for it is not given."""
    for value, name, option, where in (
        (settings.studio_url, "LABEL_STUDIO_URL", "--url", ""),
        (settings.studio_api_key, "LABEL_STUDIO_API_KEY", "--api-key-file", _WHERE_TOKENS_ARE),
    ):
        if not value:
            raise SettingsError(f"{option} is missing", fix=f"Give {option} or set {name}{where}", field=name)


def read_label_config(path: Path) -> str:
    """Return the label config in the file that `--label-config` names; `-` stands for standard input.

    Raises SettingsError if it cannot be read, or is longer than a label config may be.
    """
    name = "Standard input" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(_LONGEST_LABEL_CONFIG + 1)
        else:
            with path.open("rb") as file:
                data = file.read(_LONGEST_LABEL_CONFIG + 1)
    except OSError as error:
        raise SettingsError(
            f"{name} cannot be read: {error.strerror or error}",
            fix="Give the file with the label config, or - for standard input",
            field="--label-config",
        ) from error
    if len(data) > _LONGEST_LABEL_CONFIG:
        raise SettingsError(f"{name} is longer than a label config may be", field="--label-config")
    try:  # editors on Windows write UTF-16, with its mark
        return data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{name} is no text in UTF-8: {error.reason} at byte {error.start}",
            fix="Save it as UTF-8",
            field="--label-config",
        ) from error


def add_known_project_argument(
    parser: argparse.ArgumentParser,
    help_text: str = "Label Studio's project (default: the only one the backend knows)",
) -> None:
    """Add `--project` for a project that the backend knows, given by its id or uid."""
    parser.add_argument("--project", metavar="ID", type=known_project_name, help=help_text)


def known_project_name(text: str) -> str:
    """Return `text` if a project can have it as its id or uid. Raises argparse.ArgumentTypeError for other text.

    Names without a number pass, because requests without a project get one.
    """
    number = text.partition(".")[0]
    if not number or number.startswith("-") or whole_number(number) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not the id of a project")
    return text


def project_number(text: str) -> int:
    """Parse a project's id or uid and return the id. Raises argparse.ArgumentTypeError for other text."""
    number = whole_number(text.partition(".")[0])
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not the id of a project")
    return number
