"""Child process that executes a `_wsgi.py` and reports the arguments of its `init_app` call.

The command-line arguments are FD and FILE; the report is written as JSON to the file descriptor FD. The file is
imported, as by gunicorn, so that it does not start a server itself.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from label_studio_ml import api
from label_studio_ml.config.settings import environment_changes
from label_studio_ml.errors import BackendError
from label_studio_ml.import_paths import user_path
from label_studio_ml.runtime.model_place import defining_file, is_json
from label_studio_ml.runtime.wsgi_application import BackendApp
from label_studio_ml.user_code.loading import import_file


def main() -> int:
    """Execute the file, write the report, and end the process with status 0; failures are part of the report."""
    descriptor, path = int(sys.argv[1]), Path(sys.argv[2])
    os.set_inheritable(descriptor, False)
    report = read(path)
    with os.fdopen(descriptor, "w") as out:
        json.dump(report, out)
    sys.stdout.flush()
    os._exit(0)  # `sys.exit` would wait for threads of the user's file


def read(path: Path) -> dict[str, Any]:
    """Import a `_wsgi.py` and return the report.

    `error` is empty or why the import failed; `environment` has the variables that the file sets. After a call of
    `init_app`, of which the last counts, there are `class_name`, `script`, `arguments`, `unfit` (names of arguments
    that JSON cannot hold) and `unused` (additions to the application that `start` does not use).
    """
    calls: list[tuple[type, dict[str, Any], BackendApp]] = []
    original = api.init_app

    def recording(model_class: type, *args: Any, **arguments: Any) -> BackendApp:
        app = original(model_class, *args, **arguments)
        login = dict(zip(("basic_auth_user", "basic_auth_pass"), args, strict=False))
        calls.append((model_class, {**login, **arguments}, app))
        return app

    api.init_app = recording
    changes = environment_changes()
    report: dict[str, Any] = {"error": ""}
    user_path.enter([str(path.parent)])
    module: Any = None
    try:
        module = import_file(path, "_wsgi")
    except BackendError as error:
        report["error"] = str(error)
    report["environment"] = changes()
    if calls:
        model_class, arguments, app = calls[-1]
        file = defining_file(model_class)
        fit = {name: value for name, value in arguments.items() if value is not None and is_json(value)}
        report |= {"class_name": model_class.__name__, "script": str(file) if file else "", "arguments": fit}
        report["unfit"] = [name for name, value in arguments.items() if not is_json(value)]
        report["unused"] = _additions(app)
        if module is not None and not isinstance(getattr(module, "app", app), BackendApp):
            report["unused"].append("the object that wraps the application")
    return report


def _additions(app: BackendApp) -> list[str]:
    """Return the routes, hooks and middleware that were added to the application; only a WSGI server runs them."""
    routes = [rule.rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("backend/")]
    hooks = {
        "before_request": app.before_request_funcs,
        "after_request": app.after_request_funcs,
        "teardown_request": app.teardown_request_funcs,
        "errorhandler": app.error_handler_spec,
    }
    additions = [f"the route {rule}" for rule in routes] + [
        name for name, functions in hooks.items() if functions
    ]
    return [*additions, "its WSGI middleware"] if "wsgi_app" in vars(app) else additions
