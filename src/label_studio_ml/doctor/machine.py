"""Checks of this machine: packages, disk, version store, damaged databases, model file and label config."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from label_studio_ml import __version__
from label_studio_ml.config.path_problems import path_problems
from label_studio_ml.doctor.check import Check, fail, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.processes.interpreter import command
from label_studio_ml.runtime.broker_file import copies
from label_studio_ml.storage.damaged_database import damaged_copies
from label_studio_ml.storage.folder_problems import folder_problem, present_user
from label_studio_ml.support.texts import our_command, shell_command
from label_studio_ml.versions.factory import check_store, open_store

#: Free bytes on the model folder's disk below which the check warns, and below which it fails.
_WARN_BELOW = 1 << 30
_FAIL_BELOW = 100 << 20

#: Seconds within which the model file must be imported and its class instantiated.
_BUILD_TIMEOUT = 300.0


def packages(context: Context) -> Check:
    """Check that the packages that label-studio-ml requires are installed."""
    missing = []
    for line in importlib.metadata.requires("label-studio-ml") or []:
        requirement, _, marker = line.partition(";")
        if marker.strip():
            continue  # required by an extra, or depending on the platform
        name = re.split(r"[\s<>=!~\[(]", requirement.strip(), maxsplit=1)[0]
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    installation = f"label-studio-ml {__version__}, Python {platform.python_version()}, {platform.system()}"
    if missing:
        return fail(
            "packages",
            f"{installation}; missing: {', '.join(missing)}",
            f"Run: {shell_command('pip', 'install', *missing)}",
        )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("label-studio-sdk", "rq", "redis")
    )
    return ok("packages", f"{installation}; {versions}")


def model_file(context: Context) -> Iterator[Check]:
    """Check, in a new interpreter, that the model file can be imported and its class instantiated.

    The class is built for the label config in its folder, or for one with the tags that it looks up. If that fails, the
    label config of the project decides.
    """
    process = _build(context, "")
    if process is not None and process.returncode and (config := _project_config(context)):
        process = _build(context, config)
    if process is None:
        yield fail(
            "model file", f"it takes more than {_BUILD_TIMEOUT:g} seconds", "Load less while importing it"
        )
    elif process.returncode:
        cause, code = _cause(process.stderr)
        yield fail("model file", cause, f"Correct {context.settings.script or 'the model file'}", code)
    else:
        context.model_works = True
        context.has_params = "\nParameters, " in f"\n{process.stdout}"
        yield ok("model file", _last_line(process.stdout).removeprefix("OK: "))


def label_config(context: Context) -> Check:
    """Check, in a new interpreter, that the class can be instantiated with the project's label config."""
    if context.project is None or not context.model_works:
        why = "the model file does not work" if context.project is not None else context.without_project
        return skip("label config", why)
    config = _project_config(context)
    if not config:
        return fail(
            "label config",
            "the project has no label config",
            f"Set one up: {context.settings.studio_url}/projects/{context.number}/settings/labeling",
        )
    process = _build(context, config)
    if process is None or process.returncode:
        cause, code = _cause(process.stderr) if process else ("it takes too long", "")
        fix = "Change the project's label config, or the class, so that they fit"
        return fail("label config", cause, fix, code)
    return ok("label config", "the class can be built with it")


def _project_config(context: Context) -> str:
    """Return the label config of the project, empty if the project is not known or has an empty one."""
    config = str((context.project or {}).get("label_config") or "")
    return "" if "<" not in config or config.strip() in {"<View></View>", "<View/>"} else config


def _build(context: Context, config: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(
            command(context.settings, "label_studio_ml.cli.run.check_model", *(["-"] if config else [])),
            env=context.settings.child_env(),
            input=config,
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("label-studio-ml: ") if lines else "it ended without output"


def _cause(text: str) -> tuple[str, str]:
    """Return the error that `check_model` printed, and the error's code, which the line after it ends with."""
    before, _, code = text.rstrip().rpartition(f"\nMore: {our_command('explain')} ")
    return (_last_line(before), code) if before else (_last_line(text), "")


def disk(context: Context) -> Iterator[Check]:
    """Check that the model folder is writable and that its disk has enough free space."""
    folder = context.settings.model_dir
    existing_folder = folder
    while not existing_folder.exists():
        existing_folder = existing_folder.parent
    try:
        with tempfile.TemporaryFile(dir=existing_folder) as probe:
            probe.write(b"x")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        yield fail(
            "disk",
            f"{existing_folder} cannot be written to: {reason}",
            f"Let {present_user()} write to it, or set MODEL_DIR",
        )
        return
    free = shutil.disk_usage(existing_folder).free
    summary = f"{free / (1 << 30):.1f} GiB free in {folder}"
    cache_size = _file_sizes(folder / "files")
    if cache_size:
        summary += f", task files {cache_size / (1 << 20):.0f} MiB"
    values_size = _file_sizes(folder / "once")
    if values_size:
        summary += f", values of once {values_size / (1 << 20):.0f} MiB"
    fix = "Free disk space, lower FILES_CACHE_MB or ONCE_CACHE_MB, or set MODEL_DIR to a folder on a larger disk"
    if free < _FAIL_BELOW:
        yield fail("disk", summary, fix)
    elif free < _WARN_BELOW:
        yield warn("disk", summary, fix)
    else:
        yield ok("disk", summary)


def settings(context: Context) -> Iterator[Check]:
    """Warn about settings that name missing files or folders. Without any, nothing is yielded."""
    for problem in path_problems(context.settings):
        yield warn("settings", problem.message, problem.fix)


def store(context: Context) -> Iterator[Check]:
    """Check that the object store, if MODEL_DIR is a URL, can be listed, read and written to."""
    settings = context.settings
    if not settings.store_url:
        return
    check_store(settings)
    yield ok("store", f"{settings.store_url} can be listed, read and written to")


def decisions(context: Context) -> Iterator[Check]:
    """Check that the version to serve can be decided for each project."""
    if folder_problem(context.settings.model_dir):
        yield skip("decisions", "the model folder cannot be read")  # `disk` fails and says why
        return
    store = open_store(context.settings)
    promote = our_command("promote", context.folder, "VERSION", "--project", "ID")
    is_known = True
    for uid in store.projects():
        if problem := folder_problem(store.folder(uid)):
            text, fix = f"The versions of project {uid} cannot be read: {problem.message}", problem.fix
        else:
            text, fix = store.decision_problem(uid), promote
        if text:
            is_known = False
            yield fail("decisions", text, fix)
    if is_known:
        yield ok("decisions", "the version to serve is known for each project")


def set_aside(context: Context) -> Iterator[Check]:
    """Warn about databases and append-only files that were damaged: part of their content may be lost."""
    for path in damaged_copies(context.settings.model_dir):
        yield warn(
            "set aside",
            f"{path} was damaged and set aside; the log of that time says how much of it could be read",
            "Remove it, and the files with its name and -wal or -shm, when none of its data is needed",
        )
    for path in copies(context.settings.model_dir / "broker"):
        yield warn(
            "set aside",
            f"{path} is a copy of the broker's append-only file, which was damaged and has been truncated since; the "
            "log of that time says where",
            "Remove it when no event is missing",
        )


def _file_sizes(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat().st_size for entry in entries if entry.is_file())
    except OSError:
        return 0
