"""`label-studio-ml start PROJECT`: serve a backend's folder; and settings from the command line, for other commands."""

import argparse
import contextlib
import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from label_studio_ml.cli.options import (
    add_serving_options,
    constructor_arguments,
    is_loopback,
    require_unix,
)
from label_studio_ml.cli.run.writable import require_writable
from label_studio_ml.cli.shared.wsgi_file import WsgiFile, read_wsgi
from label_studio_ml.cli.streams import say
from label_studio_ml.config.settings import Settings, set_environment
from label_studio_ml.errors import ModelFileError, SettingsError
from label_studio_ml.processes.interpreter import command
from label_studio_ml.user_code.loading import ModelSource, locate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `start`."""
    add_folder_arguments(parser)
    add_serving_options(parser)
    parser.add_argument(
        "--reload", action="store_true", help="load the model again whenever its files are edited"
    )


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the backend's folder and the model in it."""
    parser.add_argument("project_name", metavar="PROJECT", help="the backend's folder")
    parser.add_argument("--root-dir", default=".", metavar="DIR", help="where that folder is (default: here)")
    parser.add_argument(
        "--script", "--from", metavar="FILE[:CLASS]", help="the model, if the folder leaves a choice"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until the process is stopped, and return the exit code; with `--check`, only build the model."""
    return serve(args, settings_from(args))


def serve(args: argparse.Namespace, settings: Settings, **role: bool) -> int:
    """Serve with `settings` and the options of the command line, or only check; return the exit code.

    `role` is passed to the supervisor. Raises SettingsError when options conflict or the model folder is not writable.
    """
    if args.check:
        return _check(settings)
    require_unix(args.command)
    if args.reload and args.debug:
        raise SettingsError(
            "--reload and --debug do not go together: with --debug the code is imported once",
            fix="Leave one of them out",
            field="--reload",
        )
    require_writable(settings)
    if not is_loopback(args.host):
        say(f"label-studio-ml: {_exposure(args.host, args.port, settings)}", file=sys.stderr)
    supervisor = importlib.import_module("label_studio_ml.runtime.supervisor")
    code: int = supervisor.serve(
        settings, host=args.host, port=args.port, debug=args.debug, reload=args.reload, **role
    )
    return code


def with_redis(settings: Settings, command: str) -> Settings:
    """Return `settings`. Raises SettingsError if they name no Redis, which `command` needs, having no broker itself."""
    if not settings.redis_url:
        raise SettingsError(
            f"{command} needs a Redis, and REDIS_URL is not set",
            fix="Set REDIS_URL (or REDIS_HOST), or use label-studio-ml start, which brings its own",
            field="REDIS_URL",
        )
    return settings


def settings_from(args: argparse.Namespace, *, run_wsgi: bool = True) -> Settings:
    """Return the settings of the environment and of `_wsgi.py`, overridden by those of the command line.

    They include the located model class. Without `run_wsgi`, `_wsgi.py` is read but not executed, which is quick and
    may miss values. Raises SettingsError or ModelFileError when a value or the model file is wrong.
    """
    folder = folder_of(args)
    wsgi = read_wsgi(folder, run=run_wsgi)
    for remark in wsgi.remarks:
        say(f"label-studio-ml: {remark}", file=sys.stderr)
    set_environment(wsgi.environment)
    settings = wsgi.settings(Settings.from_env(backend_dir=folder))
    script, class_name = split_script(args.script) if args.script else (settings.script, settings.class_name)
    source = source_of(folder, script, class_name, wsgi)
    arguments = {**constructor_arguments(folder), **settings.init_kwargs, **dict(getattr(args, "kwargs", []))}
    settings = replace(settings, script=source.script, class_name=source.class_name, init_kwargs=arguments)
    if getattr(args, "model_dir", None):
        settings = settings.with_model_dir(args.model_dir)
    if getattr(args, "model_workers", None):
        settings = replace(settings, model_workers=args.model_workers)
    if getattr(args, "threads", None):
        settings = replace(settings, threads=args.threads)
    if getattr(args, "log_level", None):
        settings = replace(settings, log_level=args.log_level)
    return _with_login(
        settings, getattr(args, "basic_auth_user", None), getattr(args, "basic_auth_pass", None)
    )


def source_of(folder: Path, script: Path | None, class_name: str, wsgi: WsgiFile) -> ModelSource:
    """Locate the model class: the named one, else the one that `_wsgi.py` serves, else the one in `folder`.

    Raises ModelFileError when there is none.
    """
    if wsgi.source is not None and script is None and class_name in ("", wsgi.source.class_name):
        with contextlib.suppress(ModelFileError):
            return locate(folder, wsgi.source.script, wsgi.source.class_name)
    return locate(folder, script, class_name)


def folder_of(args: argparse.Namespace) -> Path:
    """Return the folder that PROJECT and `--root-dir` name."""
    return Path(args.root_dir, args.project_name)


def split_script(text: str) -> tuple[Path, str]:
    """Return file and class of `FILE[:CLASS]`; the class is empty if none is given."""
    file, colon, class_name = text.rpartition(":")
    if colon and file and class_name.isidentifier() and not Path(text).exists():
        return Path(file), class_name
    return Path(text), ""


def _with_login(settings: Settings, user: str | None, password: str | None) -> Settings:
    """Return the settings with user and password, if given, in place of their own.

    Raises SettingsError when the result has only one of the two.
    """
    settings = replace(
        settings,
        basic_auth_user=user or settings.basic_auth_user,
        basic_auth_pass=password or settings.basic_auth_pass,
    )
    if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
        missing = "--basic-auth-pass" if settings.basic_auth_user else "--basic-auth-user"
        raise SettingsError(f"{missing} is not given but its partner is", fix="Give both", field=missing)
    return settings


def _exposure(host: str, port: int, settings: Settings) -> str:
    if settings.basic_auth_user:
        return f"listening on {host}: who can reach port {port} and has the login can use this backend"
    return (
        f"listening on {host}: anyone who can reach port {port} can use this backend; "
        "to ask for a login, set BASIC_AUTH_USER and BASIC_AUTH_PASS"
    )


def _check(settings: Settings) -> int:
    """Build the model in a new interpreter, so that its side effects end with it; return 0, or 1 if that fails."""
    check = command(settings, "label_studio_ml.cli.run.check_model")
    return min(subprocess.run(check, env=settings.child_env(), check=False).returncode & 255, 1)
