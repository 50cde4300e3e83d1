"""Settings that name files, folders or programs that do not exist, or that are of the wrong type."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_studio_ml.config.setting_values import Kind, PathUse
from label_studio_ml.config.settings import Settings
from label_studio_ml.config.variables import declared
from label_studio_ml.errors import SettingsError
from label_studio_ml.support.texts import our_command

#: Fields that are checked where they are used: the backend's folder is an argument of most commands.
_CHECKED_ELSEWHERE = frozenset({"backend_dir"})


def path_problems(settings: Settings) -> Iterator[SettingsError]:
    """Yield an error for each setting that names a missing file, folder or program, or one of the wrong type.

    Folders that are made when they are needed may be missing. A path that this user may not look at is not reported:
    the backend may run as another user.
    """
    for part in settings.parts:
        for field, variable in declared(type(part)):
            if variable.kind.path is None or field in _CHECKED_ELSEWHERE:
                continue
            name = variable.names.split()[0]
            if field == "user_model_dir" and not settings.store_url:
                name = "MODEL_DIR"
            for path in _paths(getattr(part, field)):
                if problem := _problem(name, path, variable.kind, settings.backend_dir):
                    yield problem


def tokens_file_problem(settings: Settings) -> SettingsError | None:
    """Return the problem of TOKENS_FILE because of which a backend accepts no token; None if there is none."""
    return next((error for error in path_problems(settings) if error.field == "TOKENS_FILE"), None)


def _paths(value: Any) -> list[str]:
    if isinstance(value, tuple):
        return [str(path) for path in value]
    return [str(value)] if value else []


def _problem(name: str, text: str, kind: Kind, backend_dir: Path) -> SettingsError | None:
    if kind.path is PathUse.PROGRAM:
        if shutil.which(text) is not None:
            return None
        return SettingsError(
            f"{name}={text} is no program", fix=f"Correct {name} or leave it out", field=name
        )
    path = backend_dir / text if kind.in_backend else Path(text)
    what = "file" if kind.path is PathUse.FILE else "folder"
    try:
        exists = path.exists()
        is_right = path.is_file() if kind.path is PathUse.FILE else path.is_dir()
    except OSError:
        return None
    if is_right or (not exists and kind.path is PathUse.OUTPUT_FOLDER):
        return None
    if exists:
        return SettingsError(
            f"{name}: {path} is no {what}", fix=f"Name a {what} in {name} or leave it out", field=name
        )
    return SettingsError(f"{name}: there is no {what} {path}", fix=_how_to_make(name, path, what), field=name)


def _how_to_make(name: str, path: Path, what: str) -> str:
    if name == "TOKENS_FILE":
        return f"Make it with: {our_command('tokens', 'add', 'NAME', '--file', path)}"
    return f"Name a {what} that exists in {name} or leave it out"
