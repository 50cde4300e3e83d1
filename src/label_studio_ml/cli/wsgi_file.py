"""What a backend's `_wsgi.py` sets, for commands that do not serve through it.

It is read; where that does not tell all, it is run in a process of its own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from label_studio_ml.app_arguments import with_app_arguments
from label_studio_ml.child_answer import child_answer
from label_studio_ml.cli.wsgi_survey import Survey, survey
from label_studio_ml.errors import ModelFileError
from label_studio_ml.exit_status import describe_exit
from label_studio_ml.settings import Settings
from label_studio_ml.source import ModelSource
from label_studio_ml.texts import shell_command

#: Seconds that a `_wsgi.py` may take: it may load the model's weights.
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class WsgiFile:
    """What `_wsgi.py` sets.

    `arguments` are those of `init_app`; `environment` holds the variables that it sets; `source` is the class that it
    serves, if it was run. `remarks` say what is not used, one line each.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    source: ModelSource | None = None
    remarks: tuple[str, ...] = ()

    def settings(self, settings: Settings) -> Settings:
        """Return `settings` with what `init_app` is given. Raises SettingsError if a value cannot be used."""
        arguments = dict(self.arguments)
        user, password = (arguments.pop(f"basic_auth_{part}", None) for part in ("user", "pass"))
        environment = settings.init_kwargs  # LABEL_STUDIO_ML_INIT wins over the file
        settings = with_app_arguments(replace(settings, init_kwargs={}), arguments)
        settings = replace(settings, init_kwargs={**settings.init_kwargs, **environment})
        if user and password:
            settings = replace(settings, basic_auth_user=str(user), basic_auth_pass=str(password))
        return settings


def read_wsgi(folder: Path, *, run: bool = True, patience: float = PATIENCE) -> WsgiFile:
    """Return what the `_wsgi.py` in `folder` sets: nothing where there is none.

    Without `run`, this is only what reading tells. A file that cannot be read or run stops nothing: a remark says so.
    """
    path = folder.resolve() / "_wsgi.py"
    if not path.is_file():
        return WsgiFile()
    try:
        known = survey(path)
    except ModelFileError as error:
        return WsgiFile(remarks=(f"{error.message}: nothing of it is used",))
    if not known.needs_run or not run:
        arguments = known.arguments | known.script_arguments
        return WsgiFile(arguments=arguments, remarks=_remarks(path, known) if run else ())
    return _merged(path, known, _run(path, patience))


def _run(path: Path, patience: float) -> dict[str, Any]:
    """Run the file in a process of its own, and return what `wsgi_child` says of it."""
    settings = Settings(backend_dir=path.parent)
    try:
        answer, status = child_answer(settings, "label_studio_ml.cli.wsgi_child", path, patience=patience)
    except TimeoutError:
        return {"error": f"it was not done after {patience:g} s"}
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        return {"error": f"its process {describe_exit(status)}"}
    return found


def _merged(path: Path, known: Survey, told: dict[str, Any]) -> WsgiFile:
    remarks: list[str] = []
    if told["error"]:
        rest = "" if "class_name" in told else "; what it would set is not used"
        remarks.append(f"{path} cannot be run: {told['error'].rstrip('.')}{rest}")
    if unfit := told.get("unfit"):
        remarks.append(
            f"{path}: JSON cannot hold {', '.join(unfit)}, so the model is built without. "
            "Give it with --with, or let the class make it"
        )
    script, name = told.get("script"), told.get("class_name")
    return WsgiFile(
        arguments=told.get("arguments", known.arguments) | known.script_arguments,
        environment=told.get("environment", {}),
        source=ModelSource(Path(script), name) if script and name else None,
        remarks=(*remarks, *_remarks(path, known, told.get("unused", []))),
    )


def _remarks(path: Path, known: Survey, told: Sequence[str] = ()) -> tuple[str, ...]:
    """Say what the file has and `start` does not use; `told` is what running it added to what reading tells."""
    remarks = []
    if unused := [*told, *known.unused]:
        names = ", ".join(dict.fromkeys(unused))
        remarks.append(f"{path}: not used here: {names}. To use them, serve it with gunicorn _wsgi:app")
    if known.script_unused:
        names = ", ".join(dict.fromkeys(known.script_unused))
        run = shell_command("python", str(path))
        remarks.append(
            f'{path}: in functions and below if __name__ == "__main__", not used here: {names}. '
            f"Give the values with --with, or run the file: {run}"
        )
    return tuple(remarks)
