"""WSGI applications of the model of `data/models/obedient.py`, in this process."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from label_studio_ml.api import init_app
from label_studio_ml.runtime.wsgi_application import BackendApp
from tricky import Tricky

MakeApp = Callable[..., BackendApp]


@contextlib.contextmanager
def applications(tricky: Tricky) -> Iterator[MakeApp]:
    """Yield a function that makes an application of a class of the model in the folder; all are closed at the end.

    Its further arguments are those of `init_app`.
    """
    apps: list[BackendApp] = []

    def make(class_name: str = "Tricky", **options: Any) -> BackendApp:
        spec = importlib.util.spec_from_file_location(
            "obedient_of_an_application", tricky.folder / "obedient.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        app = init_app(model_class=getattr(module, class_name), **options)
        app.config["TESTING"] = True
        apps.append(app)
        return app

    yield make
    for app in apps:
        if app._running is not None:
            app._running.close()
