"""Settings of a backend's `_wsgi.py`, for commands that do not serve through it.

The file is parsed; if that does not show all values, it is executed in a child process.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from label_studio_ml.cli.shared.wsgi_survey import Survey, survey
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError
from label_studio_ml.model_api.init_app_arguments import with_app_arguments
from label_studio_ml.processes.child_answer import child_answer
from label_studio_ml.processes.exit_status import describe_exit
from label_studio_ml.support.texts import shell_command
from label_studio_ml.user_code.model_source import ModelSource

#: Seconds within which a `_wsgi.py` must be imported; it may load the model's weights.
IMPORT_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class WsgiFile:
    """The settings of a `_wsgi.py`.

    `arguments` are those of `init_app`; `environment` has the variables that the file sets; `source` is the class that
    it serves, None unless the file was executed. `remarks` are notes on parts that are not used, one line each.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    source: ModelSource | None = None
    remarks: tuple[str, ...] = ()

    def settings(self, settings: Settings) -> Settings:
        """Return `settings` with the arguments of `init_app`. Raises SettingsError if a value cannot be used."""
        arguments = dict(self.arguments)
        user, password = (arguments.pop(f"basic_auth_{part}", None) for part in ("user", "pass"))
        environment = settings.init_kwargs  # LABEL_STUDIO_ML_INIT wins over the file
        settings = with_app_arguments(replace(settings, init_kwargs={}), arguments)
        settings = replace(settings, init_kwargs={**settings.init_kwargs, **environment})
        if user and password:
            settings = replace(settings, basic_auth_user=str(user), basic_auth_pass=str(password))
        return settings


def read_wsgi(folder: Path, *, run: bool = True, timeout: float = IMPORT_TIMEOUT) -> WsgiFile:
    """Return the settings of the `_wsgi.py` in `folder`; an empty WsgiFile if there is none.

    With `run`, the file is executed if parsing does not show all values; `timeout` is the time limit in seconds. A
    file that cannot be parsed or executed raises nothing: a remark says so.
    """
    path = folder.resolve() / "_wsgi.py"
    if not path.is_file():
        return WsgiFile()
    try:
        parsed = survey(path)
    except ModelFileError as error:
        return WsgiFile(remarks=(f"{error.message}: none of its settings are used",))
    if not parsed.needs_run or not run:
        arguments = parsed.arguments | parsed.script_arguments
        return WsgiFile(arguments=arguments, remarks=_remarks(path, parsed) if run else ())
    return _merged(path, parsed, _run(path, timeout))


def _run(path: Path, timeout: float) -> dict[str, Any]:
    """Execute the file in a child process, and return the report of `wsgi_child`, or only its `error`."""
    settings = Settings(backend_dir=path.parent)
    try:
        answer, status = child_answer(
            settings, "label_studio_ml.cli.shared.wsgi_child", path, timeout=timeout
        )
    except TimeoutError:
        return {"error": f"it did not end within {timeout:g} s"}
    try:
        report: dict[str, Any] = json.loads(answer)
    except ValueError:
        return {"error": f"its process {describe_exit(status)}"}
    return report


def _merged(path: Path, parsed: Survey, report: dict[str, Any]) -> WsgiFile:
    remarks: list[str] = []
    if report["error"]:
        consequence = "" if "class_name" in report else "; the settings that it would make are not used"
        remarks.append(f"{path} cannot be run: {report['error'].rstrip('.')}{consequence}")
    if unfit := report.get("unfit"):
        remarks.append(
            f"{path}: JSON cannot hold {', '.join(unfit)}, so the model is built without. "
            "Give the value with --with, or let the class create it"
        )
    script, name = report.get("script"), report.get("class_name")
    return WsgiFile(
        arguments=report.get("arguments", parsed.arguments) | parsed.script_arguments,
        environment=report.get("environment", {}),
        source=ModelSource(Path(script), name) if script and name else None,
        remarks=(*remarks, *_remarks(path, parsed, report.get("unused", []))),
    )


def _remarks(path: Path, parsed: Survey, unused_in_run: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the notes on parts of the file that `start` does not use, with those that its execution showed."""
    remarks = []
    if unused := [*unused_in_run, *parsed.unused]:
        names = ", ".join(dict.fromkeys(unused))
        remarks.append(f"{path}: not used here: {names}. To use them, serve it with gunicorn _wsgi:app")
    if parsed.script_unused:
        names = ", ".join(dict.fromkeys(parsed.script_unused))
        run = shell_command("python", str(path))
        remarks.append(
            f'{path}: in functions and below if __name__ == "__main__", not used here: {names}. '
            f"Give the values with --with, or run the file: {run}"
        )
    return tuple(remarks)
