"""Run a `_wsgi.py`, in a process of its own, and say what it hands to `init_app`. The arguments are FD and FILE.

What is found goes to the descriptor FD as JSON. The file runs as below gunicorn, so no server of its own starts.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from label_studio_ml import api, user_path
from label_studio_ml.errors import BackendError
from label_studio_ml.runtime.model_place import defining_file, is_json
from label_studio_ml.runtime.wsgi import BackendApp
from label_studio_ml.settings import environment_changes
from label_studio_ml.source import import_file


def main() -> int:
    """Run the file; return 0 whatever it does: what fails is told."""
    descriptor, path = int(sys.argv[1]), Path(sys.argv[2])
    os.set_inheritable(descriptor, False)
    found = read(path)
    with os.fdopen(descriptor, "w") as out:
        json.dump(found, out)
    sys.stdout.flush()
    os._exit(0)  # threads of the user's file must not keep this process


def read(path: Path) -> dict[str, Any]:
    """Return what a `_wsgi.py` hands to `init_app`, what it sets in the environment, and what else it does."""
    calls: list[tuple[type, dict[str, Any], BackendApp]] = []
    original = api.init_app

    def recording(model_class: type, *args: Any, **arguments: Any) -> BackendApp:
        app = original(model_class, *args, **arguments)
        login = dict(zip(("basic_auth_user", "basic_auth_pass"), args, strict=False))
        calls.append((model_class, {**login, **arguments}, app))
        return app

    api.init_app = recording
    changes = environment_changes()
    found: dict[str, Any] = {"error": ""}
    user_path.enter([str(path.parent)])
    module: Any = None
    try:
        module = import_file(path, "_wsgi")
    except BackendError as error:
        found["error"] = str(error)
    found["environment"] = changes()
    if calls:
        model_class, arguments, app = calls[-1]
        file = defining_file(model_class)
        fit = {name: value for name, value in arguments.items() if value is not None and is_json(value)}
        found |= {"class_name": model_class.__name__, "script": str(file) if file else "", "arguments": fit}
        found["unfit"] = [name for name, value in arguments.items() if not is_json(value)]
        found["unused"] = _additions(app)
        if module is not None and isinstance(getattr(module, "app", app), BackendApp) is False:
            found["unused"].append("what wraps the application")
    return found


def _additions(app: BackendApp) -> list[str]:
    """Return what was added to the application, which only a WSGI server runs."""
    routes = [rule.rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("backend/")]
    hooks = {
        "before_request": app.before_request_funcs,
        "after_request": app.after_request_funcs,
        "teardown_request": app.teardown_request_funcs,
        "errorhandler": app.error_handler_spec,
    }
    found = [f"the route {rule}" for rule in routes] + [
        name for name, functions in hooks.items() if functions
    ]
    return [*found, "its WSGI middleware"] if "wsgi_app" in vars(app) else found
