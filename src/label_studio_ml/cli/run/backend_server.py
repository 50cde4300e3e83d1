"""Run a backend's server, for the commands `start` and `serve`."""

import argparse
import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from label_studio_ml.cli.options import add_serving_options, require_unix
from label_studio_ml.cli.run.writable import require_writable
from label_studio_ml.cli.shared.backend_arguments import add_backend_arguments
from label_studio_ml.cli.shared.studio_arguments import read_label_config
from label_studio_ml.cli.streams import say
from label_studio_ml.config.http_settings import HttpSettings, parse_root_path
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.processes.interpreter import command
from label_studio_ml.studio.addresses.private_addresses import is_loopback


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `start` and `serve`."""
    add_backend_arguments(parser)
    add_serving_options(parser)
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="answer HTTPS with this certificate (default: TLS_CERT)"
    )
    parser.add_argument(
        "--tls-key", type=Path, metavar="FILE", help="its private key (default: TLS_KEY, or in the same file)"
    )
    parser.add_argument(
        "--root-path", metavar="PATH", help="path under which a proxy offers the backend (default: ROOT_PATH)"
    )
    parser.add_argument(
        "--reload", action="store_true", help="load the model again whenever its files are edited"
    )
    parser.add_argument(
        "--label-config",
        type=Path,
        metavar="FILE",
        help="with --check: the label config to check the model with (default: label_config.xml in the backend's "
        "folder, or else one with the tags that the class looks up)",
    )


def serve(args: argparse.Namespace, settings: Settings, **role: bool) -> int:
    """Serve with `settings` and the options of the command line, or only check; return the exit code.

    `role` is passed to the supervisor. Raises SettingsError when options conflict or the model folder is not writable.
    """
    if args.check:
        return _check(settings, read_label_config(args.label_config) if args.label_config else "")
    if args.label_config:
        raise SettingsError(
            "--label-config is for --check: a running backend gets the label config from Label Studio",
            fix="Leave it out, or add --check",
            field="--label-config",
        )
    settings = replace(settings, http=_http_settings(args, settings.http))
    require_unix(args.command)
    if args.reload and args.debug:
        raise SettingsError(
            "--reload and --debug do not go together: with --debug the code is imported once",
            fix="Leave one of them out",
            field="--reload",
        )
    require_writable(settings)
    notice = "" if is_loopback(args.host) else _exposure_notice(args.host, args.port, settings)
    supervisor = importlib.import_module("label_studio_ml.runtime.supervisor")
    code: int = supervisor.serve(
        settings,
        host=args.host,
        port=args.port,
        debug=args.debug,
        reload=args.reload,
        notice=notice,
        **role,
    )
    return code


def _http_settings(args: argparse.Namespace, http: HttpSettings) -> HttpSettings:
    """Return the settings of the HTTP server, overridden by those of the command line. Raises SettingsError."""
    options: dict[str, Any] = {
        name: value for name in ("tls_cert", "tls_key") if (value := getattr(args, name, None)) is not None
    }
    if path := getattr(args, "root_path", None):
        options["root_path"] = parse_root_path("--root-path", path)
    return replace(http, **options)


def _exposure_notice(host: str, port: int, settings: Settings) -> str:
    if settings.basic_auth_user:
        return f"listening on {host}: anyone who can reach port {port} and has the login can use this backend"
    return (
        f"listening on {host}: anyone who can reach port {port} can use this backend; "
        "to require a login, set BASIC_AUTH_USER and BASIC_AUTH_PASS"
    )


def _check(settings: Settings, label_config: str) -> int:
    """Build the model and predict sample tasks in a new interpreter, so that side effects end; return 0 or 1.

    An empty `label_config` means that of the backend's folder, or one derived from the code of the class.
    """
    flags = ["--predict", *(["-"] if label_config else [])]
    check = command(settings, "label_studio_ml.cli.run.check_model", *flags)
    options: dict[str, Any] = {"input": label_config.encode()} if label_config else {}
    status = subprocess.run(check, env=settings.child_env(), check=False, **options).returncode
    if status not in (0, 1):  # with 1, it has said the cause
        say(
            f"label-studio-ml: The process that built the model and predicted a sample task {describe_exit(status)}",
            file=sys.stderr,
        )
    return min(status & 255, 1)
