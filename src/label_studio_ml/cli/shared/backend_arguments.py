"""Arguments of a command that name a backend's folder and its model, and the settings that follow from them."""

import argparse
import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from label_studio_ml.cli.options import constructor_arguments
from label_studio_ml.cli.shared.wsgi_file import WsgiFile, read_wsgi
from label_studio_ml.cli.streams import say
from label_studio_ml.config.path_problems import path_problems
from label_studio_ml.config.settings import Settings, set_environment
from label_studio_ml.errors import ModelFileError, SettingsError
from label_studio_ml.user_code.model_source import ModelSource, locate


def add_folder_arguments(
    parser: argparse.ArgumentParser, folder_help: str = "the backend's folder", *, optional: bool = False
) -> None:
    """Add the arguments that name the backend's folder. `folder_help` is the help text of DIR.

    With `optional`, DIR may be missing; `project_name` is None then.
    """
    # The destination is `project_name` for programs that pass a namespace of their own to `label_studio_ml.server`.
    parser.add_argument("project_name", metavar="DIR", nargs="?" if optional else None, help=folder_help)
    parser.add_argument(
        "--root-dir", default=".", metavar="PARENT", help="the folder in which DIR is (default: here)"
    )


def add_backend_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the backend's folder and the model in it."""
    add_folder_arguments(parser)
    parser.add_argument(
        "--script",
        "--from",
        metavar="FILE[:CLASS]",
        help="the model, if DIR has several (default: its only one)",
    )


def folder_of(args: argparse.Namespace) -> Path:
    """Return the folder that DIR and `--root-dir` name."""
    return Path(args.root_dir, args.project_name)


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
    script, class_name = split_script(args.script) if args.script else _configured_script(settings)
    source = source_of(folder, script, class_name, wsgi)
    arguments = {**constructor_arguments(folder), **settings.init_kwargs, **dict(getattr(args, "kwargs", []))}
    settings = replace(settings, script=source.script, class_name=source.class_name, init_kwargs=arguments)
    if getattr(args, "model_dir", None):
        settings = settings.with_model_dir(args.model_dir)
    options: dict[str, Any] = {
        name: value
        for name in ("model_workers", "threads", "log_level", "basic_auth_user", "basic_auth_pass")
        if (value := getattr(args, name, None))
    }
    settings = replace(settings, **options)
    if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
        missing = "--basic-auth-pass" if settings.basic_auth_user else "--basic-auth-user"
        other = "--basic-auth-user" if settings.basic_auth_user else "--basic-auth-pass"
        raise SettingsError(f"{missing} is not given although {other} is", fix="Give both", field=missing)
    _report_path_problems(settings)
    return settings


def settings_without_model(folder: Path, model_dir: str | None) -> Settings:
    """Return the settings of the backend in `folder`, for a command that needs no model file.

    `_wsgi.py` is read but not executed. `model_dir`, if given, replaces the model folder. Raises SettingsError when
    `folder` does not exist.
    """
    if not folder.is_dir():
        raise SettingsError(f"There is no folder {folder}", fix="Give the folder of the backend", field="DIR")
    settings = read_wsgi(folder, run=False).settings(Settings.from_env(backend_dir=folder))
    settings = settings.with_model_dir(model_dir) if model_dir else settings
    _report_path_problems(settings)
    return settings


def _configured_script(settings: Settings) -> tuple[Path | None, str]:
    """Return the model file and the class that settings name. Raises ModelFileError if there is no such file."""
    script = settings.script
    if script is not None and not (settings.backend_dir / script).is_file():
        raise ModelFileError(
            f"LABEL_STUDIO_ML_SCRIPT: there is no model file {settings.backend_dir / script}",
            fix="Correct LABEL_STUDIO_ML_SCRIPT, leave it out, or give --script FILE",
            field="LABEL_STUDIO_ML_SCRIPT",
        )
    return script, settings.class_name


def _report_path_problems(settings: Settings) -> None:
    """Print a line for each setting that names a missing file or folder, which may be the cause of a later error."""
    for problem in path_problems(settings):
        say(f"label-studio-ml: {problem}", file=sys.stderr)


def source_of(folder: Path, script: Path | None, class_name: str, wsgi: WsgiFile) -> ModelSource:
    """Locate the model class: the named one, else the one that `_wsgi.py` serves, else the one in `folder`.

    Raises ModelFileError when there is none.
    """
    if wsgi.source is not None and script is None and class_name in ("", wsgi.source.class_name):
        with contextlib.suppress(ModelFileError):
            return locate(folder, wsgi.source.script, wsgi.source.class_name)
    return locate(folder, script, class_name)


def split_script(text: str) -> tuple[Path, str]:
    """Return file and class of `FILE[:CLASS]`; the class is empty if none is given."""
    file, colon, class_name = text.rpartition(":")
    if colon and file and class_name.isidentifier() and not Path(text).exists():
        return Path(file), class_name
    return Path(text), ""


def require_redis(settings: Settings, command: str) -> None:
    """Raise SettingsError if the settings name no Redis, which `command` needs because it starts no broker."""
    if not settings.redis_url:
        raise SettingsError(
            f"{command} needs a Redis, and REDIS_URL is not set",
            fix="Set REDIS_URL (or REDIS_HOST), or use label-studio-ml start, which starts a broker of its own",
            field="REDIS_URL",
        )
