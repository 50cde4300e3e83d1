"""The OpenAPI document of all calls of a backend's server, for `/openapi.json` and the command `openapi`."""

import functools
from importlib import resources
from typing import Any

import msgspec

from label_studio_ml import __version__
from label_studio_ml.dashboard import dashboard_calls, session_calls
from label_studio_ml.openapi.declarations.document import build_document
from label_studio_ml.openapi.declarations.operation import operations_of
from label_studio_ml.web.error_statuses import status_of_kind
from label_studio_ml.web.routes.calls import job_calls, label_studio_calls, server_calls, version_calls

#: Bodies of requests that Label Studio has sent, by name, without secrets.
EXAMPLES = "captured.json"

_DESCRIPTION = """\
Calls of a backend that `label-studio-ml` serves, of this version: answers have the fields that are described here and \
no others, except where a schema says so. Requests may have more fields than described.

- A path without a route is answered with 404, a path without a route for the method with 405, as `Problem`. HEAD is \
answered like GET, without a body.
- Requests that are not HTTP, too large or too slow are answered with 400, 408, 413, 431, 501 or 505 before any route.
- Each response has an `X-Request-ID`: that of the request, or a new one, which log lines name.
- The security schemes are needed if the backend has a login."""

_TAGS = {
    label_studio_calls.TAG: "The calls of Label Studio",
    job_calls.TAG: "Training jobs",
    version_calls.TAG: "Versions of models",
    server_calls.TAG: "The server itself",
    session_calls.TAG: "What the dashboard's page calls: it may change with each release",
}


@functools.cache
def api_document() -> bytes:
    """Return the document as JSON. It is made at the first call and kept."""
    return msgspec.json.encode(document())


def document() -> dict[str, Any]:
    """Return the document as JSON values."""
    examples = _examples()
    operations = [
        *operations_of(label_studio_calls, job_calls, version_calls, server_calls),
        *dashboard_calls.OPERATIONS,
    ]
    info = {
        "title": "Label Studio ML backend",
        "version": __version__,
        "description": _DESCRIPTION,
        "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
    }
    return build_document(operations, info, _TAGS, status_of_kind, examples.__getitem__)


def _examples() -> dict[str, Any]:
    file = resources.files("label_studio_ml.openapi").joinpath(EXAMPLES)
    examples: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    return examples
