"""`init_app(model_class=…)`: a backend as a WSGI application, for `_wsgi.py` files, gunicorn, and tests.

    app = init_app(model_class=MyModel)      # gunicorn _wsgi:app
    app.run(host="127.0.0.1", port=9090)     # or: python _wsgi.py, the same server as `label-studio-ml start`
    app.config["TESTING"] = True             # fit runs at once, in this process; nothing is left behind
    with app.test_client() as client: …

Nothing starts before the first request.
"""

import os
import sys
from dataclasses import replace
from typing import Any

from label_studio_ml.app_arguments import with_app_arguments
from label_studio_ml.errors import SettingsError
from label_studio_ml.model import TRAIN_EVENTS as TRAIN_EVENTS
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.runtime.model_place import backend_folder
from label_studio_ml.runtime.wsgi import BackendApp
from label_studio_ml.settings import Settings


def init_app(
    model_class: type[LabelStudioMLBase],
    basic_auth_user: str | None = None,
    basic_auth_pass: str | None = None,
    **kwargs: Any,
) -> BackendApp:
    """Return a WSGI application that serves `model_class`.

    `basic_auth_user` and `basic_auth_pass` default to the settings' (`BASIC_AUTH_USER`, `BASIC_AUTH_PASS`).
    `model_dir` is the folder for versions and state, `redis_host`, `redis_port` and `redis_queue` name a Redis of
    your own (the defaults that release 1.0.9 passes, localhost:6379 and "default", do not: see `REDIS_URL`).
    All other keyword arguments go to the constructor of the model, in the processes that predict and that train: use
    values that JSON can hold. Raises SettingsError if a value cannot be used.
    """
    caller = sys._getframe(1).f_globals.get("__file__")
    settings = Settings.from_env(backend_dir=backend_folder(model_class, caller))
    if basic_auth_user or basic_auth_pass:
        if not (basic_auth_user and basic_auth_pass):
            raise SettingsError(
                "basic_auth_user and basic_auth_pass must be given together", field="basic_auth_pass"
            )
        settings = replace(settings, basic_auth_user=basic_auth_user, basic_auth_pass=basic_auth_pass)
    settings = replace(
        settings, python_path=tuple(dict.fromkeys(os.path.abspath(entry) for entry in sys.path))
    )
    return BackendApp(with_app_arguments(settings, kwargs), model_class)
