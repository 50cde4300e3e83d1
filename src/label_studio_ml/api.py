"""`init_app(model_class=…)`: a backend as a WSGI application, for `_wsgi.py` files, gunicorn, and tests.

    app = init_app(model_class=MyModel)      # gunicorn _wsgi:app
    app.run(host="127.0.0.1", port=9090)     # or: python _wsgi.py, the same server as `label-studio-ml start`
    app.config["TESTING"] = True             # fit runs at once, in this process; nothing is left behind
    with app.test_client() as client: …

Nothing starts before the first request.
"""

import inspect
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from label_studio_ml.errors import SettingsError
from label_studio_ml.model import TRAIN_EVENTS as TRAIN_EVENTS
from label_studio_ml.model import LabelStudioMLBase
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
    your own; all other keyword arguments go to the constructor of the model. Raises SettingsError if a value
    cannot be used.
    """
    folder = _folder_of(model_class)
    settings = Settings.from_env(backend_dir=folder)
    changes: dict[str, Any] = {}
    if (model_dir := kwargs.pop("model_dir", None)) is not None:
        settings = settings.with_model_dir(str(model_dir))
    host, port = kwargs.pop("redis_host", None), kwargs.pop("redis_port", None)
    if host and not settings.redis_url:
        changes["redis_url"] = f"redis://{host}:{port or 6379}/0"
    if (queue := kwargs.pop("redis_queue", None)) is not None:
        changes["queue"] = str(queue)
    if basic_auth_user or basic_auth_pass:
        if not (basic_auth_user and basic_auth_pass):
            raise SettingsError(
                "basic_auth_user and basic_auth_pass must be given together", field="basic_auth_pass"
            )
        changes.update(basic_auth_user=basic_auth_user, basic_auth_pass=basic_auth_pass)
    changes["python_path"] = tuple(dict.fromkeys(os.path.abspath(entry) for entry in sys.path))
    changes["init_kwargs"] = {**settings.init_kwargs, **kwargs}
    return BackendApp(replace(settings, **changes), model_class)


def _folder_of(model_class: type) -> Path | None:
    """Return the folder of the file that defines the class, None if there is no such file."""
    try:
        return Path(inspect.getfile(model_class)).resolve().parent
    except (TypeError, OSError):
        return None
