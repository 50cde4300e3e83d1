"""Provide a Flask request during the construction of a model, for classes that read `/setup`'s body in `setup`.

    def setup(self):
        hostname = flask.request.get_json()["hostname"]

The event generation's server built models inside the request. This backend builds them in other threads and processes,
so it creates a request for them if the class, or a module that it has imported, uses Flask.
"""

import contextlib
import functools
import inspect
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_studio_ml.versions.state.project_state import Project


@contextlib.contextmanager
def setup_request(cls: type, project: Project) -> Iterator[None]:
    """Make `flask.request` a request with the body of the project's last `/setup`, during the block."""
    if "flask" not in sys.modules and not _mentions_flask(cls):
        yield
        return
    body = {
        "project": project.uid,
        "schema": project.label_config,
        "hostname": project.hostname,
        "access_token": project.access_token,
        "extra_params": project.extra_params,
    }
    with _application().request_context(_environ(json.dumps(body).encode())):
        yield


def _environ(body: bytes) -> dict[str, Any]:
    """Return the WSGI environment of a POST to `/setup`.

    Flask's test helpers are not used: they import modules (`pdb`, `code`) that files of the user may shadow.
    """
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/setup",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


@functools.cache
def _application() -> Any:
    """Return the Flask application of the requests, created once."""
    import flask

    return flask.Flask("label_studio_ml_setup", static_folder=None)


def _mentions_flask(cls: type) -> bool:
    """Tell whether a file defining the class or one of its bases contains `flask`, so that `setup` may import it."""
    for base in cls.__mro__:
        if base is object or base.__module__.startswith("label_studio_ml."):
            continue
        with contextlib.suppress(TypeError, OSError):
            if b"flask" in Path(inspect.getfile(base)).read_bytes():
                return True
    return False
