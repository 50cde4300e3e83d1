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
from label_studio_ml.doctor.check import Check, fail, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.processes.interpreter import command
from label_studio_ml.runtime.broker_file import copies
from label_studio_ml.storage.damaged_database import damaged_copies
from label_studio_ml.storage.folder_problems import folder_problem, present_user
from label_studio_ml.support.texts import our_command, shell_command
from label_studio_ml.versions.factory import check_store, open_store

#: Free bytes on the model folder's disk below which the check warns, and below which it fails.
_LITTLE = 1 << 30
_TOO_LITTLE = 100 << 20

#: Seconds within which the model file must be imported and its class instantiated.
_BUILD = 300.0


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
    here = f"label-studio-ml {__version__}, Python {platform.python_version()}, {platform.system()}"
    if missing:
        return fail(
            "packages",
            f"{here}; missing: {', '.join(missing)}",
            f"Run: {shell_command('pip', 'install', *missing)}",
        )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("label-studio-sdk", "rq", "redis")
    )
    return ok("packages", f"{here}; {versions}")


def model_file(context: Context) -> Iterator[Check]:
    """Check, in a new interpreter, that the model file can be imported and its class instantiated."""
    done = _build(context, "")
    if done is None:
        yield fail("model file", f"it takes more than {_BUILD:g} seconds", "Load less while importing it")
    elif done.returncode:
        yield fail("model file", _last(done.stderr), f"Correct {context.settings.script or 'the model file'}")
    else:
        context.model_works = True
        yield ok("model file", _last(done.stdout).removeprefix("OK: "))


def label_config(context: Context) -> Check:
    """Check, in a new interpreter, that the class can be instantiated with the project's label config."""
    if context.project is None or not context.model_works:
        why = "the model file does not work" if context.project is not None else context.without_project
        return skip("label config", why)
    config = str(context.project.get("label_config") or "")
    if "<" not in config or config.strip() in {"<View></View>", "<View/>"}:
        return fail(
            "label config",
            "the project has no label config",
            f"Set one up: {context.settings.studio_url}/projects/{context.number}/settings/labeling",
        )
    done = _build(context, config)
    if done is None or done.returncode:
        cause = _last(done.stderr) if done else "it takes too long"
        return fail(
            "label config", cause, "Change the project's label config, or the class, so that they fit"
        )
    return ok("label config", "the class can be built with it")


def _build(context: Context, config: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(
            command(context.settings, "label_studio_ml.cli.run.check_model", *(["-"] if config else [])),
            env=context.settings.child_env(),
            input=config,
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD,
        )
    except subprocess.TimeoutExpired:
        return None


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("label-studio-ml: ") if lines else "it ended without a word"


def disk(context: Context) -> Iterator[Check]:
    """Check that the model folder is writable and that its disk has enough free space."""
    folder = context.settings.model_dir
    place = folder
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"x")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        yield fail(
            "disk",
            f"{place} cannot be written to: {reason}",
            f"Let {present_user()} write to it, or set MODEL_DIR",
        )
        return
    free = shutil.disk_usage(place).free
    what = f"{free / (1 << 30):.1f} GiB free in {folder}"
    cache = _used(folder / "files")
    if cache:
        what += f", task files {cache / (1 << 20):.0f} MiB"
    fix = "Make room, lower FILES_CACHE_MB, or set MODEL_DIR to a folder on a larger disk"
    if free < _TOO_LITTLE:
        yield fail("disk", what, fix)
    elif free < _LITTLE:
        yield warn("disk", what, fix)
    else:
        yield ok("disk", what)


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
        yield ok("decisions", "which version each project is served is known")


def set_aside(context: Context) -> Iterator[Check]:
    """Warn about databases and append-only files that were damaged: part of their content may be lost."""
    for path in damaged_copies(context.settings.model_dir):
        yield warn(
            "set aside",
            f"{path} was damaged and set aside; the log of that time says what could be read of it",
            "Remove it, with what has its name and -wal or -shm, when nothing of it is missed",
        )
    for path in copies(context.settings.model_dir / "broker"):
        yield warn(
            "set aside",
            f"{path} is a copy of the broker's append-only file, which was damaged and was cut there; the log of that "
            "time says from where on",
            "Remove it when no event is missed",
        )


def _used(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat().st_size for entry in entries if entry.is_file())
    except OSError:
        return 0
