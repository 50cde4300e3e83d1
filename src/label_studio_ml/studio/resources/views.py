"""Tabs of a project's Data Manager in Label Studio's API, which calls them views."""

from collections.abc import Sequence

from label_studio_ml.studio.resources.answer_forms import Numbered, ViewAnswer
from label_studio_ml.studio.resources.task_filters import Filter
from label_studio_ml.studio.transport.api_client import ApiClient, Json


class ViewResource:
    """Reads, makes and deletes tabs. For the exceptions see ApiClient."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def of_project(self, project: int) -> list[Json]:
        """Return the tabs of a project: `id`, and in `data` their `title`, `filters` and `ordering`."""
        return self._api.json_list("GET", "/api/dm/views/", form=ViewAnswer, params={"project": str(project)})

    def add(self, project: int, title: str, conditions: Sequence[Filter], ordering: str = "") -> int:
        """Make a tab of the tasks that meet all conditions, and return its id.

        `ordering` is a column such as `tasks:predictions_score`; empty for ascending ids.
        """
        data = {
            "title": title,
            "type": "list",
            "target": "tasks",
            "filters": {"conjunction": "and", "items": list(conditions)},
            "ordering": [ordering] if ordering else [],
        }
        body = {"project": project, "data": data}
        return int(self._api.json_object("POST", "/api/dm/views/", form=Numbered, json=body)["id"])

    def delete(self, view_id: int) -> None:
        """Delete a tab."""
        self._api.call("DELETE", f"/api/dm/views/{view_id}/")
