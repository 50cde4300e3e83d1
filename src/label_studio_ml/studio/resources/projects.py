"""Projects in Label Studio's API."""

from typing import Any

from label_studio_ml.errors import StudioRefusedError
from label_studio_ml.studio.resources.answer_forms import Numbered, ProjectAnswer
from label_studio_ml.studio.transport.api_client import ApiClient, Json


class ProjectResource:
    """Reads, creates and changes projects. For the exceptions see ApiClient."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def get(self, project: int) -> Json:
        """Return a project: `id`, `title`, `label_config`, `created_at`, `task_number`, `model_version` and more.

        Raises StudioRefusedError, with the number and the address, if there is no such project.
        """
        try:
            return self._api.json_object("GET", f"/api/projects/{project}/", form=ProjectAnswer)
        except StudioRefusedError as error:
            if (
                error.status != 404 or not error.detail
            ):  # without a detail, it is not Label Studio that answers
                raise
            raise StudioRefusedError(
                f"There is no project {project} at {self._api.http.base}, or the token's user may not see it: "
                f"{error.message}",
                error.status,
                error.detail,
                field="--project",
            ) from None

    def create(self, title: str, label_config: str) -> int:
        """Create a project and return its id."""
        fields = {"title": title, "label_config": label_config}
        return int(self._api.json_object("POST", "/api/projects/", form=Numbered, json=fields)["id"])

    def change(self, project: int, **changes: Any) -> None:
        """Change a project's settings. Webhooks get PROJECT_UPDATED even if no value changes."""
        self._api.call("PATCH", f"/api/projects/{project}/", json=changes)

    def check_token(self) -> None:
        """Request the list of projects, which every user may read, to see whether the token is accepted."""
        self._api.call("GET", "/api/projects/", params={"page_size": "1", "include": "id"})
