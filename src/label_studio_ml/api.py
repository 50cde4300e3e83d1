"""`init_app(model_class=…)`: a backend as a WSGI application, for `_wsgi.py` files, gunicorn and tests.

    app = init_app(model_class=MyModel)      # gunicorn _wsgi:app
    app.run(host="127.0.0.1", port=9090)     # or: python _wsgi.py, the same server as `label-studio-ml start`
    app.config["TESTING"] = True             # fit runs at once, in this process; nothing is left behind
    with app.test_client() as client: …

No process or thread starts before the first request.

Attributes of the older releases: `_server` is the application created last, `MODEL_CLASS` its class, `BASIC_AUTH` its
user and password, `_manager` the first generation's manager, which forwards its calls to that application. Before the
first `init_app`, `_server` is a spare application that serves the functions of `predict_fn` and `update_fn`; the first
`init_app` reuses it, so that routes added to it stay.
"""

import hmac
import os
import sys
from dataclasses import dataclass, replace
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.legacy.managers import LabelStudioMLManager
from label_studio_ml.model import TRAIN_EVENTS as TRAIN_EVENTS
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.init_app_arguments import with_app_arguments
from label_studio_ml.runtime.model_place import backend_folder
from label_studio_ml.runtime.wsgi_application import BackendApp


def init_app(
    model_class: type[LabelStudioMLBase],
    basic_auth_user: str | None = None,
    basic_auth_pass: str | None = None,
    **kwargs: Any,
) -> BackendApp:
    """Return a WSGI application that serves `model_class`.

    `basic_auth_user` and `basic_auth_pass` default to the settings `BASIC_AUTH_USER` and `BASIC_AUTH_PASS`.
    `model_dir` is the folder for versions and state; `redis_host`, `redis_port` and `redis_queue` name an external
    Redis (the defaults of release 1.0.9, localhost:6379 and "default", are ignored: use `REDIS_URL`). All other
    keyword arguments are passed to the model's constructor in other processes, so their values must be representable
    in JSON. Raises SettingsError if a value is invalid.
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
    settings = with_app_arguments(settings, kwargs)
    LabelStudioMLManager.model_class, LabelStudioMLManager.model_dir = model_class, str(settings.model_dir)
    LabelStudioMLManager.init_kwargs = dict(settings.init_kwargs)
    return _new_application(settings, model_class)


@dataclass(slots=True)
class _Applications:
    """The application created last, its class and its login; `spare` while no `init_app` call has created it."""

    last: BackendApp | None = None
    spare: bool = False
    model_class: type[LabelStudioMLBase] = LabelStudioMLBase
    login: tuple[str, str] | None = None


_applications = _Applications()


def _new_application(
    settings: Settings, model_class: type[LabelStudioMLBase], *, spare: bool = False
) -> BackendApp:
    """Return an application for `settings` and record it as the last; reuse a spare one that has not served yet."""
    spare_app = _applications.last if _applications.spare else None
    if spare_app is None or not spare_app.serve_instead(settings, model_class):
        _applications.last = BackendApp(settings, model_class)
    if spare and _applications.last is not None:
        _applications.last.all_here = True
    _applications.spare, _applications.model_class = spare, model_class
    login = settings.basic_auth_user, settings.basic_auth_pass
    _applications.login = login if settings.basic_auth_user else None
    return _last()


def _last() -> BackendApp:
    """Return the application created last, else create a spare one."""
    return _applications.last or _new_application(Settings.from_env(), LabelStudioMLBase, spare=True)


LabelStudioMLManager.make_application = staticmethod(init_app)
LabelStudioMLManager.application = staticmethod(_last)

_manager = LabelStudioMLManager()


def safe_str_cmp(a: str, b: str) -> bool:
    """Tell whether two texts are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(a.encode(), b.encode())


def __getattr__(name: str) -> Any:
    """Return an attribute that depends on the application created last."""
    if name == "_server":
        from werkzeug.local import LocalProxy

        return LocalProxy(_last)
    if name == "MODEL_CLASS":
        return _applications.model_class
    if name == "BASIC_AUTH":
        return _applications.login
    raise AttributeError(f"module 'label_studio_ml.api' has no attribute {name!r}")
