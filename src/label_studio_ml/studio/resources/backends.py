"""ML backends of a project in Label Studio's API."""

from collections.abc import Mapping
from typing import Any

from label_studio_ml.errors import StudioRefusedError
from label_studio_ml.studio.resources.answer_forms import BackendAnswer
from label_studio_ml.studio.transport.api_client import ApiClient, Json


class BackendResource:
    """Reads, adds and tests backends. For the exceptions see ApiClient."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def of_project(self, project: int) -> list[Json]:
        """Return the project's backends; the first one gets the prediction requests.

        Label Studio checks the health of each backend for this call.
        """
        return self._api.json_list("GET", "/api/ml/", form=BackendAnswer, params={"project": str(project)})

    def save(self, fields: Mapping[str, Any], backend_id: int | None = None) -> Json:
        """Add a backend, or change the one with the given id; return it. Label Studio contacts it first."""
        if backend_id is None:
            return self._api.json_object("POST", "/api/ml/", form=BackendAnswer, json=dict(fields))
        return self._api.json_object("PATCH", f"/api/ml/{backend_id}", form=BackendAnswer, json=dict(fields))

    def test_prediction(self, backend_id: int) -> Json:
        """Make Label Studio request a prediction for a random task from a backend; return Label Studio's response."""
        path = f"/api/ml/{backend_id}/predict/test"
        return self._api.json_object("POST", path, params={"random": "true"})

    def refusal_of(self, project: int, url: str) -> str:
        """Return why Label Studio refuses a backend at `url`, empty if it does not. Nothing is added to the project."""
        # The timeout is invalid on purpose: Label Studio validates the address, too, and adds no backend.
        return refusal_of(self._api, "/api/ml/", {"project": project, "url": url, "timeout": "none"})


def refusal_of(api: ApiClient, path: str, fields: Json) -> str:
    """Post invalid `fields` to `path`; return why Label Studio refuses the `url` among them, empty if it does not."""
    try:
        api.call("POST", path, json=fields)
    except StudioRefusedError as error:
        return str(error.detail or error) if error.status == 403 or "url" in error.fields else ""
    return ""
