"""Command-line options that `label-studio-ml start`, other commands and a backend's own `_wsgi.py` share."""

import argparse
import functools
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from label_studio_ml.cli.container import default_host
from label_studio_ml.config.setting_values import MAX_PROCESSES, MAX_THREADS
from label_studio_ml.config.settings import DEFAULT_PORT, LOG_LEVELS
from label_studio_ml.errors import SettingsError
from label_studio_ml.processes.guard import is_supported
from label_studio_ml.support.texts import whole_number

#: Maximum number of shards of a prediction run: each is a job in Redis.
_MAX_SHARDS = 10_000

_NUMBER = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?")


def require_unix(command: str) -> None:
    """Raise SettingsError if this system lacks the Unix processes and sockets that `command` needs."""
    if not is_supported():
        raise SettingsError(f"{command} does not run on Windows: use WSL or a container")


def add_serving_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a server: address, model, number of processes and threads, logging, login."""
    parser.add_argument(
        "-p",
        "--port",
        type=port_number,
        default=DEFAULT_PORT,
        help="port to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--host",
        default=default_host(),
        help="address to listen on (default: 127.0.0.1, this machine only; in a container 0.0.0.0, because "
        "it cannot be reached from outside otherwise)",
    )
    add_model_options(parser)
    parser.add_argument(
        "--model-workers",
        type=process_count,
        metavar="N",
        help=f"processes that run the model, at most {MAX_PROCESSES} (default: LABEL_STUDIO_ML_MODEL_WORKERS, or 1)",
    )
    parser.add_argument(
        "--threads",
        type=thread_count,
        metavar="N",
        help="calls of predict at a time in each of them, where the class sets no concurrency "
        "(default: LABEL_STUDIO_ML_THREADS, or 1)",
    )
    parser.add_argument("-d", "--debug", action="store_true", help="run for debugging: breakpoints work")
    add_log_level(parser)
    parser.add_argument(
        "--check",
        action="store_true",
        help="build the model once, check its prediction of a sample task, say what fails, and end",
    )
    add_login_options(parser)


def add_login_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the login that the backend requires."""
    parser.add_argument(
        "--basic-auth-user",
        metavar="USER",
        help="user of the login that the backend requires (default: BASIC_AUTH_USER)",
    )
    parser.add_argument(
        "--basic-auth-pass",
        metavar="PASS",
        help="its password; other users see it in process lists (default: BASIC_AUTH_PASS)",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the model's constructor arguments and the model folder."""
    parser.add_argument(
        "--with",
        "--kwargs",
        dest="kwargs",
        metavar="KEY=VAL",
        nargs="+",
        action="extend",
        type=key_value,
        default=[],
        help="arguments for the model's constructor, and values of its parameters: true, 3, 0.5, JSON or text; they "
        "override config.json",
    )
    parser.add_argument(
        "--model-dir",
        metavar="FOLDER",
        help="folder of the trained versions, relative to the backend's folder",
    )


def add_log_level(parser: argparse.ArgumentParser) -> None:
    """Add the option `--log-level`."""
    parser.add_argument(
        "--log-level",
        type=str.upper,
        choices=LOG_LEVELS,
        help="how much to log (default: LOG_LEVEL, or INFO)",
    )


def count(text: str) -> int:
    """Parse a whole number of at least 1. Raises argparse.ArgumentTypeError for other text."""
    number = whole_number(text)
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def _bounded(text: str, *, maximum: int) -> int:
    number = whole_number(text)
    if not number or number > maximum:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {maximum:,}")
    return number


#: Parse a number of processes, threads or shards. They raise argparse.ArgumentTypeError for other text.
process_count = functools.partial(_bounded, maximum=MAX_PROCESSES)
thread_count = functools.partial(_bounded, maximum=MAX_THREADS)
shard_count = functools.partial(_bounded, maximum=_MAX_SHARDS)


def key_value(text: str) -> tuple[str, Any]:
    """Return key and parsed value of `KEY=VAL`. Raises argparse.ArgumentTypeError for other text."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VAL")
    return key, parse_value(value)


def parse_value(text: str) -> Any:
    """Parse `text` as a truth value, a finite number or JSON; return `text` itself if it is none of these."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        value = json.loads(text, parse_constant=lambda _: text)
    except ValueError:
        value = float(text) if _NUMBER.fullmatch(text) and not re.match(r"[+-]?0\d", text) else text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def constructor_arguments(folder: Path, pairs: Iterable[tuple[str, Any]] = ()) -> dict[str, Any]:
    """Return the model's constructor arguments: those of `config.json` in `folder`, if any, overridden by `pairs`.

    Raises SettingsError when the file is not a JSON object.
    """
    config = folder / "config.json"
    values: Any = {}
    if config.is_file():
        try:
            values = json.loads(config.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SettingsError(f"{config} is not JSON: {error}", field=str(config)) from error
        if not isinstance(values, dict):
            raise SettingsError(f"{config} must contain a JSON object", field=str(config))
    return {**values, **dict(pairs)}


def server_arguments(args: argparse.Namespace) -> dict[str, str]:
    """Return the given options that are also arguments of `init_app`, by the names of these arguments."""
    names = ("model_dir", "basic_auth_user", "basic_auth_pass")
    return {name: getattr(args, name) for name in names if getattr(args, name)}


def port_number(text: str) -> int:
    """Parse a port from 1 to 65535. Raises argparse.ArgumentTypeError for other text."""
    port = whole_number(text)
    if port is None or not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: use a number from 1 to 65535")
    return port
