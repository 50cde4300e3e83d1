"""The Flask request that a model's construction runs in, for classes that read `/setup`'s body in `setup`.

    def setup(self):
        hostname = flask.request.get_json()["hostname"]

The event generation built its models inside of the request. Here they are built in other threads and processes, so the
request is made for them, where the class or something that it imported uses Flask.
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

from label_studio_ml.versions.state import Project


@contextlib.contextmanager
def setup_request(cls: type, project: Project) -> Iterator[None]:
    """Give the code inside of the `with` block a `flask.request` with the body of the project's last `/setup`."""
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

    Made by hand: Flask's test helpers import modules (`pdb`, `code`) whose names files of the user may have.
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
    """Return the Flask application that the requests belong to."""
    import flask

    return flask.Flask("label_studio_ml_setup", static_folder=None)


def _mentions_flask(cls: type) -> bool:
    """Tell whether a file that defines the class, or a base of it, has the word `flask`: `setup` may import it."""
    for one in cls.__mro__:
        if one is object or one.__module__.startswith("label_studio_ml."):
            continue
        with contextlib.suppress(TypeError, OSError):
            if b"flask" in Path(inspect.getfile(one)).read_bytes():
                return True
    return False
